"""Every suite of the ledger runs on all of its adapters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from hilum.ledger import open_ledger
from hilum.ledger.interface import Ledger
from hilum.ledger.schema import metadata, schema_version
from hilum.ledger.sql.database import Database


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with nothing in it at all."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def shared_ledger(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Ledger]]:
    """A ledger, with its URL, that tests use one after the other: much faster than a new one for each."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('shared')}/ledger.sqlite"
    else:
        cluster = request.getfixturevalue("postgresql")
        url = cluster.url(cluster.create())
    ledger = open_ledger(url)
    yield url, ledger
    ledger.close()


@pytest.fixture
def ledger_url(shared_ledger: tuple[str, Ledger]) -> str:
    """The URL of ``ledger``."""
    return shared_ledger[0]


@pytest.fixture
def ledger(shared_ledger: tuple[str, Ledger]) -> Iterator[Ledger]:
    """An empty ledger."""
    url, ledger = shared_ledger
    yield ledger
    database = Database(url)
    database.write(_empty)
    database.close()


def _empty(connection: Connection) -> None:
    for table in metadata.tables.values():
        if table is not schema_version:
            connection.execute(table.delete())
