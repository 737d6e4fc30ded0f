"""An attempt at an image step, in two halves around a container that somebody else runs: stage before it, collect
after it. The halves share a folder and nothing else, so they may be calls in one process (Docker) or two containers
of a pod.

    folder/in  out  scratch     what the step's container sees, each mounted as its contract says
    folder/staged.json          what collect must know of stage
"""

from __future__ import annotations

import errno
import json
import os
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

from hilum.errors import HilumError, TerminalError, TransientError
from hilum.executors.outputs import Made, MadeFile, commit, read_manifest
from hilum.executors.staging import stage_instances
from hilum.executors.tasks import Tasks
from hilum.kernel.address import local_path
from hilum.kernel.clock import Clock, SystemClock
from hilum.kernel.digest import digest_tree, short_id
from hilum.kernel.trace import TRACEPARENT, traceparent
from hilum.model.image import ImagePlan
from hilum.model.work import AttemptSpec, Measurement, StepPlan, TaskResult, TaskState
from hilum.steps.contracts import contract_of
from hilum.steps.contracts.interface import Collected, Invocation, Job, MeasuredByImage
from hilum.storage import Storage, StorageFull

STAGED = "staged.json"
FOLDERS = ("in", "out", "scratch")


@dataclass(frozen=True, slots=True)
class ImageStep:
    """The one step of an attempt that runs an image."""

    plan: StepPlan
    image: ImagePlan

    @classmethod
    def of(cls, spec: AttemptSpec) -> ImageStep | None:
        """The image step of an attempt; None where it runs Python steps."""
        plan = spec.steps[0]
        return cls(plan, plan.image) if plan.image else None

    def environment(self, spec: AttemptSpec) -> dict[str, str]:
        """The variables of its container: the contract's, and its place in the run's trace where that is told."""
        header = traceparent(spec.trace, spec.id, self.plan.name)
        return {**self.invocation().env, **({TRACEPARENT: header} if header else {})}

    def invocation(self) -> Invocation:
        """How its container is started."""
        return contract_of(self.image.contract).invocation(self.plan)


def stage(
    spec: AttemptSpec,
    storage: Storage,
    folder: Path,
    clock: Clock | None = None,
    trace: TextIO | None = None,
) -> TaskResult | None:
    """Make the attempt's folders and put its inputs into them.

    Args:
        trace: where an error is told in full; it may hold patient data. None: standard error.

    Returns:
        None when the container may start; else the task's result: it is committed already, must not run, or its
        inputs are missing.
    """
    clock = clock or SystemClock()
    plan, started = spec.steps[0], clock.now()
    try:
        tasks = Tasks(spec, storage, clock)
        known = tasks.without_computing(plan, started)
        if known is not None:
            return known
        for name in FOLDERS:
            (folder / name).mkdir(parents=True)
        key = tasks.key(plan)
        job = Job(
            plan=plan,
            scope=spec.scope,
            subject_id=spec.subject_id,
            instances=stage_instances(storage, spec.revision, folder / "instances"),
            needs={need: tasks.staged_need(need, folder) for need in plan.needs},
            labels=spec.labels,
            model=_model(_image(plan)),
        )
        contract_of(_image(plan).contract).stage(job, folder / "in")
        needs = {need: tasks.manifest(need).task_key for need in plan.needs}
        times = {"started": started.isoformat(), "staged": clock.now().isoformat()}
        (folder / STAGED).write_text(json.dumps({"key": key, "needs": needs, **times}))
    except Exception as error:
        return failed(plan, started, clock, error, trace)
    return None


def collect(
    spec: AttemptSpec,
    storage: Storage,
    folder: Path,
    machine: str,
    clock: Clock | None = None,
    trace: TextIO | None = None,
) -> TaskResult:
    """Commit what the container left, after it ended well; the task's result."""
    clock = clock or SystemClock()
    plan, started = spec.steps[0], clock.now()
    computed = started
    try:
        staged = json.loads((folder / STAGED).read_text())
        started = datetime.fromisoformat(staged["started"])
        key: str = staged["key"]
        job = Job(plan, spec.scope, spec.subject_id, labels=spec.labels)
        found = contract_of(_image(plan).contract).collect(job, folder / "out")
        data = commit(storage, spec, _made(plan, key, staged, found), folder / "out", machine, clock)
        reused = read_manifest(data).attempt != spec.id
        return TaskResult(
            plan.name,
            TaskState.SUCCEEDED,
            key,
            reused,
            started_at=started,
            staged_at=datetime.fromisoformat(staged.get("staged", staged["started"])),
            computed_at=computed,
            finished_at=clock.now(),
        )
    except Exception as error:
        return failed(plan, started, clock, error, trace)


def failed(
    plan: StepPlan, started: datetime, clock: Clock, error: Exception, trace: TextIO | None = None
) -> TaskResult:
    """The result of a task that an error ended.

    What is no error of Hilum is no fault of the step either, which does not run here: it is tried again. It is told
    by class and place, without its message.
    """
    with suppress(OSError):
        traceback.print_exception(error, file=trace)
    known = error if isinstance(error, HilumError) else _unforeseen(error)
    state = TaskState.WAITING if known.transient else TaskState.DEAD
    return TaskResult(plan.name, state, "", False, known.reason, str(known), started, clock.now())


def _unforeseen(error: Exception) -> HilumError:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull("no room for the attempt's files", hint="free some space; the task is tried again")
    frame, line = list(traceback.walk_tb(error.__traceback__))[-1]
    place = f"{Path(frame.f_code.co_filename).name}:{line}"
    return TransientError(f"{type(error).__name__} at {place}", reason="executor-failed")


def _model(image: ImagePlan) -> Path | None:
    """The model's file or folder, which must be what it was when the run was planned."""
    if not image.model:
        return None
    path = Path(local_path(image.model))
    try:
        same = digest_tree(path) == image.model_digest
    except OSError as error:
        raise TerminalError(
            f"the model cannot be read: {os.strerror(error.errno or 0)}",
            reason="model-missing",
            hint="put it back, then retry",
        ) from None
    if not same:
        raise TerminalError(
            "the model is not what it was when the run was planned",
            reason="model-changed",
            hint="plan again: hilum run",
        )
    return path


def _image(plan: StepPlan) -> ImagePlan:
    assert plan.image is not None
    return plan.image


def _made(plan: StepPlan, key: str, staged: Mapping[str, object], found: Collected) -> Made:
    needs = staged["needs"]
    return Made(
        step=plan.name,
        task_key=key,
        needs=dict(needs) if isinstance(needs, dict) else {},
        files=tuple(MadeFile(each.name, each.path, each.media_type) for each in found.files),
        measurements=tuple(_measurement(key, index, each) for index, each in enumerate(found.measurements)),
        started_at=str(staged["started"]),
    )


def _measurement(key: str, index: int, found: MeasuredByImage) -> Measurement:
    reading = found.reading
    return Measurement(
        id=short_id("m", key, reading.name, reading.region, str(index)),
        name=reading.name,
        value=reading.value,
        concept_code=found.concept_code or reading.name,
        concept_scheme=found.concept_scheme or "99HILUM",
        concept_meaning=found.concept_meaning or reading.name.replace("_", " "),
        unit=reading.unit or "1",
        region=reading.region,
        instances=reading.instances,
    )
