"""Every suite of the ledger runs on all of its adapters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from beds.postgresql import Cluster
from hilum.ledger import open_ledger
from hilum.ledger.interface import Ledger
from hilum.ledger.schema import metadata

EMPTY = "; ".join(f"DELETE FROM {name}" for name in metadata.tables if name != "alembic_version")


@pytest.fixture(scope="session")
def postgresql_ledger(postgresql: Cluster) -> str:
    """A database with a ledger that tests share, one after the other: much faster than a new one for each."""
    name = postgresql.create()
    open_ledger(postgresql.url(name)).close()
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database with nothing in it at all."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty ledger."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ledger.sqlite"
        return
    name = request.getfixturevalue("postgresql_ledger")
    cluster: Cluster = request.getfixturevalue("postgresql")
    yield cluster.url(name)
    cluster.execute(EMPTY, name)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger."""
    ledger = open_ledger(ledger_url)
    yield ledger
    ledger.close()
