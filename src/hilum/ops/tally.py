"""What an engine counts for itself: attempts that ended, and how long their steps took. Kept here for the Prometheus
endpoint, and passed on to whoever else listens (OpenTelemetry, where that is set).
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hilum.ledger.interface import Finished
from hilum.model.work import AttemptOutcome
from hilum.ops.instruments import BUCKETS, INSTRUMENTS, Attributes, Instrument, told

ATTEMPTS = INSTRUMENTS["hilum.attempts"]
DURATION = INSTRUMENTS["hilum.attempt.duration"]
Key = tuple[tuple[str, str], ...]
Listener = Callable[[Instrument, float, Attributes], None]


@dataclass
class Durations:
    """A histogram: how many fell below each bound and beyond the last, and their sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one in."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds


class Tally:
    """Counts of one engine since it started.

    Args:
        executors: their names. Each outcome is there from the start, at 0: a counter that begins with its first event
            hides that event from ``increase()``.
    """

    def __init__(self, executors: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._attempts: dict[Key, float] = {}
        self._durations: dict[Key, Durations] = {}
        for executor in executors:
            for outcome in AttemptOutcome:
                self._count({"outcome": outcome.value, "executor": executor}, 0)

    def listen(self, listener: Listener) -> None:
        """Pass on what is counted from now on, and what is there already."""
        with self._lock:
            self._listeners.append(listener)
            for key, number in self._attempts.items():
                listener(ATTEMPTS, number, dict(key))

    def finished(self, item: Finished) -> None:
        """An attempt ended."""
        report = item.report
        self._count({"outcome": report.outcome.value, "executor": report.executor}, 1)
        for result in report.results:
            if result.started_at and result.finished_at:
                seconds = (result.finished_at - result.started_at).total_seconds()
                self._measure({"step": result.step, "outcome": result.state.value}, seconds)
        told_of = {result.step for result in report.results}
        if (
            report.failed_step
            and report.failed_step not in told_of
            and report.started_at
            and report.finished_at
        ):
            seconds = (report.finished_at - report.started_at).total_seconds()
            self._measure({"step": report.failed_step, "outcome": report.outcome.value}, seconds)

    def attempts(self) -> list[tuple[Attributes, float]]:
        """How many attempts ended, by outcome and executor."""
        with self._lock:
            return [(dict(key), number) for key, number in self._attempts.items()]

    def durations(self) -> list[tuple[Attributes, list[int], float]]:
        """Counts by bucket and sum, by step and outcome."""
        with self._lock:
            return [(dict(key), list(each.counts), each.total) for key, each in self._durations.items()]

    def _count(self, attributes: Attributes, number: int) -> None:
        attributes = told(ATTEMPTS, attributes)
        key = tuple(sorted(attributes.items()))
        with self._lock:
            self._attempts[key] = self._attempts.get(key, 0) + number
            self._pass_on(ATTEMPTS, number, attributes)

    def _measure(self, attributes: Attributes, seconds: float) -> None:
        attributes = told(DURATION, attributes)
        with self._lock:
            self._durations.setdefault(tuple(sorted(attributes.items())), Durations()).add(seconds)
            self._pass_on(DURATION, seconds, attributes)

    def _pass_on(self, instrument: Instrument, value: float, attributes: Attributes) -> None:
        for listener in self._listeners:
            listener(instrument, value, attributes)
