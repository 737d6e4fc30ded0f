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

Seen = Callable[[Path], int]
"""How many of something are there in a home; when there are more than before, the moment has come."""


def manifests(home: Path) -> int:
    """Results that were committed, of which the ledger may not know yet."""
    return _files(home, "store/tasks/*/*/manifest.json")


def outputs_moved(home: Path) -> int:
    """Outputs that lie in the store with no manifest beside them yet."""
    keys = [path for path in home.glob("store/tasks/*/*") if not (path / "manifest.json").exists()]
    return sum(1 for path in keys for _ in path.glob("r-*/*"))


def objects_begun(home: Path) -> int:
    """Small objects that are half written."""
    return _files(home, "store/**/.part-*")


def parquet_begun(home: Path) -> int:
    """Files of the warehouse that are half written."""
    return _files(home, "warehouse/*/.part-*")


def outputs_begun(home: Path) -> int:
    """Outputs that steps are writing."""
    return _files(home, "work/*-*/*/out/*/*")


def links(home: Path) -> int:
    """The tree of links."""
    return _files(home, "results/*/*/*/*/*")


def batches_taken(home: Path) -> int:
    """Rows that are on their way to the warehouse."""
    return _count(home, "SELECT count(*) FROM outbox WHERE batch > 0")


def attempts(home: Path) -> int:
    """Attempts that were claimed."""
    return _count(home, "SELECT sum(attempts) FROM segments")


def attempts_ended(home: Path) -> int:
    """Tasks whose ends the ledger knows."""
    return _count(home, "SELECT count(*) FROM tasks WHERE state != 'waiting'")


def revisions(home: Path) -> int:
    """Subjects that are settled; runs are planned next."""
    return _count(home, "SELECT count(*) FROM revisions")


def arrivals(home: Path) -> int:
    """Objects that were taken in."""
    return _count(home, "SELECT count(*) FROM arrivals")


def instances_at(home: Path, folder: Path) -> int:
    """Instances whose files are below a folder, as far as the ledger knows."""
    return _count(home, f"SELECT count(*) FROM instances WHERE uri LIKE '{folder.as_uri()}/%'")


TELLING: tuple[Seen, ...] = (
    manifests,
    outputs_moved,
    objects_begun,
    parquet_begun,
    outputs_begun,
    links,
    batches_taken,
    attempts,
    attempts_ended,
    revisions,
    arrivals,
)


def await_moment(engine: Engine, home: Path, rng: random.Random, duration: float) -> str | None:
    """Wait for a moment that chance chooses: a third of them by the clock, within ``duration`` seconds, the others
    when there is more of something in the home. Its name, or None if the engine ended before."""
    if rng.random() < 1 / 3:
        return None if wait_until(lambda: engine.ended, rng.uniform(0.1, 0.6) * duration) else "clock"
    seen = rng.choice(TELLING)
    end, enough = time.monotonic() + duration, seen(home) + rng.randrange(6)
    while not engine.ended and time.monotonic() < end:
        if seen(home) > enough:
            return seen.__name__
        time.sleep(0.001)
    return None if engine.ended else "clock"


def _files(home: Path, pattern: str) -> int:
    with suppress(OSError):  # what was listed may be gone when it is looked at
        return sum(1 for _ in home.glob(pattern))
    return 0


def _count(home: Path, sql: str) -> int:
    """A number from the ledger as a stranger reads it; 0 while there is no answer."""
    path = home / "ledger.sqlite"
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=0)
    try:
        return int(connection.execute(sql).fetchone()[0] or 0)
    except sqlite3.Error:
        return 0
    finally:
        connection.close()
