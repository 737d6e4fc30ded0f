"""The program inside an attempt, wherever it runs: its steps in order, each computed only if no result is committed.

It needs storage to read from and a host: whoever is told what happens and commits what was made. The host is a
seam because the process that runs steps may write nothing but its own folder, so somebody else must commit.
"""

from __future__ import annotations

import errno
import inspect
import os
import shutil
import traceback
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from hilum.errors import HilumError, StepError, TerminalError, UsageError
from hilum.executors.outputs import Made, code_measurements, collect
from hilum.executors.staging import stage_instances
from hilum.executors.tasks import Tasks
from hilum.kernel.clock import Clock, SystemClock
from hilum.kernel.logging import get_logger
from hilum.kernel.trace import traceparent
from hilum.model.work import AttemptSpec, Manifest, StepPlan, TaskResult, TaskState
from hilum.steps.api import Step
from hilum.steps.context import Context, InputInstance
from hilum.steps.registry import StepRegistry
from hilum.storage import Storage, StorageFull

FULL = (errno.ENOSPC, errno.EDQUOT)

log = get_logger(__name__)


class Host(Protocol):
    """Whom an attempt tells what happens, and who commits."""

    def begins(self, step: str) -> None: ...

    def progress(self, step: str, fraction: float, message: str) -> None: ...

    def ends(self, result: TaskResult) -> None: ...

    def commit(self, made: Made) -> Manifest:
        """Commit what lies in the step's output folder (:func:`output_folder`); the winner's manifest.

        Raises:
            HilumError: as storage does.
        """
        ...


def output_folder(folder: Path, step: str) -> Path:
    """Where a step writes its outputs within the attempt's folder."""
    return folder / "out" / step


class Attempt:
    """One attempt at the tasks of a segment.

    Args:
        folder: empty, writable, thrown away afterwards.
    """

    def __init__(
        self,
        spec: AttemptSpec,
        folder: Path,
        storage: Storage,
        host: Host,
        *,
        registry: StepRegistry | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._spec = spec
        self._folder = folder
        self._storage = storage
        self._host = host
        self._registry = registry or StepRegistry()
        self._clock = clock or SystemClock()
        self._tasks = Tasks(spec, storage, self._clock)
        self._instances: list[InputInstance] | TerminalError | None = None
        self._shared: dict[str, Any] = {}

    def run(self) -> list[TaskResult]:
        """Do every task that can be done; the results, which the host was told one by one.

        A task whose need has to be tried again first is absent.

        Raises:
            MemoryError: as a step met it; what comes after it is left.
        """
        for plan in self._spec.steps:
            if any(self._tasks.unfinished(need) for need in (*plan.needs, *plan.after)):
                continue
            self._host.begins(plan.name)
            started = self._clock.now()
            step: Step | None = None
            try:
                result = self._tasks.without_computing(plan, started)
                if result is None:
                    step = self._step(plan)
                    result = self._compute(plan, step, started)
            except MemoryError:
                raise
            except BaseException as error:
                self._throw_away(output_folder(self._folder, plan.name))
                result = self._failed(plan, step, started, error)
            self._throw_away(self._scratch(plan.name))
            self._tasks.ended(result)
            self._host.ends(result)
        return self._tasks.results

    def _scratch(self, step: str) -> Path:
        return self._folder / "scratch" / step

    def _throw_away(self, folder: Path) -> None:
        """Make room at once: the disk that this step filled is that of the next ones."""
        shutil.rmtree(folder, ignore_errors=True)

    def _step(self, plan: StepPlan) -> Step:
        step = self._registry.get(plan.uses)
        if step.code != dict(plan.code):
            raise TerminalError(
                f"the code of step {plan.name!r} is not what it was when the run was planned",
                reason="code-changed",
                hint="plan again: hilum run or hilum backfill",
            )
        return step

    def _compute(self, plan: StepPlan, step: Step, started: datetime) -> TaskResult:
        from pydantic import ValidationError

        try:
            parameters = step.parameters.model_validate(dict(plan.parameters))
        except ValidationError:
            raise UsageError(
                f"the parameters of step {plan.name!r} do not fit", reason="bad-parameters"
            ) from None
        key = self._tasks.key(plan)
        context = self._context(plan, step, key)
        staged = self._clock.now()
        step(context, parameters)
        computed = self._clock.now()
        files, beside = collect(step, context.output_folder)
        if beside:
            context.log.warning("undeclared output files left out", files=beside)
        manifest = self._host.commit(
            Made(
                step=plan.name,
                task_key=key,
                needs={need: self._tasks.manifest(need).task_key for need in plan.needs},
                files=files,
                measurements=code_measurements(key, step, context.readings),
                started_at=started.isoformat(),
            )
        )
        self._tasks.committed(plan.name, manifest)
        reused = manifest.attempt != self._spec.id
        return TaskResult(
            plan.name,
            TaskState.SUCCEEDED,
            key,
            reused,
            started_at=started,
            staged_at=staged,
            computed_at=computed,
            finished_at=self._clock.now(),
        )

    def _context(self, plan: StepPlan, step: Step, key: str) -> Context:
        output, scratch = output_folder(self._folder, plan.name), self._scratch(plan.name)
        output.mkdir(parents=True)
        scratch.mkdir(parents=True)
        ids: Mapping[str, str] = {**self._spec.labels, "step": plan.name, "task_key": key}
        return Context(
            step=step,
            scope=self._spec.scope,
            instances=self._staged(),
            needs={need: self._tasks.staged_need(need, self._folder) for need in plan.needs},
            output_folder=output,
            scratch=scratch,
            log=log.bind(**ids),
            report=lambda fraction, message: self._host.progress(plan.name, fraction, message),
            shared=self._shared,
            traceparent=traceparent(self._spec.trace, self._spec.id, plan.name),
        )

    def _staged(self) -> list[InputInstance]:
        if self._instances is None:
            try:
                self._instances = stage_instances(
                    self._storage, self._spec.revision, self._folder / "instances"
                )
            except TerminalError as error:
                self._instances = error
        if isinstance(self._instances, TerminalError):
            raise self._instances
        return self._instances

    def _failed(
        self, plan: StepPlan, step: Step | None, started: datetime, error: BaseException
    ) -> TaskResult:
        known = error if isinstance(error, HilumError) else self._classified(step, error)
        with suppress(OSError):  # the disk that is full may be the log's too
            traceback.print_exception(error)
        state = TaskState.WAITING if known.transient else TaskState.DEAD
        return TaskResult(plan.name, state, "", False, known.reason, str(known), started, self._clock.now())

    def _classified(self, step: Step | None, error: BaseException) -> HilumError:
        """Somebody else's exception as one of ours, without its message: that may quote a header or a file name."""
        what = f"{type(error).__name__} at {_place(step, error)}"
        if isinstance(error, OSError) and error.errno in FULL:
            return StorageFull(what, hint="free some space; the task is tried again")
        if isinstance(error, OSError) and self._wrote_outside(error):
            return StepError(
                what,
                reason="write-outside",
                hint="a step may write only below its output and scratch folders",
            )
        return StepError(what, reason="exception")

    def _wrote_outside(self, error: OSError) -> bool:
        """A refusal on a path that is not the attempt's own, and that is not simply unreadable."""
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EXDEV):
            return False
        names = [name for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
        paths = [Path(os.path.realpath(os.fsdecode(name))) for name in names]
        outside = [path for path in paths if not path.is_relative_to(self._folder.resolve())]
        return any(not path.exists() or os.access(path, os.R_OK) for path in outside)


def _place(step: Step | None, error: BaseException) -> str:
    """File and line where it happened: the innermost in the step's own file, else the innermost."""
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = inspect.unwrap(step.function).__code__.co_filename if step else ""
    file, line = next((place for place in reversed(frames) if place[0] == own), frames[-1])
    return f"{Path(file).name}:{line}"
