"""What is known of an attempt's tasks before anything is computed: the states and manifests of their needs, their
keys, and whether a result follows without computing. The same for a Python step and for an image.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from hilum.errors import TerminalError
from hilum.executors.outputs import find_manifest
from hilum.executors.staging import measured, stage_need
from hilum.kernel.clock import Clock
from hilum.model.keys import task_key
from hilum.model.work import AttemptSpec, Manifest, StepPlan, TaskResult, TaskState
from hilum.steps.context import Needed
from hilum.storage import Storage

STOPPED = (TaskState.DEAD, TaskState.BLOCKED)


class Tasks:
    """The tasks of one attempt; what ends in it is told by :meth:`ended` and :meth:`committed`."""

    def __init__(self, spec: AttemptSpec, storage: Storage, clock: Clock) -> None:
        self._spec = spec
        self._storage = storage
        self._clock = clock
        self._results: dict[str, TaskResult] = {}
        self._manifests: dict[str, Manifest] = {}
        self._needed: dict[str, Needed] = {}

    @property
    def results(self) -> list[TaskResult]:
        """Those of tasks that ended here, in order."""
        return list(self._results.values())

    def ended(self, result: TaskResult) -> None:
        """Take note of how a task ended."""
        self._results[result.step] = result

    def committed(self, step: str, manifest: Manifest) -> None:
        """Take note of a commit, made here or found."""
        self._manifests[step] = manifest

    def unfinished(self, need: str) -> bool:
        """A need that this attempt was to do and did not: it failed in a way that may pass."""
        ours = need in {plan.name for plan in self._spec.steps}
        result = self._results.get(need)
        return ours and (result is None or not result.state.final)

    def manifest(self, need: str) -> Manifest:
        """The commit of a needed step; TerminalError ``result-missing`` if it is gone."""
        if need not in self._manifests:
            manifest = find_manifest(self._storage, self._spec.done[need] or "")
            if manifest is None:
                raise TerminalError(
                    f"the result of needed step {need!r} is gone from storage",
                    reason="result-missing",
                    hint="hilum doctor says what else is",
                )
            self._manifests[need] = manifest
        return self._manifests[need]

    def staged_need(self, need: str, folder: Path) -> Needed:
        """A needed step's outputs as files below ``folder/needs``; once for an attempt."""
        if need not in self._needed:
            self._needed[need] = stage_need(self._storage, self.manifest(need), folder / "needs" / need)
        return self._needed[need]

    def key(self, plan: StepPlan) -> str:
        """The task's key, from the outputs of its needs."""
        needs = {need: self.manifest(need).outputs_digest for need in plan.needs}
        return task_key(plan, self._spec.scope, self._spec.revision, needs)

    def without_computing(self, plan: StepPlan, started: datetime) -> TaskResult | None:
        """The result, where it follows from needs or condition, or is committed already."""

        def result(state: TaskState, reason: str = "", *, key: str = "") -> TaskResult:
            return TaskResult(plan.name, state, key, bool(key), reason, "", started, self._clock.now())

        states = {need: self._state(need) for need in plan.needs}
        if any(state in STOPPED for state in states.values()):
            return result(TaskState.BLOCKED, "need-dead")
        if TaskState.SKIPPED in states.values():
            return result(TaskState.SKIPPED, "need-skipped")
        if plan.condition and not self._holds(plan):
            return result(TaskState.SKIPPED, "condition-false")
        key = self.key(plan)
        manifest = find_manifest(self._storage, key)
        if manifest is None:
            return None
        self.committed(plan.name, manifest)
        return result(TaskState.SUCCEEDED, key=key)

    def _state(self, need: str) -> TaskState:
        if need in self._results:
            return self._results[need].state
        if need in self._spec.done:
            return TaskState.SKIPPED if self._spec.done[need] is None else TaskState.SUCCEEDED
        return TaskState.DEAD

    def _holds(self, plan: StepPlan) -> bool:
        from hilum.pipeline.expressions import Condition

        condition = Condition(plan.condition)
        done = [name for name in condition.names if self._state(name) is TaskState.SUCCEEDED]
        return condition.holds({name: measured(self.manifest(name)) for name in done})
