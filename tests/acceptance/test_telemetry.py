"""Traces from arrival to row, and metrics, as a real collector of OTLP over HTTP gets them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

import hilum
from beds.engines import wait_until
from beds.otlp import Collector, attributes, collecting
from hilum.dicom.phantom import chest_ct
from hilum.kernel.clock import SystemClock
from hilum.kernel.trace import arrival_trace, run_trace, span_id, step_span
from hilum.ops.instruments import INSTRUMENTS
from hilum.ops.spans import read_span
from hilum.ops.telemetry import open_spans

NOW = datetime(2026, 1, 1, tzinfo=UTC)
QC = "name: check\nsteps: {qc: {uses: qc}}\n"
TELLS = """
import json
import os
import urllib.request

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import hilum


@hilum.step(outputs=[hilum.Output("seen", "seen.txt", "text/plain")])
def tells(ctx: hilum.Context) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter()))
    above = TraceContextTextMapPropagator().extract({"traceparent": ctx.traceparent})
    with provider.get_tracer("tells").start_as_current_span("own work", above):
        ctx.output("seen").write_text(ctx.traceparent)
    provider.shutdown()
"""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    with collecting() as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


def scans(folder: Path) -> Path:
    chest_ct(folder / "scans", slices=4, rows=16, columns=16, seed=1)
    return folder / "scans"


def pipeline(folder: Path, text: str = QC) -> Path:
    (folder / "pipeline.yaml").write_text(text)
    return folder / "pipeline.yaml"


def only_run(home: hilum.Home) -> str:
    (run,) = home.runs()
    return run.id


def assert_whole(spans: list[Span], run: str, steps: tuple[str, ...]) -> None:
    """One trace with every span of a run, parents right, one after another."""
    named = Counter(span.name for span in spans if span.name != "attempt")
    wanted = Counter(["run", "arrive", "settle", "plan", "record"])
    wanted.update(name for _ in steps for name in ("stage", "step", "collect"))
    assert named == wanted
    by_id = {span.span_id.hex(): span for span in spans}
    root = by_id[span_id("run", run)]
    assert root.parent_span_id == b""
    for span in spans:
        if span is root:
            continue
        parent = by_id[span.parent_span_id.hex()]
        assert parent.name == ("attempt" if span.name in ("stage", "step", "collect") else "run")
        assert parent.start_time_unix_nano <= span.start_time_unix_nano
        assert span.end_time_unix_nano <= parent.end_time_unix_nano
    order = [span for name in ("arrive", "settle", "plan") for span in spans if span.name == name]
    for before, after in pairwise(order):
        assert before.end_time_unix_nano == after.start_time_unix_nano
    for step in steps:
        parts = {span.name: span for span in spans if attributes(span.attributes).get("hilum.step") == step}
        assert parts["stage"].end_time_unix_nano == parts["step"].start_time_unix_nano
        assert parts["step"].end_time_unix_nano == parts["collect"].start_time_unix_nano


def test_a_run_is_one_trace_from_the_arrival_to_the_row(tmp_path: Path, collector: Collector) -> None:
    with hilum.open(tmp_path / "home", telemetry="otlp") as home:
        home.run(scans(tmp_path), pipelines=[pipeline(tmp_path)])
        run = only_run(home)
        arrivals = home.query("SELECT uri, version FROM arrivals").to_pylist()
    spans = collector.trace(run_trace(run))
    assert_whole(spans, run, ("qc",))
    (root,) = [span for span in spans if span.name == "run"]
    told = {arrival_trace(row["uri"], row["version"]) for row in arrivals}
    assert {link.trace_id.hex() for link in root.links} == told
    assert {span.trace_id.hex() for span in collector.spans if span.name == "arrival"} == told
    assert {(link.trace_id, link.span_id) for link in root.links} == {
        (span.trace_id, span.span_id) for span in collector.spans if span.name == "arrival"
    }
    assert len({span.trace_id for span in collector.spans}) == 1 + len(arrivals)
    assert collector.resources[0]["service.name"] == "hilum"


def test_no_span_tells_a_header_value_a_uid_or_a_file(tmp_path: Path, collector: Collector) -> None:
    with hilum.open(tmp_path / "home", telemetry="otlp") as home:
        home.run(scans(tmp_path), pipelines=[pipeline(tmp_path)])
        (row,) = home.query("SELECT PatientID, StudyInstanceUID, SeriesInstanceUID FROM series").to_pylist()
    told = " ".join(str(span) for span in collector.spans)
    assert told
    for value in (*row.values(), str(tmp_path), ".dcm"):
        assert value not in told


def test_a_dead_task_is_an_error_in_the_trace_by_its_reason_code(
    tmp_path: Path, collector: Collector
) -> None:
    (tmp_path / "fails.py").write_text(
        "import hilum\n\n\n@hilum.step()\ndef fails(ctx: hilum.Context) -> None:\n"
        "    raise hilum.StepError('MARKER', reason='no-spleen')\n"
    )
    text = "name: fails\nsteps: {fails: {uses: './fails.py:fails'}}\n"
    with hilum.open(tmp_path / "home", telemetry="otlp") as home:
        home.run(scans(tmp_path), pipelines=[pipeline(tmp_path, text)])
        spans = collector.trace(run_trace(only_run(home)))
    wrong = {span.name: span.status.message for span in spans if span.status.code == Status.STATUS_CODE_ERROR}
    assert wrong == {"run": "no-spleen", "attempt": "no-spleen", "step": "no-spleen"}


def test_a_step_goes_on_with_the_trace_that_it_was_given(tmp_path: Path, collector: Collector) -> None:
    (tmp_path / "tells.py").write_text(TELLS)
    text = "name: tells\nsteps: {tells: {uses: './tells.py:tells'}}\n"
    with hilum.open(tmp_path / "home", telemetry="otlp") as home:
        report = home.run(scans(tmp_path), pipelines=[pipeline(tmp_path, text)])
        assert [run.state for run in report.runs] == ["succeeded"]
        run = only_run(home)
        (attempt,) = home.query("SELECT attempt_id FROM attempts").column(0).to_pylist()
    spans = collector.trace(run_trace(run))
    (own,) = [span for span in spans if span.name == "own work"]
    assert own.parent_span_id.hex() == step_span(attempt, "tells")
    assert_whole([span for span in spans if span is not own], run, ("tells",))


def test_an_engine_that_is_killed_leaves_one_whole_trace_to_the_next(
    tmp_path: Path, collector: Collector
) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\nfrom pathlib import Path\n\nimport hilum\n\n\n"
        "@hilum.step(light=False)\ndef slow(ctx: hilum.Context) -> None:\n"
        "    time.sleep(3)\n"
    )
    text = "name: slow\nsteps:\n  qc: {uses: qc}\n  slow: {uses: './slow.py:slow', needs: [qc]}\n"
    inbox, home = scans(tmp_path), tmp_path / "home"
    command = [
        *(sys.executable, "-c", "from hilum.cli.main import main; main()", "--home", str(home)),
        *("run", str(inbox), "--pipeline", str(pipeline(tmp_path, text))),
    ]
    environment = {**os.environ, "HILUM_TELEMETRY": "otlp"}
    first = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    def at_work() -> bool:
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(home / "ledger.sqlite")) as ledger:
            query = "SELECT count(*) FROM segments WHERE place = 1 AND state = 'running'"
            return ledger.execute(query).fetchone() == (1,)
        return False

    assert wait_until(at_work)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0
    with hilum.open(home) as opened:
        run = only_run(opened)
        attempts = opened.query("SELECT attempt_id, outcome FROM attempts").to_pylist()
    spans = collector.trace(run_trace(run))
    assert_whole(spans, run, ("qc", "slow"))
    told = {
        attributes(span.attributes)["hilum.attempt"]: attributes(span.attributes)["hilum.outcome"]
        for span in spans
        if span.name == "attempt"
    }
    assert told == {row["attempt_id"]: row["outcome"] for row in attempts}
    assert "lost" in told.values()
    assert {resource["service.instance.id"] for resource in collector.resources if resource}


def test_who_reads_a_header_elsewhere_tells_it_in_the_arrivals_trace(
    tmp_path: Path, collector: Collector
) -> None:
    with hilum.open(tmp_path / "home", telemetry="otlp") as home:
        home.run(scans(tmp_path), pipelines=[pipeline(tmp_path)])
        (row, *_) = home.query("SELECT uri, version FROM arrivals").to_pylist()
    opened = open_spans("otlp", SystemClock(), "function/1")
    assert opened is not None
    teller, kept = opened
    assert kept.keeps(arrival_trace(row["uri"], row["version"]))
    teller.export([read_span(row["uri"], row["version"], NOW, NOW + timedelta(seconds=1))])
    teller.close()
    spans = {span.name: span for span in collector.trace(arrival_trace(row["uri"], row["version"]))}
    assert set(spans) == {"arrival", "read"}
    assert spans["read"].parent_span_id == spans["arrival"].span_id
    assert open_spans("", SystemClock(), "function/1") is None


def test_a_collector_that_is_away_changes_nothing_and_is_left_alone(
    tmp_path: Path, collector: Collector
) -> None:
    collector.refuse = 400
    with hilum.open(tmp_path / "home", telemetry="otlp") as home:
        report = home.run(scans(tmp_path), pipelines=[pipeline(tmp_path)])
        assert [run.state for run in report.runs] == ["succeeded"]
        assert home.query("SELECT count(*) AS n FROM runs").to_pylist() == [{"n": 1}]
    assert collector.spans == []
    assert collector.asked > 0


def test_without_the_setting_nothing_of_opentelemetry_is_imported(tmp_path: Path) -> None:
    inbox, made = scans(tmp_path), pipeline(tmp_path)
    program = (
        "import sys, json, hilum\n"
        f"with hilum.open({str(tmp_path / 'home')!r}) as home:\n"
        f"    home.run({str(inbox)!r}, pipelines=[{str(made)!r}])\n"
        "print(json.dumps(sorted(name for name in sys.modules if name.partition('.')[0] == 'opentelemetry')))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(said.stdout) == []
    with hilum.open(tmp_path / "home") as home:
        assert home.query("SELECT count(*) AS n FROM runs").to_pylist() == [{"n": 1}]


def test_every_instrument_is_exported_with_its_unit_and_kind(tmp_path: Path, collector: Collector) -> None:
    (tmp_path / "home").mkdir()
    folder = scans(tmp_path)
    (folder / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 64)
    with hilum.open(tmp_path / "home", telemetry="otlp") as home:
        home.run(folder, pipelines=[pipeline(tmp_path)])
    metrics = collector.metrics
    assert set(metrics) == set(INSTRUMENTS)
    for name, instrument in INSTRUMENTS.items():
        kind = metrics[name].WhichOneof("data")
        assert metrics[name].unit == instrument.unit
        assert kind == {"gauge": "gauge", "counter": "sum", "histogram": "histogram"}[instrument.kind]
        data = getattr(metrics[name], kind)
        assert data.data_points
        for point in data.data_points:
            assert set(attributes(point.attributes)) == set(instrument.attributes)
        if kind == "sum":
            assert data.is_monotonic
    arrivals = {
        tuple(sorted(attributes(point.attributes).items())): point.as_int
        for point in metrics["hilum.arrivals"].gauge.data_points
    }
    assert sum(arrivals.values()) == 5
    (qc,) = [
        point
        for point in metrics["hilum.attempt.duration"].histogram.data_points
        if attributes(point.attributes) == {"step": "qc", "outcome": "succeeded"}
    ]
    assert qc.count == 1
