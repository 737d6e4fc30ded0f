"""Connections and transactions. Here, and only here, SQLite and PostgreSQL differ.

A write runs as a function that may be tried again: two engines on one home may collide (a lock, a serialization
failure, two first sights of one instance), and the loser simply starts over on what it finds then.
"""

from __future__ import annotations

import math
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from isal.igzip_lib import IsalError
from sqlalchemy import Column, ColumnElement, Connection, and_, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, NoResultFound, OperationalError

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
COLLISIONS, DISK_FULL, UNDEFINED_TABLE = ("40001", "40P01"), "53100", "42P01"
"""PostgreSQL's SQLSTATE codes (its appendix A)."""
ALONE = 0x68696C756D
"""Names the advisory lock among those of the database."""
PATIENCE = 30.0
"""Seconds to wait for SQLite's one writer."""
FULL_PATIENCE = 10.0
"""Seconds to wait for room on the disk."""
CHUNK = 500
"""Parameters in one IN list; SQLite's oldest limit is 999."""


class Collided(LedgerBusy):
    """Another transaction was in the way."""


class LedgerFull(LedgerBusy):
    """The disk has no room for what it is to remember."""

    reason = "ledger-full"


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
        if url.startswith("postgresql:"):
            url = "postgresql+psycopg:" + url.partition(":")[2]
        if self.sqlite:
            self.engine = create_engine(url, connect_args={"timeout": PATIENCE})
            self._reading = self.engine.execution_options(reading=True)
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin)
        else:
            self.engine = create_engine(url, pool_pre_ping=True)
            self._reading = self.engine.execution_options(isolation_level="REPEATABLE READ")

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction, again from the start where it collided with another's, or found the disk
        full: whoever filled it for a moment, such as a step that now fails, is soon gone."""
        attempt, full_since = 1, math.inf
        while True:
            try:
                with _explained(), self.engine.begin() as connection:
                    return work(connection)
            except (IntegrityError, Collided):
                if attempt == TRIES:
                    raise
                time.sleep(random.uniform(0.001, 0.02) * attempt)
                attempt += 1
            except LedgerFull:
                full_since = min(full_since, time.monotonic())
                if time.monotonic() - full_since > FULL_PATIENCE:
                    raise
                time.sleep(0.25)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; it sees one consistent state."""
        with _explained(), self._reading.connect() as connection:
            yield connection

    def alone(self, connection: Connection) -> None:
        """Wait until no other transaction is past this point; always so on SQLite, which has one writer."""
        if not self.sqlite:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ALONE})")

    def begins(self, column: Column[str], prefix: str) -> ColumnElement[bool]:
        """Whether a text begins so, as a range, which an index finds; PostgreSQL's own order is a language's."""
        text = column if self.sqlite else column.collate("C")
        return and_(text >= prefix, text < prefix[:-1] + chr(ord(prefix[-1]) + 1))

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """``items`` in parts small enough for one IN list."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


@contextmanager
def _explained() -> Iterator[None]:
    """What drivers say, in the ledger's own errors."""
    try:
        yield
    except IntegrityError:
        raise
    except (DBAPIError, sqlite3.DatabaseError) as error:
        if (explanation := _explain(error)) is None:
            raise
        raise explanation from error
    except (ValueError, IsalError, NoResultFound) as error:  # type: ignore[misc]  # its stub forgets the base
        raise _damaged("holds what it was never given") from error


def _explain(error: DBAPIError | sqlite3.DatabaseError) -> Exception | None:
    """What a driver's error means; None if it is a mistake of ours."""
    driver = error.orig if isinstance(error, DBAPIError) else error
    text, code = str(driver).lower(), getattr(driver, "sqlstate", None)
    if any(word in text for word in DAMAGE):
        return _damaged("is damaged")
    if code == UNDEFINED_TABLE or "no such table" in text:
        return _damaged("lacks a table")
    if code in COLLISIONS or "locked" in text or "busy" in text:
        return Collided("another engine holds the ledger for too long", hint="run `hilum doctor`")
    if code == DISK_FULL or "disk is full" in text:
        return LedgerFull(
            "no space left for the ledger", hint="free some space; the next run goes on from here"
        )
    if isinstance(error, (OperationalError, InterfaceError, sqlite3.OperationalError)):
        first = text.splitlines()[0] if text else "no answer"
        return LedgerBusy(f"the ledger cannot be used: {first}", hint="run `hilum doctor`")
    return None


def _damaged(how: str) -> LedgerDamaged:
    return LedgerDamaged(f"the ledger's database {how}", hint="stop all engines and run `hilum doctor`")


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("synchronous=NORMAL", "cache_size=-8000", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    deadline = time.monotonic() + PATIENCE
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except (
            sqlite3.OperationalError
        ):  # two who open a new file at once; SQLite does not wait for this lock
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
