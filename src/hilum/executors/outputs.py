"""What a step gave: collected as it was declared, then committed under the task's key.

Collecting happens beside the step, committing in a process that no step can touch. The manifest is created last and
only if absent; so a crash before it leaves nothing that anybody reads, and of racing attempts one wins and the
others take its result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hilum.errors import StepError, TerminalError, TransientError
from hilum.kernel.clock import Clock
from hilum.kernel.digest import digest_file, short_id
from hilum.model.codec import from_json, to_json
from hilum.model.keys import artifact_object, manifest_object, outputs_digest
from hilum.model.work import Artifact, AttemptSpec, Manifest, Measurement
from hilum.steps.declared import Reading
from hilum.storage import CreationInDoubt, ObjectMissing, Storage

if TYPE_CHECKING:
    from hilum.steps.api import Step


@dataclass(frozen=True, slots=True)
class MadeFile:
    """An output file: its declared name, where it is in the output folder, RFC 6838 type."""

    name: str
    path: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Made:
    """What one task made, before it is committed.

    Attributes:
        step: its name in the pipeline.
        needs: task keys of the needed steps, by name.
        started_at: ISO 8601.
    """

    step: str
    task_key: str
    needs: Mapping[str, str]
    files: tuple[MadeFile, ...]
    measurements: tuple[Measurement, ...]
    started_at: str


def collect(step: Step, folder: Path) -> tuple[tuple[MadeFile, ...], int]:
    """The declared outputs found in ``folder``, and how many files there are beside them.

    Only regular files count: a link may point anywhere. A file that fits several declarations belongs to the first.

    Raises:
        StepError: ``output-missing``.
    """
    present = {
        path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if is_output(folder, path)
    }
    made: list[MadeFile] = []
    for output in step.outputs:
        if output.many:
            paths = sorted(path.relative_to(folder).as_posix() for path in folder.glob(output.path))
        else:
            paths = [output.path]
        found = [path for path in paths if path in present]
        if output.required and not found:
            raise StepError(
                f"step {step.name} wrote no file for its output {output.name!r}",
                reason="output-missing",
                hint="declare it with required=False if it may be absent",
            )
        present.difference_update(found)
        made += [MadeFile(output.name, path, output.media_type) for path in found]
    return tuple(made), len(present)


def is_output(folder: Path, path: Path) -> bool:
    """Whether ``path`` is a regular file in ``folder``, reached through no link."""
    real = folder.resolve() / path.relative_to(folder)
    return real == path.resolve() and path.is_file()


def code_measurements(key: str, step: Step, readings: list[Reading]) -> tuple[Measurement, ...]:
    """A step's readings with ids and with the concepts and units that it declared."""
    declared = {measure.name: measure for measure in step.measurements}
    return tuple(
        Measurement(
            id=short_id("m", key, reading.name, reading.region, str(index)),
            name=reading.name,
            value=reading.value,
            concept_code=declared[reading.name].concept.value,
            concept_scheme=declared[reading.name].concept.scheme,
            concept_meaning=declared[reading.name].concept.meaning,
            unit=reading.unit or declared[reading.name].unit,
            region=reading.region,
            instances=reading.instances,
        )
        for index, reading in enumerate(readings)
    )


class ManifestDamaged(TerminalError):
    """A commit is not what was written."""

    reason = "result-damaged"


def find_manifest(storage: Storage, key: str) -> Manifest | None:
    """The commit under this key, if there is one; ManifestDamaged if it cannot be read."""
    try:
        return read_manifest(storage.read(manifest_object(key)))
    except ObjectMissing:
        return None


def read_manifest(data: bytes) -> Manifest:
    """The manifest that is stored as these bytes.

    Raises:
        ManifestDamaged: they are none.
    """
    try:
        return from_json(Manifest, json.loads(data))
    except (ValueError, TypeError, AttributeError):
        raise ManifestDamaged(
            "the manifest of a result is damaged", hint="`hilum doctor --mend` lets it be computed again"
        ) from None


def commit(
    storage: Storage, spec: AttemptSpec, made: Made, folder: Path, machine: str, clock: Clock
) -> bytes:
    """Store a task's files and commit it; the manifest of whoever committed this key first, as it is stored.

    Args:
        folder: the step's output folder; its declared files are moved away.

    Raises:
        StorageFull: nothing is left behind. CreationInDoubt: the result may be there. TerminalError: ``bad-output``,
            a file is not what it was.
    """
    step = next(step for step in spec.steps if step.name == made.step)
    artifacts: list[Artifact] = []
    try:
        for file in made.files:
            artifacts.append(_describe(spec.id, made.task_key, file, folder))
            storage.put_file(artifacts[-1].object, folder / file.path)
        manifest = Manifest(
            task_key=made.task_key,
            step=made.step,
            code=step.code,
            parameters=step.parameters,
            revision=spec.revision,
            needs=made.needs,
            artifacts=tuple(artifacts),
            measurements=made.measurements,
            outputs_digest=outputs_digest(artifacts, made.measurements),
            attempt=spec.id,
            machine=machine,
            started_at=made.started_at,
            finished_at=clock.now().isoformat(),
            image=step.image.reference if step.image else "",
        )
        data = json.dumps(to_json(manifest), separators=(",", ":")).encode()
        if storage.create(manifest_object(made.task_key), data):
            return data
    except CreationInDoubt:
        raise  # the manifest may be there, and then it names these files; so it may after an interrupt
    except Exception:
        _discard(storage, artifacts)
        raise
    _discard(storage, artifacts)
    return storage.read(manifest_object(made.task_key))


def _describe(attempt: str, key: str, file: MadeFile, folder: Path) -> Artifact:
    path = folder / file.path
    if not is_output(folder, path):
        raise TerminalError("an output is no regular file in the output folder", reason="bad-output")
    return Artifact(
        id=short_id("a", key, f"{file.name}/{file.path}"),
        name=file.name,
        path=file.path,
        digest=digest_file(path),
        size=path.stat().st_size,
        media_type=file.media_type,
        object=artifact_object(key, attempt, file.path),
    )


def _discard(storage: Storage, artifacts: list[Artifact]) -> None:
    for artifact in artifacts:
        with suppress(OSError, TransientError):
            storage.delete(artifact.object)
