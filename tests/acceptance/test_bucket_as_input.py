"""A bucket is an input as a folder is, on a real storage server: run over, listed again and again, swept."""

from __future__ import annotations

import io
import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

import hilum
from beds.commands import hilum as command
from beds.engines import PATIENCE, Yard, wait_until
from beds.faults import Held, Refused, Request, every, faulty
from beds.gcs import CloudStorage
from beds.inbox import Inbox, resources
from beds.pubsub import Lane
from beds.real import real_file
from hilum.dicom.phantom import chest_ct
from hilum.kernel.address import bucket_object_uri
from hilum.kernel.clock import SystemClock
from hilum.kernel.logging import configure
from hilum.sources.bucket import WatchedBucket
from hilum.storage.gcs import client

PIPELINE = "name: check\nsettle: {quiet: 1s}\nsteps: {qc: {uses: qc}}\n"
LISTINGS = 3
MEANT = {503: "storage-unavailable", 401: "storage-credentials", 403: "storage-refused"}
"""What a storage server's status codes are called."""
OUTCOMES = "SELECT outcome, reason, count(*) AS n FROM arrivals GROUP BY ALL ORDER BY ALL"


@pytest.fixture
def scan(tmp_path: Path) -> tuple[Path, ...]:
    return tuple(chest_ct(tmp_path / "ct", slices=20, rows=32, columns=32).paths)


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    path = tmp_path / "check.yaml"
    path.write_text(PIPELINE)
    return path


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Requests are given up soon."""
    monkeypatch.setattr(client, "PATIENCE", 0.1)
    client.retries.cache_clear()
    yield
    client.retries.cache_clear()


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What this process logs, a JSON object a line."""
    stream = io.StringIO()
    configure("json", "info", stream)
    yield stream
    configure(level="off")


def put(bucket: str, paths: tuple[Path, ...], folder: str = "in") -> None:
    from google.cloud import storage

    for path in paths:
        storage.Client(project="test").bucket(bucket).blob(f"{folder}/{path.name}").upload_from_filename(path)


def test_a_prefix_is_run_over_as_a_folder_is_and_read_once(
    bucket: str,
    cloud_storage: CloudStorage,
    scan: tuple[Path, ...],
    pipeline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(bucket, scan)
    put(bucket, (real_file("CT_small.dcm"),), "other")
    with faulty(cloud_storage.host) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        proxy.rule = every(7, Refused(503))
        address = f"gs://{bucket}/in"
        said = command("run", address, "--pipeline", pipeline, home=tmp_path / "home")
        assert "20 objects: 20 accepted" in said.out
        assert proxy.faulted > 2
        proxy.rule = lambda request: None
        before = len(proxy.seen)
        again = command("run", address, "--pipeline", pipeline, home=tmp_path / "home")
        assert "20 objects: 20 unchanged" in again.out
        assert all(
            "/o/" not in request.path
            for request in proxy.seen[before:]
            if request.query.get("alt") == ["media"]
        )
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", cloud_storage.host)
    folder = command("run", scan[0].parent, "--pipeline", pipeline, home=tmp_path / "home2")
    assert "20 objects: 20 accepted" in folder.out
    asked = "SELECT name, value, text FROM current_measurements ORDER BY ALL"
    answers = [command("query", "--json", asked, home=tmp_path / each).rows for each in ("home", "home2")]
    assert answers[0] == answers[1]
    assert answers[0]


def test_what_is_poison_or_goes_away_between_listing_and_reading_has_its_reason(
    bucket: str,
    cloud_storage: CloudStorage,
    scan: tuple[Path, ...],
    pipeline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from google.cloud import storage

    put(bucket, scan[:3])
    real = storage.Client(project="test").bucket(bucket)
    real.blob("in/poison.dcm").upload_from_string(bytes(128) + b"DICM" + b"\xff" * 500)
    real.blob("in/text").upload_from_string(b"words")
    listed, listings = Held(), []

    def rule(request: Request) -> Held | None:
        """The last listing is what is run over; those before ask whether there is anything."""
        if request.path.endswith("/o"):
            listings.append(request)
            return listed if len(listings) == LISTINGS else None
        return None

    with faulty(cloud_storage.host) as proxy:
        proxy.rule = rule
        yard = Yard(
            tmp_path / "home",
            [f"gs://{bucket}/in/*", "--pipeline", pipeline],
            environment={"STORAGE_EMULATOR_HOST": proxy.host},
        )
        engine = yard.start()
        assert listed.done.wait(60)
        real.blob(f"in/{scan[0].name}").delete()
        real.blob(f"in/{scan[1].name}").upload_from_filename(scan[3])
        listed.go.set()
        engine.finish()
    with hilum.open(tmp_path / "home") as home:
        home.record()
        rows = {(row["outcome"], row["reason"]): row["n"] for row in home.query(OUTCOMES).to_pylist()}
    assert rows.pop(("accepted", "")) == 2
    assert rows.pop(("ignored", "not-dicom")) == 1
    reasons = Counter(reason for _, reason in rows)
    assert {"object-missing", "object-replaced"} <= reasons.keys()
    assert len(reasons) == 3


def test_a_bucket_that_is_watched_is_processed_without_any_event(
    bucket: str, scan: tuple[Path, ...], pipeline: Path, tmp_path: Path
) -> None:
    options = ("--watch", f"gs://{bucket}/in", "--pipeline", pipeline, "--sweep", "0.2")
    engine = Yard(tmp_path / "home").command("serve", *options)
    try:
        put(bucket, scan)
        assert wait_until(lambda: succeeded(tmp_path / "home") == 1, every=0.2)
    finally:
        engine.process.terminate()
    assert engine.finish()[0] == 0
    with hilum.open(tmp_path / "home") as home:
        assert home.query("SELECT DISTINCT source FROM arrivals").to_pylist() == [{"source": "bucket"}]


def test_a_sweep_finds_what_events_did_not_tell_and_says_so(
    inbox: Inbox, scan: tuple[Path, ...], tmp_path: Path
) -> None:
    some = resources(inbox, list(scan[:18]))
    home = tmp_path / "home"
    assert len(some) == 18
    assert (
        command("sweep", f"gs://{inbox.bucket}", home=home).out
        == "18 objects: 0 known, 18 were not: 18 accepted\n"
    )
    resources(inbox, list(scan[18:]))
    told = command("sweep", f"gs://{inbox.bucket}", "--json", home=home).json
    assert (told["listed"], told["known"], told["found"]) == (20, 18, {"accepted": 2})
    assert command("sweep", f"gs://{inbox.bucket}", home=home).out == "20 objects: 20 known, 0 were not\n"
    command("sweep", f"gs://{inbox.bucket}/nothing", home=home, code=2)


@pytest.mark.parametrize("name", ["in/one.dcm", "one", "in/[1].dcm"])
def test_one_object_that_is_named_is_swept_as_it_is_run_over(
    bucket: str, scan: tuple[Path, ...], tmp_path: Path, name: str
) -> None:
    from google.cloud import storage

    for each in (name, f"{name}-2", "another"):
        storage.Client(project="test").bucket(bucket).blob(each).upload_from_filename(scan[0])
    address = bucket_object_uri(bucket, name)
    said = command("sweep", address, home=tmp_path / "home").out
    assert said == "1 object: 0 known, 1 were not: 1 accepted\n"
    assert "1 object: 1 unchanged" in command("run", address, home=tmp_path / "home").out


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_ctrl_c_ends_a_sweep_with_130_and_one_line_and_the_next_finds_the_rest(
    bucket: str, cloud_storage: CloudStorage, scan: tuple[Path, ...], tmp_path: Path, form: list[str]
) -> None:
    put(bucket, scan)
    read = Held()
    with faulty(cloud_storage.host) as proxy:
        proxy.rule = lambda request: read if request.query.get("alt") == ["media"] else None
        yard = Yard(tmp_path / "home", [], environment={"STORAGE_EMULATOR_HOST": proxy.host})
        sweep = yard.command("sweep", f"gs://{bucket}", *form)
        assert read.done.wait(60)
        sweep.process.send_signal(signal.SIGINT)
        read.go.set()
        code, said = sweep.finish()
    assert code == 130
    if form:
        assert json.loads(said)["interrupted"] is True
    else:
        assert said.startswith("stopped early, the next sweep lists anew; so far ")
        assert len(said.splitlines()) == 1
    told = command("sweep", f"gs://{bucket}", "--json", home=tmp_path / "home").json
    assert (told["listed"], told["interrupted"]) == (len(scan), False)
    assert accepted(tmp_path / "home") == len(scan)


def test_a_second_ctrl_c_ends_a_sweep_with_130_and_one_line_too(
    bucket: str, cloud_storage: CloudStorage, scan: tuple[Path, ...], tmp_path: Path
) -> None:
    put(bucket, scan)
    read = Held()
    with faulty(cloud_storage.host) as proxy:
        proxy.rule = lambda request: read if request.query.get("alt") == ["media"] else None
        yard = Yard(tmp_path / "home", [], environment={"STORAGE_EMULATOR_HOST": proxy.host})
        sweep = yard.command("sweep", f"gs://{bucket}")
        assert read.done.wait(60)
        sweep.process.send_signal(signal.SIGINT)
        wait_until(lambda: not pending(sweep.process.pid, signal.SIGINT))
        sweep.process.send_signal(signal.SIGINT)
        wait_until(lambda: not pending(sweep.process.pid, signal.SIGINT))
        read.go.set()
        code, said = sweep.finish()
    assert (code, said.strip()) == (130, "hilum: stopped at once; the next run goes on from here")
    assert yard.quiet() == []


def pending(process: int, number: signal.Signals) -> bool:
    """Whether a signal waits for its process to take it."""
    status = Path(f"/proc/{process}/status").read_text()
    return any(
        int(line.split()[1], 16) >> (number - 1) & 1
        for line in status.splitlines()
        if line.startswith(("ShdPnd:", "SigPnd:"))
    )


def test_of_events_one_in_twenty_is_lost_and_the_engine_that_lists_the_bucket_ends_complete(
    inbox: Inbox, pubsub: Callable[..., Lane], scan: tuple[Path, ...], pipeline: Path, tmp_path: Path
) -> None:
    resources(inbox, list(scan))
    messages = inbox.lane.take(len(scan))
    kept = random.Random(5).sample(messages, len(scan) - 1)
    lane = pubsub()
    options = (
        "--watch",
        lane.address,
        "--watch",
        f"gs://{inbox.bucket}",
        "--pipeline",
        pipeline,
        "--sweep",
        "3",
    )
    engine = Yard(tmp_path / "home").command("serve", *options)
    try:
        for message in kept:
            lane.publish(message.data, dict(message.attributes))
        assert wait_until(lambda: accepted(tmp_path / "home") == len(scan), every=0.2)
    finally:
        engine.process.terminate()
    assert engine.finish()[0] == 0
    with hilum.open(tmp_path / "home") as home:
        home.record()
        found = home.query("SELECT source, count(*) AS n FROM arrivals GROUP BY ALL").to_pylist()
    counts = {row["source"]: row["n"] for row in found}
    assert sum(counts.values()) == len(scan)
    assert counts["sweep"] >= 1


def accepted(root: Path) -> int:
    if not (root / "ledger.sqlite").exists():
        return 0
    with hilum.open(root) as home:
        return home.status().arrivals.get("accepted", 0)


def succeeded(root: Path) -> int:
    if not (root / "ledger.sqlite").exists():
        return 0
    with hilum.open(root) as home:
        return sum(run.state == "succeeded" for run in home.runs())


def test_a_sweep_that_is_broken_off_keeps_what_it_found_and_the_next_reads_only_the_rest(
    bucket: str, cloud_storage: CloudStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, tuple(chest_ct(tmp_path / "many", slices=300, rows=8, columns=8).paths))
    batches = count()
    with faulty(cloud_storage.host) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        with hilum.open(tmp_path / "home", workers=1) as home:
            first = home.sweep(f"gs://{bucket}/in", stop=lambda: next(batches) > 0).counts["accepted"]
            second = home.sweep(f"gs://{bucket}/in").counts
        read = [request.path for request in proxy.seen if request.query.get("alt") == ["media"]]
    assert 0 < first < 300
    assert second == {"accepted": 300 - first, "unchanged": first}
    assert len(read) == len(set(read)) == 300


def test_a_bucket_that_is_away_ends_a_listing_and_not_the_engine(
    bucket: str,
    cloud_storage: CloudStorage,
    scan: tuple[Path, ...],
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(bucket, scan[:1])
    with faulty(cloud_storage.host) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        source = WatchedBucket(f"gs://{bucket}/in", SystemClock(), sweep=0.0)
        proxy.rule = lambda request: Refused(503)
        assert list(source.scan()) == []
        proxy.rule = lambda request: None
        assert len(list(source.scan())) == 1


def test_an_engine_that_serves_waits_for_a_bucket_that_is_away_or_refuses_and_then_takes_all_in(
    bucket: str,
    cloud_storage: CloudStorage,
    scan: tuple[Path, ...],
    pipeline: Path,
    tmp_path: Path,
    impatient: None,
    logged: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(bucket, scan)
    monkeypatch.setattr("hilum.engine.serve.REST", 0.1)
    statuses, seen = iter(MEANT), []
    end = time.monotonic() + PATIENCE

    with faulty(cloud_storage.host) as proxy, hilum.open(tmp_path / "home", sweep=0.1, workers=1) as home:

        def next_fault() -> None:
            """Objects can be listed, and not read."""
            status = next(statuses, None)
            reads = Refused(status) if status else None
            proxy.rule = lambda request: reads if request.query.get("alt") == ["media"] else None

        def stop() -> bool:
            """A fault lasts until the engine looked once more after a look that broke off over it."""
            lines = [json.loads(line) for line in logged.getvalue().splitlines()]
            reasons = [line["reason"] for line in lines if line["event"] == "a look at a source broke off"]
            if len(reasons) == 2:
                seen.append(reasons)
                logged.truncate(logged.seek(0))
                next_fault()
            return time.monotonic() > end or any(run.state == "succeeded" for run in home.runs())

        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        next_fault()
        home.serve(f"gs://{bucket}/in", pipelines=[pipeline], stop=stop)
        assert seen == [[reason] * 2 for reason in MEANT.values()]
        assert home.status().arrivals == {"accepted": len(scan)}
        assert [run.state for run in home.runs()] == ["succeeded"]
        assert home.quarantine() == []
