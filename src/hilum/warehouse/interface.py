"""The warehouse port: append-only tables with row ids, read through views that keep the newest.

Rows come from the ledger's outbox in numbered batches, one after the other. A batch may come twice (a crash after
writing, before the ledger heard of it), always with the same number and rows; the second time changes nothing. A row
of ``retractions`` takes the row that it names out of its table's view for good.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hilum.errors import TerminalError, TransientError, UsageError
from hilum.model.arrival import RefusedRow

if TYPE_CHECKING:
    import pyarrow as pa

    from hilum.warehouse.known import KnownFiles


Dialect = Literal["bigquery", "duckdb"]
"""The languages that a query may be in."""


class QueryError(UsageError):
    """SQL that cannot be run; the message is one line with the nearest right names."""

    reason = "query"


class WarehouseUnavailable(TransientError):
    """It did not take the rows; they stay in the outbox."""

    reason = "warehouse-unavailable"


class WarehouseDamaged(TerminalError):
    """A file of it cannot be read; the message names it."""

    reason = "warehouse-damaged"


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table or view: what it holds, how many rows it shows, and its bytes on disk (none for a view)."""

    name: str
    description: str
    rows: int
    size: int


class Warehouse(ABC):
    """Append, compact, query."""

    @abstractmethod
    def append(
        self, batch: int, rows: Mapping[str, Iterable[Mapping[str, Any]]], headers: bytes = b""
    ) -> list[RefusedRow]:
        """Write a batch.

        Args:
            rows: by table, plain JSON with moments as ISO 8601 text.
            headers: rows of ``dicom_metadata``, a line of JSON each; :func:`hilum.dicom.rows.row_text` says of what
                kind, and columns of the table itself may be among them.

        Durable on return; the same batch again is a no-op. Numbers go upward from 1 and may have gaps; a batch
        comes only after all smaller ones have returned, or again.

        Returns:
            Rows that a server does not take, which are for the quarantine; all others are written.

        Raises:
            TerminalError: ``row-shape``: a table, column or value that the warehouse has not;
                ``batch-out-of-order``: an unknown batch among others that were compacted already.
            WarehouseUnavailable: it could not be written.
        """

    @abstractmethod
    def query(self, sql: str, parameters: Sequence[Any] = (), *, dialect: Dialect | None = None) -> pa.Table:
        """Read-only SQL over the views; it can reach nothing outside the warehouse. ``?`` stands for a parameter.

        Args:
            dialect: by default ``bigquery`` for SQL with a mark that only GoogleSQL has, else ``duckdb``.

        Raises:
            QueryError: it is refused or fails. WarehouseDamaged: a file that it needs cannot be read.
        """

    def estimate(
        self, sql: str, parameters: Sequence[Any] = (), *, dialect: Dialect | None = None
    ) -> int | None:
        """Bytes that a query would read and somebody would pay for; None where queries cost nothing.

        Raises:
            QueryError: as for :meth:`query`.
        """
        return None

    @abstractmethod
    def known_files(self, *, hashed: bool) -> KnownFiles:
        """The files that ``dicom_metadata`` ever had a header of; with ``hashed`` only those with a digest."""

    @abstractmethod
    def tables(self) -> list[TableInfo]:
        """What can be queried."""

    @abstractmethod
    def compact(self) -> int:
        """Merge small files; returns how many fewer there are to read. Readers never notice.

        Raises:
            WarehouseDamaged: a file could not be read; everything else was compacted.
            WarehouseUnavailable: it could not be written.
        """

    @abstractmethod
    def check(self, *, deep: bool = False) -> list[str]:
        """Files that cannot be read, by name; with ``deep`` each is read from its beginning to its end."""
