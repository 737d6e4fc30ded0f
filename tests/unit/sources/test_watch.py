"""A watched folder: a file counts once it has stopped changing, and no lost event matters for long."""

from __future__ import annotations

import os
import time
from pathlib import Path

from hilum.kernel.clock import ManualClock, SystemClock
from hilum.sources.watch import WatchedFolder


def names(source: WatchedFolder) -> list[str]:
    return [arrival.uri.rpartition("/")[2] for arrival in source.scan()]


def watched(folder: Path, clock: ManualClock) -> WatchedFolder:
    """Sweeps only: what the operating system tells has a test of its own."""
    return WatchedFolder(folder, clock, still=2.0, sweep=1.0, events=False)


def grow(path: Path, clock: ManualClock, text: str) -> None:
    """Write into a file as if it happened at the clock's time."""
    with path.open("a") as stream:
        stream.write(text)
    moment = clock.now().timestamp()
    os.utime(path, (moment, moment))


def test_a_file_that_still_grows_waits(tmp_path: Path) -> None:
    clock = ManualClock()
    source = watched(tmp_path, clock)
    grow(tmp_path / "scan", clock, "half")
    assert names(source) == []
    clock.advance(1.5)
    grow(tmp_path / "scan", clock, " more")
    assert names(source) == []
    clock.advance(1.5)
    assert names(source) == []
    assert source.waiting == 1
    clock.advance(1.0)
    assert names(source) == ["scan"]
    assert source.waiting == 0


def test_a_file_that_was_there_long_before_does_not_wait(tmp_path: Path) -> None:
    clock = ManualClock()
    grow(tmp_path / "old", clock, "x")
    clock.advance(60)
    assert names(watched(tmp_path, clock)) == ["old"]


def test_a_file_that_goes_away_while_it_waits_is_forgotten(tmp_path: Path) -> None:
    clock = ManualClock()
    source = watched(tmp_path, clock)
    grow(tmp_path / "scan", clock, "x")
    assert names(source) == []
    (tmp_path / "scan").unlink()
    clock.advance(5)
    assert names(source) == []
    assert source.waiting == 0


def test_a_sweep_finds_what_no_event_told_of(tmp_path: Path) -> None:
    clock = ManualClock()
    source = WatchedFolder(tmp_path, clock, still=2.0, sweep=30.0, events=False)
    assert names(source) == []
    grow(tmp_path / "scan", clock, "x")
    clock.advance(10)
    assert names(source) == []
    clock.advance(20)
    assert names(source) == ["scan"]


def test_the_system_tells_of_a_new_file_before_the_next_sweep(tmp_path: Path) -> None:
    source = WatchedFolder(tmp_path, SystemClock(), still=0.1, sweep=3600.0)
    found = names(source)
    time.sleep(0.5)  # the listener needs a moment before it hears anything
    (tmp_path / "scan").write_text("x")
    for _ in range(100):
        found += names(source)
        if found:
            break
        time.sleep(0.05)
    source.close()
    assert found == ["scan"]
