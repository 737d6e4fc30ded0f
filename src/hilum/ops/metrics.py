"""The state of a home as metrics. They are asked of the ledger, which every engine on it shares, so the numbers are
those of the home and survive a restart; what an engine counts for itself stands beside them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hilum.errors import UsageError
from hilum.kernel.clock import Clock
from hilum.ops.instruments import BUCKETS, INSTRUMENTS, Instrument, Point, summed
from hilum.ops.tally import DURATION, Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Metric
    from prometheus_client.registry import Collector

    from hilum.ledger.interface import Ledger

FRESH = 5.0
"""Seconds for which an answer of the ledger is good enough: several ask."""
SHARE = 20
"""Counting a large ledger takes a while, 0.4 s for a million arrivals: it is done a twentieth of the time at most."""


class HomeMetrics:
    """A home's and an engine's metrics, by instrument.

    Args:
        tally: what the engine counts for itself.
        leads: whether the engine leads; one that is alone does.
    """

    def __init__(
        self, ledger: Ledger, clock: Clock, tally: Tally, leads: Callable[[], bool] = lambda: True
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._leads = leads
        self._lock = threading.Lock()
        self._read: Mapping[str, Sequence[Point]] = {}
        self._again_at = float("-inf")
        self.tally = tally

    def points(self, name: str) -> Sequence[Point]:
        """The values of a gauge or counter now, each with its attributes."""
        if name == "hilum.engine.leads":
            return [({}, float(self._leads()))]
        if name == "hilum.attempts":
            return self.tally.attempts()
        with self._lock:
            began = self._clock.monotonic()
            if began >= self._again_at:
                self._read = {key: summed(INSTRUMENTS[key], points) for key, points in self._ask().items()}
                now = self._clock.monotonic()
                self._again_at = now + max(FRESH, SHARE * (now - began))
            return self._read[name]

    def _ask(self) -> dict[str, list[tuple[Mapping[str, Any], float]]]:
        """Everything that the ledger knows."""
        now = self._clock.now()
        summary, levels = self._ledger.summary(), self._ledger.levels(now)

        def age(moment: Any) -> float:
            return max(0.0, (now - moment).total_seconds()) if moment else 0.0

        return {
            "hilum.arrivals": [
                # what a task made has the task's key in its source, and metrics have no ids
                ({"outcome": outcome, "source": source.partition(":")[0]}, number)
                for (outcome, source), number in levels.arrivals.items()
            ],
            "hilum.arrival.age": [({}, age(levels.newest_arrival))] if levels.newest_arrival else [],
            "hilum.sweep.found": [({}, levels.found_by_sweep)],
            "hilum.quarantine": [({"reason": key}, number) for key, number in summary.quarantine.items()],
            "hilum.quarantined": [({}, levels.quarantined)],
            "hilum.subjects": [({"scope": key}, number) for key, number in summary.subjects.items()],
            "hilum.open_subjects": [({}, summary.open_subjects)],
            "hilum.settle.age": [({}, age(summary.oldest_open))],
            "hilum.runs": [
                ({"pipeline": pipeline, "state": state}, number)
                for pipeline, states in summary.runs.items()
                for state, number in states.items()
            ],
            "hilum.tasks": [
                ({"state": state, "reason": reason}, number)
                for (state, reason), number in levels.tasks.items()
            ],
            "hilum.dead_tasks": [({}, levels.dead_tasks)],
            "hilum.queue.wait": [({}, age(levels.oldest_ready))],
            "hilum.outbox": [({}, summary.outbox)],
            "hilum.outbox.age": [({}, age(levels.oldest_row))],
        }

    def collect(self) -> Iterator[Metric]:
        """Every metric with its values now, as a collector of prometheus_client."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        for name, instrument in INSTRUMENTS.items():
            about = (instrument.prometheus, _sentence(instrument))
            if instrument is DURATION:
                durations = HistogramMetricFamily(*about, labels=instrument.attributes)
                for attributes, counts, total in self.tally.durations():
                    durations.add_metric(_values(instrument, attributes), _cumulated(counts), total)
                yield durations
                continue
            kind = CounterMetricFamily if instrument.kind == "counter" else GaugeMetricFamily
            family = kind(*about, labels=instrument.attributes)
            for attributes, value in self.points(name):
                family.add_metric(_values(instrument, attributes), value)
            yield family


def _sentence(instrument: Instrument) -> str:
    return instrument.about[:1].upper() + instrument.about[1:]


def _values(instrument: Instrument, attributes: Mapping[str, str]) -> list[str]:
    return [attributes[name] for name in instrument.attributes]


def _cumulated(counts: Sequence[int]) -> list[tuple[str, float]]:
    """Prometheus' buckets: how many were at most so long."""
    bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
    return [(bound, float(sum(counts[: place + 1]))) for place, bound in enumerate(bounds)]


def exposition(metrics: HomeMetrics) -> tuple[str, bytes]:
    """Media type and text of these metrics.

    Raises:
        UsageError: ``extra-missing``.
    """
    try:
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
    except ImportError:
        raise UsageError(
            "metrics need the package prometheus-client",
            reason="extra-missing",
            hint="pip install 'hilum[metrics]'",
        ) from None
    registry = CollectorRegistry(auto_describe=False)
    collector: Collector = metrics  # it is one by its shape
    registry.register(collector)
    return CONTENT_TYPE_LATEST, generate_latest(registry)
