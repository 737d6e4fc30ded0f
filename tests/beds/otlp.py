"""A collector of OTLP over HTTP: it decodes what exporters send with OpenTelemetry's own messages, and keeps it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from beds.serving import serving


class Collector:
    """What came so far. ``refuse``: HTTP status to answer with instead of taking anything."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.refuse = 0
        self.asked = 0
        self.resources: list[dict[str, str]] = []
        self._spans: list[Span] = []
        self._metrics: dict[str, Metric] = {}
        self._lock = threading.Lock()

    @property
    def environment(self) -> dict[str, str]:
        """OpenTelemetry's variables that lead here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.address, "OTEL_METRIC_EXPORT_INTERVAL": "200"}

    @property
    def spans(self) -> list[Span]:
        """Each span once: the newest of those with its id."""
        with self._lock:
            return list({(span.trace_id, span.span_id): span for span in self._spans}.values())

    @property
    def metrics(self) -> dict[str, Metric]:
        """The newest of each name."""
        with self._lock:
            return dict(self._metrics)

    def trace(self, trace: str) -> list[Span]:
        """The spans of a trace."""
        return [span for span in self.spans if span.trace_id.hex() == trace]

    def take(self, path: str, body: bytes) -> bytes | None:
        with self._lock:
            self.asked += 1
            if self.refuse:
                return None
            if path == "/v1/traces":
                traces = ExportTraceServiceRequest.FromString(body)
                for resource in traces.resource_spans:
                    self.resources.append(attributes(resource.resource.attributes))
                    self._spans += [span for scope in resource.scope_spans for span in scope.spans]
                return ExportTraceServiceResponse().SerializeToString()
            metrics = ExportMetricsServiceRequest.FromString(body)
            for each in metrics.resource_metrics:
                self.resources.append(attributes(each.resource.attributes))
                self._metrics |= {m.name: m for scope in each.scope_metrics for m in scope.metrics}
            return ExportMetricsServiceResponse().SerializeToString()


def attributes(pairs: Any) -> dict[str, Any]:
    """Attributes as a dictionary of plain values."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector of one's own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            answer = collector.take(self.path, body)
            self.send_response(collector.refuse if answer is None else 200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer or b"")))
            self.end_headers()
            self.wfile.write(answer or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    with serving(server):
        yield collector
