"""The warehouse port: append-only tables with row ids, read through views that keep the newest.

Rows come from the ledger's outbox in numbered batches. A batch may come twice (a crash after writing, before the
ledger heard of it), always with the same number and rows; the second time changes nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hilum.errors import TerminalError, TransientError

if TYPE_CHECKING:
    import pyarrow as pa


class QueryError(TerminalError):
    """SQL that cannot be run; the message is one line with the nearest right names."""

    reason = "query"


class WarehouseUnavailable(TransientError):
    """It did not take the rows; they stay in the outbox."""

    reason = "warehouse-unavailable"


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table or view: its name, what it holds, rows and bytes on disk."""

    name: str
    description: str
    rows: int
    size: int


class Warehouse(ABC):
    """Append, compact, query."""

    @abstractmethod
    def append(self, batch: int, rows: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
        """Write a batch: rows by table. Durable on return; the same batch again is a no-op.

        Batches are numbered upward from 1, but may come with gaps.
        """

    @abstractmethod
    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Read-only SQL over the views; it can reach nothing outside the warehouse."""

    @abstractmethod
    def tables(self) -> list[TableInfo]:
        """What can be queried."""

    @abstractmethod
    def compact(self) -> int:
        """Merge small files; returns how many files went away. Readers never notice."""
