"""Planning: which pipelines take a settled subject, and what of that is stale, with the reason for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hilum.engine.derive import makers
from hilum.engine.settle import Patience
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.ledger.interface import Ledger, NewRun, RunInfo
from hilum.model.subject import Subject
from hilum.model.work import RunPlan, RunState, TaskState
from hilum.pipeline.compiled import CompiledPipeline
from hilum.pipeline.plan import explain

PAGE = 200
NEW, LATE, FAILED = "new", "late-instances", "failed"
UNCHANGED = "unchanged"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Due:
    """A run that would be made, and why.

    Attributes:
        reasons: ``new``, ``late-instances``, ``stale-code``, ``stale-parameters``, ``stale-condition``,
            ``stale-needs``, ``removed``, or ``failed`` (which only ``retry`` brings back).
        steps: reasons by step, of those that would run: all where the subject is new or has late instances, the
            dead ones of what failed.
    """

    subject: Subject
    pipeline: CompiledPipeline
    reasons: tuple[str, ...]
    steps: Mapping[str, Sequence[str]]
    run_id: str = ""

    def as_json(self) -> dict[str, Any]:
        """For ``--json``; holds no header values."""
        return {
            "subject_id": self.subject.id,
            "scope": self.subject.scope.value,
            "revision": self.subject.revision,
            "pipeline": self.pipeline.name,
            "reasons": list(self.reasons),
            "steps": {name: list(reasons) for name, reasons in self.steps.items()},
            "run_id": self.run_id,
        }


class Planner:
    """Compares what pipelines would do with what the ledger says was done."""

    def __init__(self, ledger: Ledger, clock: Clock, pipelines: Sequence[CompiledPipeline]) -> None:
        self._ledger = ledger
        self._clock = clock
        self.pipelines = tuple(pipelines)

    def patience(self, subject: Subject) -> Patience:
        """How long to wait for a subject: as long as the most patient pipeline that would take it now."""
        taking = [pipeline for pipeline in self.pipelines if self._takes(pipeline, subject)]
        if not taking:
            return Patience()
        return Patience(max(each.quiet for each in taking), max(each.at_most for each in taking))

    def due(self, subjects: Iterable[Subject]) -> list[Due]:
        """What would run on these subjects' newest revisions, and the current runs that failed."""
        found = []
        wanted = list(subjects)
        for start in range(0, len(wanted), PAGE):
            page = wanted[start : start + PAGE]
            current = self._ledger.current_runs(subject.id for subject in page)
            for subject in page:
                for pipeline in self.pipelines:
                    if self._takes(pipeline, subject):
                        due = compare(subject, pipeline, current.get((pipeline.name, subject.id)))
                        found += [due] if due else []
        return self._with_dead_steps(found)

    def _with_dead_steps(self, found: list[Due]) -> list[Due]:
        dead: dict[str, dict[str, tuple[str, ...]]] = {}
        failed = [due.run_id for due in found if due.reasons == (FAILED,)]
        for task in self._ledger.tasks(failed) if failed else ():
            if task.state is TaskState.DEAD:
                dead.setdefault(task.run_id, {})[task.step] = (FAILED,)
        return [
            replace(due, steps=dead.get(due.run_id, {})) if due.reasons == (FAILED,) else due for due in found
        ]

    def plan(self, subject_ids: Iterable[str] | None = None, priority: int | None = None) -> list[str]:
        """Create the runs that are due: of these subjects, or of all that nobody planned yet.

        Returns:
            Ids of the runs that have something to do.
        """
        started: list[str] = []
        subjects = self._ledger.subjects(subject_ids, unplanned=subject_ids is None)
        for start in range(0, len(subjects), PAGE):
            page = subjects[start : start + PAGE]
            runs = [
                NewRun(
                    due.pipeline.plan,
                    due.subject.id,
                    due.subject.revision,
                    priority or due.pipeline.plan.priority,
                )
                for due in self.due(page)
                if due.reasons != (FAILED,)
            ]
            planned = [(subject.id, subject.revision) for subject in page]
            started += self._ledger.create_runs(runs, planned, self._clock.now())
        if started:
            log.info("planned", count=len(started))
        return started

    @staticmethod
    def _takes(pipeline: CompiledPipeline, subject: Subject) -> bool:
        if pipeline.scope is not subject.scope or pipeline.name in makers(subject.facts):
            return False
        return pipeline.selects(subject.facts, subject.instances)


def compare(
    subject: Subject, pipeline: CompiledPipeline, current: tuple[RunInfo, RunPlan] | None
) -> Due | None:
    """What is due for one pipeline on one subject, given its current run; None if nothing is."""
    if current is None:
        return Due(subject, pipeline, (NEW,), {step.name: (NEW,) for step in pipeline.plan.steps})
    run, plan = current
    explained = explain(plan, pipeline.plan).items()
    steps = {name: reasons for name, reasons in explained if reasons != (UNCHANGED,)}
    reasons = sorted({reason for each in steps.values() for reason in each})
    if run.revision != subject.revision:
        reasons.insert(0, LATE)
        steps = {step.name: steps.get(step.name, (LATE,)) for step in pipeline.plan.steps}
    if run.spec == pipeline.plan.spec and run.revision == subject.revision:
        if run.state is not RunState.FAILED:
            return None
        return Due(subject, pipeline, (FAILED,), {}, run.id)
    return Due(subject, pipeline, tuple(reasons) or ("changed",), steps, run.id)
