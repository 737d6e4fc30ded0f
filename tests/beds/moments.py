"""Moments at which to strike an engine: any at all, and those between two commits, seen from outside by what lies in
the home. So the engine needs no hook, and what is tested is what people run.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from beds.engines import Engine, wait_until

Seen = Callable[[Path, int], bool]
"""Whether the moment is there in this home; the number makes one ask for later and later ones."""


def manifest_made(home: Path, number: int) -> bool:
    """A result was committed that the ledger may not know of yet."""
    return sum(1 for _ in home.glob("store/tasks/*/*/manifest.json")) > number


def outputs_moved(home: Path, number: int) -> bool:
    """Outputs lie in the store, and no manifest beside them yet."""
    keys = [path for path in home.glob("store/tasks/*/*") if not (path / "manifest.json").exists()]
    return any(path.glob("r-*/*") for path in keys)


def object_begun(home: Path, number: int) -> bool:
    """A small object is half written."""
    return any(home.glob("store/**/.part-*"))


def parquet_begun(home: Path, number: int) -> bool:
    """A file of the warehouse is half written."""
    return any(home.glob("warehouse/*/.part-*"))


def step_at_work(home: Path, number: int) -> bool:
    """A step writes its outputs."""
    return any(home.glob("work/*-*/*/out/*/*"))


def link_begun(home: Path, number: int) -> bool:
    """The tree of links grows."""
    return sum(1 for _ in home.glob("results/*/*/*/*/*")) > number


def rows_waiting(home: Path, number: int) -> bool:
    """The outbox has rows for the warehouse."""
    return _count(home, "SELECT count(*) FROM outbox") > number


def batch_taken(home: Path, number: int) -> bool:
    """A batch of rows is on its way to the warehouse."""
    return _count(home, "SELECT count(*) FROM outbox WHERE batch > 0") > 0


def attempt_claimed(home: Path, number: int) -> bool:
    """An attempt was claimed."""
    return _count(home, "SELECT count(*) FROM segments WHERE state = 'running'") > 0


def subjects_settled(home: Path, number: int) -> bool:
    """Some subjects are settled, and nothing is planned yet."""
    return _count(home, "SELECT count(*) FROM revisions") > _count(home, "SELECT count(*) FROM runs")


TELLING: tuple[Seen, ...] = (
    manifest_made,
    outputs_moved,
    object_begun,
    parquet_begun,
    step_at_work,
    link_begun,
    rows_waiting,
    batch_taken,
    attempt_claimed,
    subjects_settled,
)


def await_moment(engine: Engine, home: Path, rng: random.Random, duration: float) -> str | None:
    """Wait for a moment that chance chooses: half of them by the clock, within ``duration`` seconds, half of them
    telling ones. Its name, or None if the engine ended before."""
    if rng.random() < 0.5:
        delay = rng.uniform(0.1, 1.0) * duration
        return None if wait_until(lambda: engine.ended, delay) else "by the clock"
    seen, number = rng.choice(TELLING), rng.randrange(12)
    while not engine.ended:
        with suppress(OSError):  # what was listed may be gone when it is looked at
            if seen(home, number):
                return None if engine.ended else seen.__name__
        time.sleep(0.001)
    return None


def _count(home: Path, sql: str) -> int:
    """A number from the ledger as a stranger reads it; 0 while there is no answer."""
    path = home / "ledger.sqlite"
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=0)
    try:
        return int(connection.execute(sql).fetchone()[0])
    except sqlite3.Error:
        return 0
    finally:
        connection.close()
