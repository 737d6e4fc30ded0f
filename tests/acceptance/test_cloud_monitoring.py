"""Metrics as Cloud Monitoring is written them: types, labels, kinds and values, and another try where it is away.

Not shown here: that Cloud Monitoring takes them, its quotas, and what it does with a metric's older descriptor.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from google.api.metric_pb2 import MetricDescriptor
from google.cloud.monitoring_v3 import TimeSeries

import hilum
from beds.monitoring import Monitoring, monitoring
from hilum.dicom.phantom import chest_ct
from hilum.ops.cloud_monitoring import exporter
from hilum.ops.instruments import INSTRUMENTS, Instrument
from hilum.ops.metrics import HomeMetrics
from hilum.ops.tally import Tally
from hilum.ops.telemetry import Telemetry

KINDS = {
    "gauge": MetricDescriptor.GAUGE,
    "counter": MetricDescriptor.CUMULATIVE,
    "histogram": MetricDescriptor.CUMULATIVE,
}


def value_type(instrument: Instrument) -> MetricDescriptor.ValueType:
    if instrument.kind == "histogram":
        return MetricDescriptor.DISTRIBUTION
    return MetricDescriptor.DOUBLE if instrument.unit == "s" else MetricDescriptor.INT64


def exported(folder: Path, server: Monitoring) -> Tally:
    """A home with a run, an engine that ended, and a refused object, exported once."""
    chest_ct(folder / "scans", slices=4, rows=16, columns=16, seed=1)
    (folder / "scans" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 64)
    (folder / "p.yaml").write_text("name: check\nsteps: {qc: {uses: qc}}\n")
    with hilum.open(folder / "home") as home:
        engine, watching = home._watched(home.pipelines([folder / "p.yaml"]), None)
        telemetry = Telemetry(
            "google",
            watching.metrics,
            home.ledger,
            home.clock,
            "node/1",
            exporter=exporter("hospital", server.client()),
            environment={},
        )
        assert telemetry.sampling is None, "no endpoint for traces is named"
        from hilum.sources.folder import FolderSource

        engine.process(FolderSource([folder / "scans"], home.clock))
        engine.close()
        telemetry.close()
        tally: Tally = watching.metrics.tally
    return tally


@pytest.fixture
def written(tmp_path: Path) -> tuple[Monitoring, Tally]:
    with monitoring() as server:
        return server, exported(tmp_path, server)


def by_type(server: Monitoring) -> dict[str, list[TimeSeries]]:
    found: dict[str, list[TimeSeries]] = defaultdict(list)
    for series in server.series:
        found[series.metric.type].append(series)
    return found


def test_every_instrument_becomes_a_metric_with_its_kind_type_unit_and_labels(written) -> None:
    server, _ = written
    assert server.projects == {"projects/hospital"}
    assert set(server.descriptors) == {f"workload.googleapis.com/{name}" for name in INSTRUMENTS}
    for name, instrument in INSTRUMENTS.items():
        found = server.descriptors[f"workload.googleapis.com/{name}"]
        assert (found.metric_kind, found.value_type) == (KINDS[instrument.kind], value_type(instrument))
        assert found.unit == instrument.unit
        assert {label.key for label in found.labels} == set(instrument.attributes)
        assert found.description == instrument.about


def test_points_have_the_homes_values_and_an_interval_as_their_kind_wants(written) -> None:
    server, _ = written
    found = by_type(server)
    assert set(found) == set(server.descriptors)
    arrivals = {
        (series.metric.labels["outcome"], series.metric.labels["source"]): series.points[0].value.int64_value
        for series in found["workload.googleapis.com/hilum.arrivals"]
    }
    assert arrivals == {("accepted", "folder"): 4, ("quarantined", "folder"): 1}
    attempts = {
        series.metric.labels["outcome"]: series.points[0].value.int64_value
        for series in found["workload.googleapis.com/hilum.attempts"]
        if series.metric.labels["executor"] == "process"
    }
    assert (attempts["succeeded"], attempts["out-of-memory"]) == (1, 0)
    (duration,) = found["workload.googleapis.com/hilum.attempt.duration"]
    assert duration.metric.labels == {"step": "qc", "outcome": "succeeded"}
    distribution = duration.points[0].value.distribution_value
    assert (distribution.count, sum(distribution.bucket_counts)) == (1, 1)
    for series in server.series:
        (point,) = series.points
        cumulative = series.metric_kind == MetricDescriptor.CUMULATIVE
        assert (point.interval.start_time is not None) == cumulative
        assert series.resource.type in ("generic_task", "generic_node")


def test_the_engine_is_told_apart_by_its_resource(written) -> None:
    server, _ = written
    assert {series.resource.labels["task_id"] for series in server.series} == {"node/1"}
    assert {series.resource.labels["job"] for series in server.series} == {"hilum"}


def test_a_write_that_is_answered_with_unavailable_is_made_again(tmp_path: Path) -> None:
    with monitoring() as server:
        server.refusals = 2
        exported(tmp_path, server)
    assert server.asked == 3
    assert {series.metric.type for series in server.series} == set(server.descriptors)


def test_the_counts_are_those_of_the_prometheus_endpoint(written) -> None:
    server, tally = written
    shown = {tuple(sorted(attributes.items())): number for attributes, number in tally.attempts()}
    sent = {
        tuple(sorted(series.metric.labels.items())): series.points[0].value.int64_value
        for series in by_type(server)["workload.googleapis.com/hilum.attempts"]
    }
    assert sent == shown


def test_the_metrics_of_a_home_need_no_engine(tmp_path: Path) -> None:
    with hilum.open(tmp_path / "home") as home, monitoring() as server:
        metrics = HomeMetrics(home.ledger, home.clock, Tally())
        made = exporter("hospital", server.client())
        Telemetry("google", metrics, home.ledger, home.clock, "x", exporter=made, environment={}).close()
    zero = {
        each.metric.type.removeprefix("workload.googleapis.com/"): each.points[0].value
        for each in server.series
    }
    assert zero["hilum.dead_tasks"].int64_value == 0
    assert "hilum.arrival.age" not in zero
