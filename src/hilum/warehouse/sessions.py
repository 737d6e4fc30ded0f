"""DuckDB in this process. To start it takes longer than most questions, and so does telling it of tables with
hundreds of columns; so both are done once, and a connection is used again for questions about the same files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import duckdb

from hilum.warehouse.files import SPILL
from hilum.warehouse.views import literal

IDLE = 8
"""Connections that wait to be used again."""

Statements = tuple[str, ...]


class Session:
    """A connection to an empty database that may read the warehouse, for one question at a time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.created: Statements = ()

    def create(self, statements: Statements) -> None:
        """Create temporary views and macros, unless they are there."""
        if self.created != statements:
            self.created = ()
            for statement in statements:
                self.connection.execute(statement)
            self.created = statements


_idle: dict[tuple[Path, int, Statements], Session] = {}


@contextmanager
def open_session(root: Path, statements: Statements) -> Iterator[Session]:
    """A session, if possible one on which these statements were executed."""
    process = os.getpid()
    session = _idle.pop((root, process, statements), None) or Session(_database(root, process).cursor())
    yield session
    _idle[root, process, session.created] = session
    while len(_idle) > IDLE:
        _idle.pop(next(iter(_idle)), None)


@lru_cache(maxsize=2)
def _database(root: Path, process: int) -> duckdb.DuckDBPyConnection:
    """A database in memory of this process, which may open files below ``root`` and no others; it remembers how they
    are described. Its settings are locked."""
    database = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            "temp_directory": str(root / f"{SPILL}{process}-{os.urandom(4).hex()}"),
        },
    )
    database.execute(f"SET allowed_directories = [{literal(root)}]")
    database.execute("SET parquet_metadata_cache = true")
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
    return database
