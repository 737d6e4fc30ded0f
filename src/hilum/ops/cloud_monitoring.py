"""Metrics to Cloud Monitoring with Google's exporter for OpenTelemetry. Its client asks once and gives up; here an
answer that may pass (UNAVAILABLE) is asked for again, because a point that is lost is a hole in an alert's window.

The exporter is marked as deprecated in favour of OTLP, which Cloud Monitoring takes by now through a collector; this
one needs none.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.cloud.monitoring_v3 import MetricServiceClient
    from opentelemetry.sdk.metrics.export import MetricExporter

PREFIX = "workload.googleapis.com"
"""Of metric types; in PromQL ``hilum_dead_tasks`` is then ``{"workload.googleapis.com/hilum.dead_tasks"}``."""
PATIENCE = 20.0
"""Seconds in all for one write to succeed: less than the usual interval between two."""


def exporter(project: str | None = None, client: MetricServiceClient | None = None) -> MetricExporter:
    """The exporter of metrics; by default to the project and with the credentials that the environment means."""
    from opentelemetry.exporter.cloud_monitoring import CloudMonitoringMetricsExporter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made: MetricExporter = CloudMonitoringMetricsExporter(project, client, prefix=PREFIX)
    made.client = _Patient(made.client)  # type: ignore[attr-defined]
    return made


class _Patient:
    """A client whose writes are asked for again where the answer may pass."""

    def __init__(self, client: MetricServiceClient) -> None:
        from google.api_core.exceptions import ServiceUnavailable
        from google.api_core.retry import Retry, if_exception_type

        self._client = client
        self._retry = Retry(if_exception_type(ServiceUnavailable), initial=0.5, timeout=PATIENCE)

    def create_time_series(self, request: Any) -> None:
        """Write points; those that were written by a try that seemed to fail are refused and harmless."""
        self._client.create_time_series(request, retry=self._retry, timeout=PATIENCE)

    def create_metric_descriptor(self, request: Any) -> Any:
        """Describe a metric; again does nothing."""
        return self._client.create_metric_descriptor(request, retry=self._retry, timeout=PATIENCE)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)
