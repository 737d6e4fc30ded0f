"""The state of a home as metrics. Each scrape asks the ledger, which every engine on it shares, so the numbers are
those of the home and survive a restart; labels are states, reasons and pipelines, never subjects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from hilum.errors import UsageError

if TYPE_CHECKING:
    from prometheus_client import Metric
    from prometheus_client.registry import Collector

    from hilum.ledger.interface import Ledger


class HomeMetrics:
    """A collector of a home's metrics for prometheus_client.

    Args:
        engine: numbers about this engine by name.
    """

    def __init__(self, ledger: Ledger, engine: Callable[[], Mapping[str, float]]) -> None:
        self._ledger = ledger
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """Every metric with its values now."""
        from prometheus_client.core import GaugeMetricFamily

        summary = self._ledger.summary()
        for name, about, label, values in (
            ("arrivals", "Objects that arrived, by outcome", "outcome", summary.arrivals),
            ("subjects", "Series and studies, by scope", "scope", summary.subjects),
            ("tasks", "Tasks of current runs, by state", "state", summary.tasks),
            ("quarantine", "Objects that wait for a decision, by reason", "reason", summary.quarantine),
        ):
            family = GaugeMetricFamily(f"hilum_{name}", about, labels=[label])
            for key, value in values.items():
                family.add_metric([key], value)
            yield family
        runs = GaugeMetricFamily(
            "hilum_runs", "Current runs, by pipeline and state", labels=["pipeline", "state"]
        )
        for pipeline, states in summary.runs.items():
            for state, value in states.items():
                runs.add_metric([pipeline, state], value)
        yield runs
        yield GaugeMetricFamily(
            "hilum_open_subjects", "Subjects that are not complete yet", value=summary.open_subjects
        )
        yield GaugeMetricFamily("hilum_outbox", "Batches that wait for the warehouse", value=summary.outbox)
        for part, number in self._engine().items():
            yield GaugeMetricFamily(f"hilum_engine_{part}", "Of this engine", value=number)


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
