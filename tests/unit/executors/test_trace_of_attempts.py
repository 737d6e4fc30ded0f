"""What a step's container is told of its run's trace, as Docker and Kubernetes are asked for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from hilum.executors.docker.container import configuration
from hilum.executors.kubernetes.manifests import batches
from hilum.executors.kubernetes.settings import KubernetesSettings
from hilum.executors.staged import ImageStep
from hilum.kernel.trace import run_trace, traceparent
from hilum.model.image import ImagePlan
from hilum.model.subject import Scope
from hilum.model.work import AttemptSpec, StepPlan

DIGEST = f"sha256:{'1' * 64}"
RUN = "r-0123456789abcdef"
TRACE = run_trace(RUN)
SPEC = AttemptSpec(
    f"{RUN}.0.1",
    "gs://store",
    "ab" * 32,
    Scope.SERIES,
    "s-1",
    (StepPlan("lungs", "", {"image": DIGEST}, image=ImagePlan("registry.example/a:1", DIGEST)),),
)
TOLD = replace(SPEC, trace=TRACE)
SETTINGS = KubernetesSettings(image="registry.example/hilum:1")


def in_docker(spec: AttemptSpec) -> dict[str, str]:
    step = ImageStep.of(spec)
    assert step is not None
    body: dict[str, Any] = configuration(spec, step, DIGEST, Path("/work"), {})
    return dict(pair.split("=", 1) for pair in body["Env"])


def in_pods(*specs: AttemptSpec) -> list[dict[str, str]]:
    """The step's variables, a dictionary for each Job."""
    found = []
    for batch in batches(specs, SETTINGS, len(specs)):
        (step,) = [each for each in batch.template["initContainers"] if each["name"] == "step"]
        found.append({each["name"]: each["value"] for each in step["env"]})
    return found


def test_a_step_is_told_its_place_in_the_trace_that_is_kept():
    header = traceparent(TRACE, SPEC.id, "lungs")
    assert in_docker(TOLD)["TRACEPARENT"] == header
    assert in_pods(TOLD)[0]["TRACEPARENT"] == header


def test_nothing_is_told_where_no_trace_is_kept():
    assert "TRACEPARENT" not in in_docker(SPEC)
    assert "TRACEPARENT" not in in_pods(SPEC)[0]


def test_attempts_share_a_job_unless_each_has_a_place_of_its_own_in_a_trace():
    other = replace(SPEC, id=f"{RUN}.0.2")
    assert len(in_pods(SPEC, other)) == 1
    assert len(in_pods(TOLD, replace(other, trace=TRACE))) == 2
