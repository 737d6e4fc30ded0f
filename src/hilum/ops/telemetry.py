"""Metrics and traces by OpenTelemetry, where the setting ``telemetry`` asks for it; its own variables (``OTEL_*``)
say where to, how often and which. Without the setting nothing of OpenTelemetry is imported.

    otlp     metrics and traces by OTLP over HTTP, to a collector
    google   metrics to Cloud Monitoring; traces by OTLP where an endpoint is named, Google's own among them

Telemetry never holds work up for long: a collector that does not answer costs one timeout, and is left alone for a
while after that. What it missed is lost to it; the warehouse has it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hilum.errors import UsageError
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.kernel.trace import Sampling, sampling, switched_off
from hilum.ops import cloud_trace
from hilum.ops.instruments import BUCKETS, INSTRUMENTS, Attributes, Instrument
from hilum.ops.metrics import HomeMetrics
from hilum.ops.spans import Span, Story, spans_of
from hilum.version import __version__

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

    from hilum.ledger.interface import Ledger, Rows

LEFT_ALONE = 30.0
"""Seconds for which a collector that failed is not asked again."""
TIMEOUT = "OTEL_EXPORTER_OTLP_TIMEOUT"
PATIENCE = 3.0
"""Seconds for a collector to take spans, where no variable says otherwise: recording waits for it."""

log = get_logger(__name__)


class Telemetry:
    """What an engine exports, until closed.

    Args:
        kind: the setting, ``otlp`` or ``google``.
        instance: this engine among others, for the resource attribute ``service.instance.id``.
        exporter: of metrics, in place of the one that the setting means.
        environment: OpenTelemetry's variables.

    Raises:
        UsageError: ``extra-missing``.
    """

    def __init__(
        self,
        kind: str,
        metrics: HomeMetrics,
        ledger: Ledger,
        clock: Clock,
        instance: str,
        *,
        exporter: MetricExporter | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        environment = os.environ if environment is None else environment
        self._ledger = ledger
        self._clock = clock
        self.sampling: Sampling | None = sampling(kind, environment)
        try:
            self._resource = _resource(instance, environment)
            off = switched_off(environment) or environment.get("OTEL_METRICS_EXPORTER") == "none"
            self._meters = _meters(exporter or _exporter(kind), self._resource, metrics) if not off else None
            self._spans = SpanTeller(self._resource, clock, environment) if self.sampling else None
        except ImportError as error:
            raise UsageError(
                f"telemetry needs the package {error.name}",
                reason="extra-missing",
                hint="pip install 'hilum[telemetry]'" if kind == "otlp" else "pip install 'hilum[google]'",
            ) from None

    def recorded(self, rows: Rows) -> None:
        """Tell the spans that a batch of rows ends."""
        if self._spans is not None and self.sampling is not None:
            self._spans.export(spans_of(rows, self._clock.now(), self.sampling, self._story))

    def close(self) -> None:
        """Export what there is now, and end."""
        if self._meters is not None:
            self._meters.shutdown()
        if self._spans is not None:
            self._spans.close()

    def _story(self, subject_id: str, revision: str) -> Story | None:
        subjects = self._ledger.subjects([subject_id])
        settled = self._ledger.settled(subject_id, revision)
        if not subjects or settled is None:
            return None
        return Story(subjects[0], settled, self._ledger.members(subjects[0]))


def open_spans(kind: str, clock: Clock, instance: str) -> tuple[SpanTeller, Sampling] | None:
    """For a process that tells spans without an engine, such as a function; None where the setting tells none."""
    kept = sampling(kind, os.environ)
    if kept is None:
        return None
    return SpanTeller(_resource(instance, os.environ), clock, os.environ), kept


def _resource(instance: str, environment: Mapping[str, str]) -> Resource:
    from opentelemetry.sdk.resources import Resource

    named = {"service.version": __version__, "service.instance.id": instance}
    if not environment.get("OTEL_SERVICE_NAME"):
        named["service.name"] = "hilum"
    return Resource.create(named)


def _exporter(kind: str) -> MetricExporter:
    if kind == "google":
        from hilum.ops.cloud_monitoring import exporter

        return exporter()
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return OTLPMetricExporter()


def _meters(exporter: MetricExporter, resource: Resource, metrics: HomeMetrics) -> MeterProvider:
    """The instruments of the table, in OpenTelemetry; OTEL_METRIC_EXPORT_INTERVAL says how often they are read."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    reader = PeriodicExportingMetricReader(exporter)
    provider = MeterProvider([reader], resource, shutdown_on_exit=False)
    meter = provider.get_meter("hilum", __version__)
    told: dict[str, Callable[[float, Attributes], None]] = {}
    for name, each in INSTRUMENTS.items():
        about: dict[str, Any] = {"unit": each.unit, "description": each.about}
        if each.kind == "histogram":
            told[name] = meter.create_histogram(
                name, explicit_bucket_boundaries_advisory=list(BUCKETS), **about
            ).record
        elif each.kind == "counter" and not each.ledger:
            told[name] = meter.create_counter(name, **about).add
        elif each.kind == "counter":
            meter.create_observable_counter(name, [_observed(metrics, each)], **about)
        else:
            meter.create_observable_gauge(name, [_observed(metrics, each)], **about)
    metrics.tally.listen(
        lambda instrument, value, attributes: told[instrument.name](_number(instrument, value), attributes)
    )
    return provider


def _number(instrument: Instrument, value: float) -> float:
    """Seconds as fractions, what is counted as whole numbers: a metric's type is for good in Cloud Monitoring."""
    return float(value) if instrument.unit == "s" else int(value)


def _observed(
    metrics: HomeMetrics, instrument: Instrument
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    from opentelemetry.metrics import Observation

    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(_number(instrument, value), attributes)
            for attributes, value in metrics.points(instrument.name)
        ]

    return observe


class SpanTeller:
    """Spans by OTLP, at once: the ledger forgets the rows that they are made of right after, and a function that has
    answered may be stopped."""

    def __init__(self, resource: Resource, clock: Clock, environment: Mapping[str, str]) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        given = environment.get("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT") or environment.get(TIMEOUT)
        endpoint = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
        self._exporter = OTLPSpanExporter(
            timeout=None if given else PATIENCE, session=cloud_trace.session(endpoint)
        )
        self._scope = InstrumentationScope("hilum", __version__)
        self._resource = resource
        self._clock = clock
        self._again_at = float("-inf")

    def export(self, spans: Iterable[Span]) -> None:
        """Tell these; what a collector does not take is lost to it."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        if self._clock.monotonic() < self._again_at:
            return
        found: Sequence[ReadableSpan] = [self._readable(span) for span in spans]
        if found and self._exporter.export(found) is not SpanExportResult.SUCCESS:
            self._again_at = self._clock.monotonic() + LEFT_ALONE
            log.warning("spans were not taken, and are lost to the collector", count=len(found))

    def close(self) -> None:
        """Let go of the connection."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _readable(self, span: Span) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags

        def context(trace: str, span_id: str) -> SpanContext:
            return SpanContext(int(trace, 16), int(span_id, 16), False, TraceFlags(TraceFlags.SAMPLED))

        return ReadableSpan(
            span.name,
            context(span.trace, span.id),
            context(span.trace, span.parent) if span.parent else None,
            self._resource,
            dict(span.attributes),
            links=[Link(context(trace, linked)) for trace, linked in span.links],
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
            start_time=_nanoseconds(span.start),
            end_time=_nanoseconds(span.end),
            instrumentation_scope=self._scope,
        )


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000) * 1000
