"""Cloud Monitoring as far as a client sees it: a gRPC server with the API's own messages, which records writes.

It does not check what Cloud Monitoring checks; it proves what is sent, and that a refusal is followed by another try.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from google.api.metric_pb2 import MetricDescriptor
from google.cloud.monitoring_v3 import (
    CreateMetricDescriptorRequest,
    CreateTimeSeriesRequest,
    MetricServiceClient,
    TimeSeries,
)
from google.cloud.monitoring_v3.services.metric_service.transports.grpc import MetricServiceGrpcTransport
from google.protobuf.empty_pb2 import Empty

SERVICE = "google.monitoring.v3.MetricService"


@dataclass
class Monitoring:
    """What was written. ``refusals``: how many of the next writes are answered with UNAVAILABLE."""

    address: str = ""
    refusals: int = 0
    asked: int = 0
    projects: set[str] = field(default_factory=set)
    descriptors: dict[str, MetricDescriptor] = field(default_factory=dict)
    series: list[TimeSeries] = field(default_factory=list)

    def client(self) -> MetricServiceClient:
        """Google's client, connected to here."""
        channel = grpc.insecure_channel(self.address)
        return MetricServiceClient(transport=MetricServiceGrpcTransport(channel=channel))

    def describe(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        asked = CreateMetricDescriptorRequest.deserialize(request)
        self.projects.add(asked.name)
        found: MetricDescriptor = asked.metric_descriptor
        self.descriptors[found.type] = found
        return bytes(found.SerializeToString())

    def write(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.asked += 1
        if self.refusals:
            self.refusals -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "come again")
        asked = CreateTimeSeriesRequest.deserialize(request)
        self.projects.add(asked.name)
        self.series += asked.time_series
        return Empty().SerializeToString()


@contextmanager
def monitoring() -> Iterator[Monitoring]:
    """Such a server of one's own."""
    found = Monitoring()
    handlers = {
        "CreateMetricDescriptor": grpc.unary_unary_rpc_method_handler(found.describe),
        "CreateTimeSeries": grpc.unary_unary_rpc_method_handler(found.write),
    }
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
    found.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield found
    finally:
        server.stop(None)
