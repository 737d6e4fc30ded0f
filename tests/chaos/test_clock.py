"""A wall clock that jumps by hours, forwards and backwards: while series settle, while attempts hold leases, while
failed ones wait for their turn. It may make an engine do something too early, too late or twice, but nothing wrong,
and no run waits for hours.
"""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from beds.homes import Snapshot, differences, faults, snapshot
from hilum.app.home import Home
from hilum.dicom.phantom import Phantom, chest_ct
from hilum.engine.engine import Engine, RunReport
from hilum.engine.observe import Observer
from hilum.kernel.clock import Clock, ManualClock
from hilum.ledger.interface import Claim, Finished
from hilum.settings import Settings
from hilum.sources.folder import FolderSource

HERE = Path(__file__).parent
PIPELINES = (HERE / "series.yaml", HERE / "study.yaml")
HOUR = 3600.0
JUMPS = (-30 * HOUR, -5 * HOUR, -900.0, -1.0, 1.0, 900.0, 5 * HOUR, 30 * HOUR)
LONG_ENOUGH = 60.0

pytestmark = pytest.mark.slow


class JumpyClock:
    """The machine's clocks, but for a wall clock that anybody may set."""

    def __init__(self) -> None:
        self.off = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.off)

    def monotonic(self) -> float:
        return time.monotonic()


class Meddler(Observer):
    """Sets the clock by some hours at every other thing that happens."""

    def __init__(self, clock: JumpyClock, rng: random.Random) -> None:
        self.clock, self.rng = clock, rng

    def meddle(self) -> None:
        if self.rng.random() < 0.5:
            self.clock.off += self.rng.choice(JUMPS)

    def taken_in(self, counts: object) -> None:
        self.meddle()

    def planned(self, runs: int, tasks: int) -> None:
        self.meddle()

    def started(self, claim: Claim) -> None:
        self.meddle()

    def finished(self, finished: Finished) -> None:
        self.meddle()

    def recorded(self, rows: int) -> None:
        self.meddle()


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clock") / "scans"
    for number in range(3):
        chest_ct(folder / str(number), slices=4, rows=32, columns=32, seed=number)
    return folder


@pytest.fixture(scope="module")
def undisturbed(scans: Path) -> Snapshot:
    home = scans.parent / "undisturbed"
    _run(_home(home), scans)
    assert faults(home) == []
    return snapshot(home)


@pytest.mark.parametrize("seed", range(3))
def test_a_clock_that_is_set_all_the_time_changes_nothing_and_stops_nobody(
    seed: int, scans: Path, undisturbed: Snapshot, tmp_path: Path
) -> None:
    clock = JumpyClock()
    _run(_home(tmp_path, clock), scans, Meddler(clock, random.Random(seed)))
    assert [*differences(undisturbed, snapshot(tmp_path)), *faults(tmp_path)] == []


@pytest.mark.parametrize("jump", [-5 * HOUR, 5 * HOUR])
def test_an_engine_that_finds_a_neighbours_leases_expired_by_a_jump_does_no_harm(
    jump: float, scans: Path, undisturbed: Snapshot, tmp_path: Path
) -> None:
    clock = JumpyClock()
    working = threading.Event()
    reports: list[RunReport] = []

    class Signal(Observer):
        def started(self, claim: Claim) -> None:
            working.set()

    def first() -> None:
        reports.append(_run(_home(tmp_path, clock), scans, Signal()))

    thread = threading.Thread(target=first)
    thread.start()
    assert working.wait(LONG_ENOUGH)
    clock.off += jump
    _run(_home(tmp_path, clock), scans)
    thread.join(LONG_ENOUGH)
    assert reports
    assert [*differences(undisturbed, snapshot(tmp_path)), *faults(tmp_path)] == []


@pytest.mark.parametrize("jump", [-30 * HOUR, -5 * HOUR, -1.0, 1.0, 5 * HOUR])
def test_a_series_settles_though_the_clock_was_set_and_late_instances_make_a_new_revision(
    jump: float, tmp_path: Path
) -> None:
    clock = ManualClock()
    home = _home(tmp_path / "home", clock)
    phantom = chest_ct(tmp_path / "all", slices=4, rows=16, columns=16)
    engine = home.engine([HERE / "study.yaml"])
    try:
        _arrive(engine, home, phantom, slice(0, 3))
        clock.jump(jump)
        _turn(engine, clock, 120.0 - min(jump, 0.0))
        [early] = _revisions(home)
        _arrive(engine, home, phantom, slice(3, 4))
        clock.jump(-jump)
        _turn(engine, clock, 120.0 + max(jump, 0.0))
        assert len(_revisions(home)) == 2
        assert early in _revisions(home)
        [subject] = [each for each in home.ledger.subjects() if each.scope == "study"]
        assert subject.instances == 4
        states = sorted(
            (run.revision == subject.revision, run.current, run.state.value) for run in home.runs()
        )
        assert states == [(False, False, "superseded"), (True, True, "running")]
        assert home.ledger.check() == []
    finally:
        engine.close()


def _home(root: Path, clock: Clock | None = None) -> Home:
    root.mkdir(exist_ok=True)
    return Home(root, Settings(), clock)


def _run(home: Home, scans: Path, observer: Observer | None = None) -> RunReport:
    """Process the scans; fails if that takes too long."""
    end = time.monotonic() + LONG_ENOUGH
    with home:
        report = home.run(scans, pipelines=PIPELINES, observer=observer, stop=lambda: time.monotonic() > end)
    assert not report.interrupted, "it waited for a time that does not come"
    return report


def _arrive(engine: Engine, home: Home, phantom: Phantom, which: slice) -> None:
    engine.take_in(FolderSource(phantom.paths[which], home.clock))


def _turn(engine: Engine, clock: ManualClock, seconds: float) -> None:
    """Let time pass, and the engine settle and plan without handing anything out."""
    for _ in range(120):
        clock.advance(seconds / 120)
        engine.settler.settle()
        engine.planner.plan()


def _revisions(home: Home) -> set[str]:
    return {run.revision for run in home.runs()}
