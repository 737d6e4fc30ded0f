"""The transactional truth: arrivals, subjects, runs, tasks, attempts. One interface; SQLite and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hilum.ledger.interface import Ledger


def open_ledger(url: str) -> Ledger:
    """The ledger at an SQLAlchemy URL (``sqlite:///...`` or ``postgresql://...``); made or migrated as needed."""
    from hilum.ledger.sql.ledger import SqlLedger

    return SqlLedger(url)
