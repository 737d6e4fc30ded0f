"""Names that follow from content: task keys, output digests and the names of objects in storage. Pure functions,
because planner, attempt and lineage must come to the same names on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hilum.kernel.digest import digest_json
from hilum.model.subject import Scope
from hilum.model.work import Artifact, Measurement, StepPlan


def task_key(step: StepPlan, scope: Scope, revision: str, needs: Mapping[str, str]) -> str:
    """The name of a result: SHA-256 over all that decides it.

    Args:
        step: its code identity and parameters count; its limits, its condition and its own name do not.
        scope: counts because a step sees it.
        revision: digest of the instances.
        needs: the ``outputs_digest`` of each needed step, by name; skipped ones are absent.
    """
    return digest_json(
        {
            "step": dict(step.code),
            "parameters": dict(step.parameters),
            "inputs": {"scope": scope.value, "revision": revision, "needs": dict(needs)},
        }
    )


def outputs_digest(artifacts: Iterable[Artifact], measurements: Iterable[Measurement]) -> str:
    """What a task gave, by content: equal results of different code give later steps the same key."""
    return digest_json(
        {
            "artifacts": sorted([artifact.name, artifact.path, artifact.digest] for artifact in artifacts),
            "measurements": [
                [found.name, found.value, found.region, sorted(found.instances)] for found in measurements
            ],
        }
    )


def revision_object(revision: str) -> str:
    """Where storage holds a revision's members, a JSON line each."""
    return f"revisions/{revision}.jsonl"


def manifest_object(key: str) -> str:
    """Where storage holds the commit of a task."""
    return f"tasks/{key[:2]}/{key}/manifest.json"


def report_object(attempt: str) -> str:
    """Where storage holds how an attempt ended that shared a pod with others, until its engine has read it."""
    return f"attempts/{attempt}.json"


def artifact_object(key: str, attempt: str, path: str) -> str:
    """Where storage holds an output file: a folder an attempt, so that racing attempts never touch each other's."""
    return f"tasks/{key[:2]}/{key}/{attempt}/{path}"
