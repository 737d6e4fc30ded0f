"""What becomes of tasks after an attempt, as a pure function: who is done, who tries again and when, who is dead.

A failure counts against the one step that failed; its neighbours in the attempt simply go on in the next one. That a
result was made and could not be looked at, or that an attempt was lost, counts against nobody, but what goes on like
that is given a rest. Nor does it count that an attempt was cancelled.
Running out of memory is answered with more of it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from hilum.kernel.retry import backoff_seconds
from hilum.ledger.interface import Claim, Finished, Rows, TaskChange
from hilum.model.work import AttemptOutcome, AttemptReport, StepPlan, TaskResult, TaskState

COUNTED = (
    AttemptOutcome.FAILED,
    AttemptOutcome.CRASHED,
    AttemptOutcome.TIMEOUT,
    AttemptOutcome.OUT_OF_MEMORY,
)
MORE_MEMORY = 2
LOST_BASE, LOST_CAP = 0.5, 60.0
"""Seconds to wait after a first lost attempt, and at most."""


def judge(
    claim: Claim,
    report: AttemptReport,
    now: datetime,
    rng: random.Random,
    *,
    memory_cap: int,
    rows: Rows | None = None,
) -> Finished:
    """The consequences of an attempt's end.

    Args:
        memory_cap: bytes; a step that needs more than this is dead.
    """
    results = {result.step: result for result in report.results}
    steps = {step.name: step for step in claim.plan.steps}
    changes: list[TaskChange] = []
    wait = _rest(claim, rng) if report.outcome is AttemptOutcome.LOST else 0.0
    for name in claim.steps:
        result = results.get(name)
        if result is not None and result.state.final:
            changes.append(_final(result))
            continue
        failed = name == report.failed_step and report.outcome in COUNTED
        if result is None and not failed:
            continue
        if result is not None and not failed:
            change, seconds = _waits(result), _rest(claim, rng)
        else:
            change, seconds = _failed(claim, steps[name], result, report, rng, memory_cap)
        changes.append(change)
        wait = max(wait, seconds)
    return Finished(claim, report, tuple(changes), now + timedelta(seconds=wait), rows or {})


def memory_of(step: StepPlan, remembered: Mapping[str, int]) -> int:
    """Bytes to give a step: what its plan says, or what it was found to need."""
    return max(step.memory, remembered.get(step.name, 0))


def _rest(claim: Claim, rng: random.Random) -> float:
    """Seconds to wait after what counts against nobody: the longer, the more attempts ended like that."""
    losses = max(1, claim.number - sum(claim.failures.values()))
    return backoff_seconds(losses, base=LOST_BASE, cap=LOST_CAP, rng=rng)


def _final(result: TaskResult) -> TaskChange:
    return TaskChange(
        step=result.step,
        state=result.state,
        task_key=result.task_key,
        reused=result.reused,
        reason=result.reason,
        detail=result.detail,
        started_at=result.started_at,
        staged_at=result.staged_at,
        computed_at=result.computed_at,
        finished_at=result.finished_at,
    )


def _waits(result: TaskResult) -> TaskChange:
    """A task that is to be looked at again, through no fault of its own."""
    return replace(_final(result), task_key="")


def _failed(
    claim: Claim,
    step: StepPlan,
    result: TaskResult | None,
    report: AttemptReport,
    rng: random.Random,
    memory_cap: int,
) -> tuple[TaskChange, float]:
    """What becomes of a task whose attempt failed in a way that may pass, and seconds to wait before the next."""
    failures = claim.failures.get(step.name, 0) + 1
    reason = result.reason if result is not None else report.reason or report.outcome.value
    detail = result.detail if result is not None else report.detail
    change = TaskChange(step.name, TaskState.WAITING, reason=reason, detail=detail, failed=True)
    if result is not None:
        change = replace(
            change,
            started_at=result.started_at,
            staged_at=result.staged_at,
            computed_at=result.computed_at,
            finished_at=result.finished_at,
        )
    exhausted = failures >= step.retry.attempts
    if report.outcome is AttemptOutcome.OUT_OF_MEMORY and result is None:
        given = memory_of(step, claim.memory)
        exhausted = exhausted or given >= memory_cap
        change = replace(change, memory=min(given * MORE_MEMORY, memory_cap))
    if exhausted:
        return replace(change, state=TaskState.DEAD), 0.0
    return change, backoff_seconds(failures, base=step.retry.backoff, rng=rng)
