"""What becomes of tasks after an attempt."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from hilum.engine.judge import judge, memory_of
from hilum.ledger.interface import Claim, Finished, RunInfo
from hilum.model.subject import Scope
from hilum.model.work import (
    AttemptOutcome,
    AttemptReport,
    Retry,
    RunPlan,
    RunState,
    StepPlan,
    TaskResult,
    TaskState,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GIB = 1 << 30
STEPS = tuple(
    StepPlan(name, name, {"step": name}, memory=2 * GIB, retry=Retry(attempts=3, backoff=10))
    for name in "abc"
)
PLAN = RunPlan("p", Scope.SERIES, "0" * 64, STEPS, (("a", "b", "c"),))
RUN = RunInfo(
    "r-0123456789abcdef", "p", "0" * 64, Scope.SERIES, "s-0123456789abcdef", "1.2.3", "1.2", "1" * 64,
    RunState.RUNNING, True, "", NOW, None,
)  # fmt: skip


def claim(
    failures: dict[str, int] | None = None, memory: dict[str, int] | None = None, number: int = 1
) -> Claim:
    states = dict.fromkeys("abc", TaskState.WAITING)
    return Claim(f"{RUN.id}.0", number, RUN, PLAN, 0, states, {}, failures or {}, memory or {})


def judged(report: AttemptReport, of: Claim | None = None, cap: int = 16 * GIB) -> Finished:
    return judge(of or claim(), report, NOW, random.Random(1), memory_cap=cap)


def report(
    outcome: AttemptOutcome, *results: TaskResult, failed: str = "", reason: str = ""
) -> AttemptReport:
    return AttemptReport("x", outcome, results, failed_step=failed, reason=reason)


def done(step: str) -> TaskResult:
    return TaskResult(step, TaskState.SUCCEEDED, "k" * 64)


def states(finished: Finished) -> dict[str, TaskState]:
    return {change.step: change.state for change in finished.changes}


def test_all_done_leaves_nothing_to_wait_for() -> None:
    finished = judged(report(AttemptOutcome.SUCCEEDED, done("a"), done("b"), done("c")))
    assert set(states(finished).values()) == {TaskState.SUCCEEDED}
    assert finished.not_before == NOW


def test_a_crash_counts_against_the_step_that_was_at_work_and_no_other() -> None:
    finished = judged(report(AttemptOutcome.CRASHED, done("a"), failed="b", reason="signal-segv"))
    assert states(finished) == {"a": TaskState.SUCCEEDED, "b": TaskState.WAITING}
    (change,) = [change for change in finished.changes if change.step == "b"]
    assert change.failed
    assert change.reason == "signal-segv"
    assert NOW < finished.not_before <= NOW + timedelta(seconds=10)


def test_waiting_doubles_with_each_failure() -> None:
    first = judged(report(AttemptOutcome.TIMEOUT, failed="a")).not_before - NOW
    second = judged(report(AttemptOutcome.TIMEOUT, failed="a"), claim({"a": 1})).not_before - NOW
    assert timedelta(seconds=5) <= first <= timedelta(seconds=10)
    assert timedelta(seconds=10) <= second <= timedelta(seconds=20)


def test_the_last_attempt_leaves_a_dead_task_with_its_reason() -> None:
    finished = judged(report(AttemptOutcome.TIMEOUT, failed="a", reason="timeout"), claim({"a": 2}))
    assert [(change.state, change.reason) for change in finished.changes] == [(TaskState.DEAD, "timeout")]
    assert finished.not_before == NOW


def test_a_terminal_error_is_never_tried_again() -> None:
    dead = TaskResult("a", TaskState.DEAD, reason="no-pixel-data")
    finished = judged(report(AttemptOutcome.FAILED, dead, done("b"), done("c"), failed="a"))
    assert states(finished)["a"] is TaskState.DEAD
    assert not any(change.failed for change in finished.changes)


def test_a_transient_error_is_tried_again_with_its_own_reason() -> None:
    again = TaskResult("a", TaskState.WAITING, reason="storage-full")
    finished = judged(report(AttemptOutcome.FAILED, again, done("b"), failed="a"))
    (change,) = [change for change in finished.changes if change.step == "a"]
    assert (change.state, change.failed, change.reason) == (TaskState.WAITING, True, "storage-full")


def test_a_result_that_could_not_be_looked_at_counts_against_nobody_however_often() -> None:
    unseen = TaskResult("a", TaskState.WAITING, "k" * 64, reason="storage-unavailable")
    finished = judged(
        report(AttemptOutcome.SUCCEEDED, unseen, done("b"), done("c")), claim({"a": 2}, number=9)
    )
    (change,) = [change for change in finished.changes if change.step == "a"]
    assert (change.state, change.failed, change.reason) == (TaskState.WAITING, False, "storage-unavailable")
    assert finished.not_before > NOW + timedelta(seconds=10)


@pytest.mark.parametrize("outcome", [AttemptOutcome.LOST, AttemptOutcome.CANCELLED])
def test_what_was_lost_or_cancelled_counts_against_nobody(outcome: AttemptOutcome) -> None:
    finished = judged(report(outcome, done("a"), failed="b"), claim({"b": 2}, number=3))
    assert states(finished) == {"a": TaskState.SUCCEEDED}
    assert finished.not_before <= NOW + timedelta(seconds=1)


def test_a_cancelled_attempt_delays_nothing() -> None:
    assert judged(report(AttemptOutcome.CANCELLED), claim(number=9)).not_before == NOW


def test_a_machine_that_loses_every_attempt_tries_ever_more_rarely() -> None:
    waits = [
        (judged(report(AttemptOutcome.LOST), claim(number=number)).not_before - NOW).total_seconds()
        for number in range(1, 12)
    ]
    assert 0.25 <= waits[0] <= 0.5
    assert all(later > earlier for earlier, later in pairwise(waits[:8]))
    assert 30 <= waits[-1] <= 60


def test_out_of_memory_is_answered_with_more_of_it() -> None:
    finished = judged(report(AttemptOutcome.OUT_OF_MEMORY, failed="a", reason="out-of-memory"))
    (change,) = finished.changes
    assert (change.state, change.memory) == (TaskState.WAITING, 4 * GIB)


def test_more_memory_ends_at_the_cap() -> None:
    almost = judged(report(AttemptOutcome.OUT_OF_MEMORY, failed="a"), claim({}, {"a": 12 * GIB}))
    assert almost.changes[0].memory == 16 * GIB
    at_cap = judged(report(AttemptOutcome.OUT_OF_MEMORY, failed="a"), claim({}, {"a": 16 * GIB}))
    assert at_cap.changes[0].state is TaskState.DEAD


def test_what_was_found_to_be_needed_is_remembered() -> None:
    assert memory_of(STEPS[0], {"a": 8 * GIB}) == 8 * GIB
    assert memory_of(STEPS[0], {"b": 8 * GIB}) == 2 * GIB
