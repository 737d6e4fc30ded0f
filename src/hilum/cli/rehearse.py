"""An image step tried from the folder that its image is built of, as a plain process: the same contract, staging,
checks and results as in a container, without one.

The folder stands for ``/app`` of the image, its Dockerfile says the entry point, and files beside it are those that
the contract would read from the image.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hilum.errors import HilumError, StepError, UnreadableError, UsageError
from hilum.kernel.address import local_path
from hilum.kernel.digest import digest_bytes
from hilum.model.image import ResolvedImage
from hilum.model.subject import Scope, subject_id

if TYPE_CHECKING:
    from hilum.model.work import RunPlan, StepPlan
    from hilum.steps.context import InputInstance, Needed
    from hilum.steps.contracts.interface import Collected, Contract, Invocation, Job
    from hilum.steps.registry import StepRegistry

APP = "/app"
ENTRY_POINT = re.compile(r"^ENTRYPOINT\s+(\[.*\])\s*$", re.MULTILINE)
PYTHON = re.compile(r"python[0-9.]*")


@dataclass
class Tried:
    """What a step gave for one series or study."""

    subject: str
    state: str = "succeeded"
    reason: str = ""
    detail: str = ""
    seconds: float = 0.0
    measurements: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    printed: str = ""


@dataclass(frozen=True)
class StepFolder:
    """A folder with a Dockerfile; knows what the image would be asked for."""

    folder: Path

    def resolve(self, reference: str, pull: str, wanted: Sequence[str] = ()) -> ResolvedImage:
        """See :class:`hilum.model.image.ImageResolver`; the digest is that of the Dockerfile."""
        texts = {path: self.folder / Path(path).name for path in wanted}
        facts = {path: file.read_text() for path, file in texts.items() if file.is_file()}
        return ResolvedImage(reference, f"sha256:{digest_bytes(self._dockerfile().encode())}", facts=facts)

    def entry_point(self) -> tuple[str, ...]:
        """What the Dockerfile names; empty where it names none."""
        found = ENTRY_POINT.findall(self._dockerfile())
        return tuple(json.loads(found[-1])) if found else ()

    def invocation(self, asked: Invocation) -> Invocation:
        """How the program is started here: its folder in place of ``/app``, this Python in place of the image's."""
        command = tuple(asked.command if asked.command is not None else self.entry_point())
        if command and PYTHON.fullmatch(command[0]):
            command = (sys.executable, *command[1:])
        return replace(
            asked,
            command=tuple(map(self._here, command)),
            args=tuple(map(self._here, asked.args or ())),
            env={name: self._here(value) for name, value in asked.env.items()},
        )

    def _here(self, word: str) -> str:
        return re.sub(rf"^{APP}(?=/|$)", lambda _: str(self.folder), word)

    def _dockerfile(self) -> str:
        try:
            return (self.folder / "Dockerfile").read_text()
        except OSError:
            raise UsageError(
                f"there is no Dockerfile in {self.folder}",
                reason="no-dockerfile",
                hint="--process tries a step from the folder that its image is built of",
            ) from None


def rehearse(pipeline: Path, step: str, dicom: Path, work: Path) -> Iterator[Tried]:
    """Try an image step of a pipeline file on each series or study below ``dicom``.

    Args:
        step: its name; empty for the only one.
        work: gets a folder for each subject, with what the step saw and what it left.

    Raises:
        UsageError: the pipeline file has mistakes, or no such step; ``no-instances``.
    """
    from hilum.pipeline.compiled import compile_pipeline
    from hilum.pipeline.load import load_pipeline
    from hilum.steps.registry import StepRegistry

    registry, folder = StepRegistry(), StepFolder(pipeline.absolute().parent)
    plan = compile_pipeline(load_pipeline(pipeline, registry), registry, folder.folder, folder).plan
    chosen = image_step(plan, step)
    for uid, instances in _subjects(dicom, plan.scope).items():
        subject = subject_id(plan.scope, uid)
        attempt = work / subject
        tried = Tried(subject)
        started = time.monotonic()
        try:
            needs = _needs(plan, chosen, instances, attempt, registry)
            _try(tried, folder, chosen, plan.scope, instances, needs, attempt)
        except HilumError as error:
            tried.state, tried.reason, tried.detail = "dead", error.reason, str(error)
        tried.seconds = round(time.monotonic() - started, 3)
        yield tried


def image_step(plan: RunPlan, name: str) -> StepPlan:
    """The image step of this name, or the only one; UsageError ``unknown-step``."""
    from hilum.kernel.nearest import did_you_mean

    images = {each.name: each for each in plan.steps if each.image}
    if not name and len(images) == 1:
        return next(iter(images.values()))
    if name not in images:
        what = f"no step {name!r}" if name else f"{len(images)} steps" if images else "no step"
        raise UsageError(
            f"pipeline {plan.pipeline} has {what} that runs an image",
            reason="unknown-step",
            hint=did_you_mean(name, images) if name else "--step names one",
        )
    return images[name]


def _try(
    tried: Tried,
    folder: StepFolder,
    plan: StepPlan,
    scope: Scope,
    instances: Sequence[InputInstance],
    needs: Mapping[str, Needed],
    attempt: Path,
) -> None:
    from hilum.steps.contracts import contract_of
    from hilum.steps.contracts.interface import Job

    assert plan.image is not None
    contract = contract_of(plan.image.contract)
    for name in ("in", "out", "scratch"):
        (attempt / name).mkdir(parents=True)
    model = Path(local_path(plan.image.model)) if plan.image.model else None
    job = Job(plan, scope, tried.subject, instances, needs, {"pipeline": "rehearsal"}, model)
    contract.stage(job, attempt / "in")
    tried.printed = _run(folder, contract, job, attempt)
    found = contract.collect(replace(job, instances=(), needs={}), attempt / "out")
    tried.measurements = [
        {
            "name": each.reading.name,
            "value": each.reading.value,
            "unit": each.reading.unit or "1",
            "region": each.reading.region,
        }
        for each in found.measurements
    ]
    tried.files = _files(found, attempt / "out")


def _run(folder: StepFolder, contract: Contract, job: Job, attempt: Path) -> str:
    """Run the program to its end; what it printed that is no progress."""
    from hilum.steps.contracts.rehearsal import running

    invocation = folder.invocation(contract.invocation(job.plan))
    with running(invocation, attempt, folder=folder.folder) as process:
        assert process.stdout is not None
        printed = "".join(line for line in process.stdout if contract.progress(line) is None)
        code = process.wait()
    if code:
        raise StepError(
            f"the program ended with exit code {code}:\n{printed[-2000:]}".rstrip(), reason=f"exit-{code}"
        )
    return printed


def _files(found: Collected, out: Path) -> list[dict[str, Any]]:
    return [
        {
            "output": each.name,
            "path": each.path,
            "size": (out / each.path).stat().st_size,
            "media_type": each.media_type,
        }
        for each in found.files
    ]


def _subjects(dicom: Path, scope: Scope) -> dict[str, list[InputInstance]]:
    """The instances below a folder, by the UID of their series or study."""
    from hilum.dicom.header import read_header
    from hilum.steps.context import InputInstance

    subjects: dict[str, list[InputInstance]] = defaultdict(list)
    paths = sorted(path for path in dicom.rglob("*") if path.is_file()) if dicom.is_dir() else [dicom]
    for path in paths:
        try:
            header = read_header(path)
        except HilumError:  # no instance; `hilum run` would say why
            continue
        uid = header.series_instance_uid if scope is Scope.SERIES else header.study_instance_uid
        subjects[uid].append(InputInstance(header.sop_instance_uid, path, header.series_instance_uid))
    if not subjects:
        raise UnreadableError(f"there is no DICOM instance at {dicom}", reason="no-instances")
    return dict(subjects)


def _needs(
    plan: RunPlan, chosen: StepPlan, instances: Sequence[InputInstance], attempt: Path, registry: StepRegistry
) -> dict[str, Needed]:
    """What the Python steps give that the step needs, each run here and now."""
    import structlog

    from hilum.executors.outputs import collect
    from hilum.steps.context import Context, Needed

    given: dict[str, Needed] = {}
    for each in plan.steps:  # in topological order
        if each.image or each.name == chosen.name:
            continue
        step = registry.get(each.uses)
        folder, scratch = attempt / "needs" / each.name, attempt / "needs-scratch" / each.name
        folder.mkdir(parents=True)
        scratch.mkdir(parents=True)
        context = Context(
            step, plan.scope, instances, {need: given[need] for need in each.needs}, folder, scratch,
            structlog.get_logger(),
        )  # fmt: skip
        step(context, step.parameters(**each.parameters))
        files: dict[str, tuple[Path, ...]] = {}
        for file in collect(step, folder)[0]:
            files[file.name] = (*files.get(file.name, ()), folder / file.path)
        measured = {reading.name: reading.value for reading in context.readings if not reading.region}
        given[each.name] = Needed(files, measured, folder)
    missing = [need for need in chosen.needs if need not in given]
    if missing:
        raise UsageError(
            f"step {chosen.name!r} needs {missing[0]!r}, which runs an image",
            reason="need-is-image",
            hint="without --process both run in containers",
        )
    return {need: given[need] for need in chosen.needs}
