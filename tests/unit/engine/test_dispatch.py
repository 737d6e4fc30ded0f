"""What the dispatcher has claimed it does not lose sight of, whatever is away for a while: ledger, store or executor.

An executor of which a call fails is ours with that one call replaced: no real one can be made to fail just then.
"""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

import hilum
from beds.engines import wait_until
from beds.faults import Proxy, Refused, Request, faulty
from beds.gcs import CloudStorage
from beds.moments import manifests
from hilum.app.home import Home
from hilum.dicom.phantom import chest_ct
from hilum.engine.dispatch import LEASE
from hilum.engine.engine import Engine
from hilum.errors import TransientError
from hilum.executors.local import LocalExecutor
from hilum.kernel.clock import ManualClock
from hilum.model.work import AttemptReport
from hilum.settings import load_settings
from hilum.sources.folder import FolderSource
from hilum.storage.gcs import client

PIPELINE = """name: check
settle: {quiet: 0s}
steps:
  qc: {uses: qc, retry: {attempts: 1}}
  preview: {uses: preview, with: {tiles: 1, reformats: false}, retry: {attempts: 1}}
"""
DEAD = f"{platform.node()}/999999999/then"
"""An engine of this machine of which the process is gone."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "check.yaml").write_text(PIPELINE)
    chest_ct(tmp_path / "scans", slices=4, rows=16, columns=16)
    return tmp_path


@pytest.fixture
def home(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setattr("hilum.ledger.sql.database.PATIENCE", 0.02)
    with hilum.open(place / "home", slots=1, workers=1) as home:
        yield home


@pytest.fixture
def open_engine(place: Path) -> Iterator[Callable[[Home], Engine]]:
    """Makes engines that have planned something; they end with the test."""
    made: list[Engine] = []

    def make(home: Home) -> Engine:
        engine = home.engine([place / "check.yaml"])
        made.append(engine)
        engine.take_in(FolderSource([place / "scans"], home.clock))
        engine.settler.settle()
        assert engine.planner.plan()
        return engine

    yield make
    for engine in made:
        engine.close()


def states(home: Home) -> set[tuple[str, str]]:
    return {(task.state.value, task.reason) for task in home.ledger.tasks(run.id for run in home.runs())}


def done(engine: Engine, home: Home) -> bool:
    return wait_until(lambda: engine.advance(0.05) and states(home) == {("succeeded", "")}, patience=60.0)


def tick_on(engine: Engine) -> None:
    while True:
        engine.dispatcher.tick(1.0)


def fails_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The next call of an executor's method fails as one does over a connection that breaks."""
    method = getattr(LocalExecutor, name)
    calls: list[Any] = []

    def once(self: LocalExecutor, *args: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            raise TransientError("it cannot be reached", reason="cluster-unreachable")
        return method(self, *args)

    monkeypatch.setattr(LocalExecutor, name, once)


def test_the_end_of_an_attempt_that_the_ledger_did_not_take_is_recorded_when_it_can_be(
    home: Home, open_engine: Callable[[Home], Engine]
) -> None:
    engine = open_engine(home)
    assert engine.dispatcher.tick(0.0)
    with closing(sqlite3.connect(home.root / "ledger.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert wait_until(lambda: manifests(home.root) == 2)
        with pytest.raises(TransientError) as caught:
            tick_on(engine)
        assert caught.value.reason == "ledger-busy"
        assert engine.dispatcher.busy == 1
        other.execute("ROLLBACK")
    assert engine.dispatcher.tick(0.0)
    assert states(home) == {("succeeded", "")}
    assert engine.dispatcher.busy == 0


def test_an_executor_is_not_watched_again_before_the_ledger_has_what_it_told(
    home: Home, open_engine: Callable[[Home], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that runs attempts in pods forgets then what they left of their ends."""
    engine = open_engine(home)
    assert engine.dispatcher.tick(0.0)
    engine.dispatcher.draining = True  # else the ledger is asked for more to do before, and does not answer
    watch, told = LocalExecutor.watch, list[Any]()

    def watched(self: LocalExecutor, timeout: float) -> Any:
        assert not told, "watched again"
        found = watch(self, timeout)
        told.extend(each for each in found if isinstance(each, AttemptReport))
        return found

    monkeypatch.setattr(LocalExecutor, "watch", watched)
    with closing(sqlite3.connect(home.root / "ledger.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert wait_until(lambda: manifests(home.root) == 2)
        for _ in range(3):
            with pytest.raises(TransientError):
                tick_on(engine)
        assert told
        other.execute("ROLLBACK")
    told.clear()
    assert engine.dispatcher.tick(0.0)
    assert states(home) == {("succeeded", "")}


def test_an_attempt_that_the_executor_does_not_take_is_lost_and_another_takes_its_place(
    home: Home, open_engine: Callable[[Home], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(home)
    fails_once(monkeypatch, "submit")
    assert done(engine, home)
    engine.drain()
    found = home.query("SELECT outcome, reason FROM attempts ORDER BY number").to_pylist()
    assert [tuple(row.values()) for row in found] == [("lost", "cluster-unreachable"), ("succeeded", "")]


def test_attempts_that_were_taken_over_and_could_not_be_adopted_are_freed_when_their_lease_is_over(
    place: Path, open_engine: Callable[[Home], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    settings = load_settings(place / "home", flags={"slots": 1, "workers": 1})
    (place / "home").mkdir()
    with Home(place / "home", settings, clock) as home:
        engine = open_engine(home)
        monkeypatch.setattr(LocalExecutor, "adopts", True, raising=False)
        engine.dispatcher._executor.adopts = True
        assert len(home.ledger.claim(DEAD, 1, clock.now(), LEASE)) == 1
        fails_once(monkeypatch, "adopt")
        with pytest.raises(TransientError):
            engine.dispatcher.tick(0.0)
        for _ in range(4):
            clock.advance(LEASE / 2)
            engine.dispatcher.tick(0.0)
        assert done(engine, home)


def test_a_damaged_result_is_a_dead_task_and_not_the_engines_end(
    home: Home, open_engine: Callable[[Home], Engine]
) -> None:
    engine = open_engine(home)
    assert engine.dispatcher.tick(0.0)
    assert wait_until(lambda: manifests(home.root) == 2)
    for manifest in home.root.glob("store/tasks/*/*/manifest.json"):
        manifest.unlink()
        manifest.write_text("{")
    assert wait_until(lambda: engine.dispatcher.tick(0.1) and not engine.dispatcher.busy)
    assert states(home) == {("dead", "result-damaged")}


@pytest.fixture
def proxy(bucket: str, cloud_storage: CloudStorage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with faulty(cloud_storage.host) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        yield proxy


@pytest.mark.parametrize("status", [503, 403])
def test_a_store_that_is_away_when_results_are_recorded_counts_against_no_step(
    place: Path,
    bucket: str,
    proxy: Proxy,
    open_engine: Callable[[Home], Engine],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.1)
    client.retries.cache_clear()
    with hilum.open(place / "home", slots=1, workers=1, store=f"gs://{bucket}/store") as home:
        engine = open_engine(home)
        assert engine.dispatcher.tick(0.0)
        assert wait_until(lambda: sum("manifest.json" in str(each.body) for each in proxy.seen) >= 2)
        before = len(proxy.seen)
        proxy.rule = lambda request: Refused(status)
        assert wait_until(lambda: engine.dispatcher.tick(0.1) and not engine.dispatcher.busy)
        assert {state for state, _ in states(home)} == {"waiting"}
        asked = {request.path for request in proxy.seen[before:]}
        assert len(asked) == 1
        proxy.rule = lambda request: None
        assert done(engine, home)
    client.retries.cache_clear()


def test_results_in_a_bucket_are_looked_at_several_at_a_time(
    place: Path, bucket: str, proxy: Proxy, open_engine: Callable[[Home], Engine]
) -> None:
    steps = "".join(f"  step{n}: {{uses: intensity, with: {{bins: {n}}}}}\n" for n in range(2, 6))
    (place / "check.yaml").write_text(f"name: check\nsettle: {{quiet: 0s}}\nsteps:\n{steps}")
    together = Barrier(3, timeout=30)

    def meet(request: Request) -> None:
        """The first is asked for alone; of the others none is answered before three are under way."""
        if request.method == "GET" and "manifest.json" in request.path and (asked := next(numbers)):
            assert asked > 3 or together.wait() >= 0

    with hilum.open(place / "home", slots=1, workers=1, store=f"gs://{bucket}/store") as home:
        engine = open_engine(home)
        assert engine.dispatcher.tick(0.0)
        assert wait_until(lambda: sum("manifest.json" in str(each.body) for each in proxy.seen) >= 4)
        numbers = count()
        proxy.rule = meet
        assert wait_until(lambda: engine.dispatcher.tick(0.1) and not engine.dispatcher.busy)
        assert next(numbers) >= 4
        assert states(home) == {("succeeded", "")}
