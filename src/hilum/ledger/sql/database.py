"""Connections and transactions. Here, and only here, SQLite and PostgreSQL differ.

A write runs as a function that may be tried again: two engines on one home may collide (a lock, a serialization
failure, two first sights of one instance), and the loser simply starts over on what it finds then.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError

from hilum.errors import UsageError
from hilum.ledger.interface import LedgerBusy, LedgerDamaged

T = TypeVar("T")
TRIES = 12
DAMAGE = (
    "malformed",
    "not a database",
    "disk image",
    "file is encrypted",
    "invalid page",
    "could not read block",
)
ALONE = 0x68696C756D
"""Names the advisory lock among those of the database."""
CHUNK = 500
"""Parameters in one IN list; SQLite's oldest limit is 999."""


class Database:
    """A pool of connections to one ledger database.

    Args:
        url: an SQLAlchemy URL, ``sqlite:///...`` or ``postgresql+psycopg://...``.
    """

    def __init__(self, url: str) -> None:
        self.sqlite = url.startswith("sqlite")
        if not self.sqlite and not url.startswith("postgresql"):
            raise UsageError(
                "the ledger must be an sqlite: or postgresql: address", hint="see `ledger` in hilum.toml"
            )
        options: dict[str, Any] = (
            {"connect_args": {"timeout": 30}} if self.sqlite else {"pool_pre_ping": True}
        )
        if url.startswith("postgresql:"):
            url = "postgresql+psycopg:" + url.partition(":")[2]
        self.engine = create_engine(url, **options)
        if self.sqlite:
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_immediate)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction, again from the start where it collided with another's."""
        for attempt in range(1, TRIES + 1):
            try:
                with self.engine.begin() as connection:
                    return work(connection)
            except IntegrityError:
                if attempt == TRIES:
                    raise
            except DatabaseError as error:
                damage(error)
                if attempt == TRIES or not _collided(error):
                    raise _unavailable(error) from error
            time.sleep(random.uniform(0.001, 0.02) * attempt)
        raise AssertionError("unreachable")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; it sees one consistent state."""
        try:
            if self.sqlite:
                with self.engine.connect().execution_options(reading=True) as connection:
                    yield connection
            else:
                with self.engine.connect() as connection:
                    yield connection
        except DatabaseError as error:
            damage(error)
            raise _unavailable(error) from error

    def alone(self, connection: Connection) -> None:
        """Wait until no other transaction is past this point; always so on SQLite, which has one writer."""
        if not self.sqlite:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ALONE})")

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """``items`` in parts small enough for one IN list."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def damage(error: DatabaseError) -> None:
    """Raise LedgerDamaged if that is what the driver says."""
    text = str(error.orig).lower()
    if any(word in text for word in DAMAGE):
        raise LedgerDamaged(
            "the ledger's database is damaged; nothing was changed",
            hint="stop all engines and run `hilum doctor`",
        ) from error


def _collided(error: DatabaseError) -> bool:
    code = getattr(error.orig, "sqlstate", None)
    text = str(error.orig)
    return code in ("40001", "40P01") or "locked" in text or "busy" in text


def _unavailable(error: DatabaseError) -> Exception:
    if isinstance(error, OperationalError):
        text = str(error.orig).splitlines()[0]
        if "full" in text:
            return LedgerBusy("no space left for the ledger", reason="ledger-full", hint="free some space")
        return LedgerBusy(
            f"the ledger cannot be reached or is held by another: {text}", hint="run `hilum doctor`"
        )
    return error


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-32000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
