"""Every suite here runs on all adapters of its port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hilum.ledger import open_ledger
from hilum.ledger.interface import Ledger


@pytest.fixture(scope="session")
def postgresql_ledger(postgresql) -> str:
    """A database with an empty ledger, to be copied: much faster than making the schema for each test."""
    name = postgresql.create()
    open_ledger(postgresql.url(name)).close()
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty ledger."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ledger.sqlite"
        return
    cluster = request.getfixturevalue("postgresql")
    name = cluster.create(request.getfixturevalue("postgresql_ledger"))
    yield cluster.url(name)
    cluster.drop(name)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger."""
    ledger = open_ledger(ledger_url)
    yield ledger
    ledger.close()
