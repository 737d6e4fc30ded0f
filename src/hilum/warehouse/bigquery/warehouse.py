"""The warehouse in BigQuery: tables made on first use, rows appended by streams, questions asked of views."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, TypeVar

from hilum.dicom.columns import Column, column_of, columns_of
from hilum.dicom.standard.keywords import keywords
from hilum.errors import TerminalError
from hilum.model.arrival import RefusedRow
from hilum.warehouse.bigquery.address import Dataset
from hilum.warehouse.bigquery.client import DatasetClient
from hilum.warehouse.bigquery.encode import Encoder, split
from hilum.warehouse.bigquery.errors import meaning_of
from hilum.warehouse.bigquery.faults import RequestRefused
from hilum.warehouse.bigquery.schema import BOOKED, Field, grown, physical, resource, schema_of
from hilum.warehouse.bigquery.sql import placed, to_googlesql
from hilum.warehouse.bigquery.stream import TableStream
from hilum.warehouse.bigquery.unseen import columns_to_add, has_every_keyword, no_room, selected
from hilum.warehouse.bigquery.views import views
from hilum.warehouse.encode import misfit
from hilum.warehouse.googlesql.marks import dialect_of
from hilum.warehouse.interface import Dialect, TableInfo, Warehouse, WarehouseUnavailable
from hilum.warehouse.tables import BATCH, HEADERS, ROW_ID, SEQ, TABLES, Table
from hilum.warehouse.views import DESCRIBED

if TYPE_CHECKING:
    import pyarrow as pa

    from hilum.warehouse.known import KnownFiles

Row = dict[str, Any]
T = TypeVar("T")
APPENDED_WITHIN = 20.0
"""Seconds that an append may take, all its tries and answers together. An engine waits for it, and what it has
claimed lapses after a minute; what is not written by then stays in the outbox."""
FINGERPRINT = "SUBSTR(MD5(FileURI || ' ' || FileVersion), 9)"
"""In GoogleSQL, the bytes of :func:`hilum.warehouse.known.fingerprint`; null where no version is known."""


class BigQueryWarehouse(Warehouse):
    """Tables in a dataset.

    Args:
        limit: most bytes that a query may bill.
    """

    def __init__(self, dataset: Dataset, *, limit: int | None = None) -> None:
        self.dataset = dataset
        self._client = DatasetClient(dataset)
        self._limit = limit
        self._ready = False
        self._schemas: dict[str, list[Field]] = {}
        self._encoders: dict[str, Encoder] = {}
        self._streams: dict[str, TableStream] = {}
        self._newest = -1

    def close(self) -> None:
        """Give connections back."""
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()
        self._client.close()

    # --- writing

    def append(
        self, batch: int, rows: Mapping[str, Iterable[Mapping[str, Any]]], headers: bytes = b""
    ) -> list[RefusedRow]:
        filled = {name: [dict(row) for row in each] for name, each in rows.items()}
        filled = {name: items for name, items in filled.items() if items}
        if unknown := sorted(filled.keys() - TABLES.keys() | filled.keys() & {HEADERS}):
            raise TerminalError(f"the warehouse takes no rows of {unknown[0]}", reason="row-shape")
        if headers:
            filled[HEADERS] = _header_rows(headers)
        self._prepare()
        refused: list[RefusedRow] = []
        with self._client.within(APPENDED_WITHIN):
            with _refusals_told():
                self._in_order(batch)
            messages = {}
            for name, items in filled.items():
                with _refusals_told(name, batch):
                    messages[name] = self._messages(name, batch, items)
            for name, items in filled.items():
                with _refusals_told(name, batch):
                    found = self._stream(name).append(messages[name])
                refused += [RefusedRow(name, items[each.place], each.code) for each in found]
        self._newest = max(self._newest, batch)
        return refused

    def _messages(self, name: str, batch: int, items: list[Row]) -> list[bytes]:
        """Rows as messages, with what books are kept by; the table has a column for each value that may have one."""
        if name == HEADERS:
            items = self._make_room(items)
        else:
            known = {field["name"] for field in self._schema(name)}
            if unknown := sorted({column for row in items for column in row} - known):
                raise misfit(f"{name} has no column {', '.join(unknown)}")
        encoder = self._encoder(name)
        return [
            encoder.encode(
                {**row, ROW_ID: row.get(ROW_ID) or f"{name}:{batch}:{place}", BATCH: batch, SEQ: place}
            )
            for place, row in enumerate(items)
        ]

    def fitting(self, name: str, rows: list[Row]) -> list[Row]:
        """Rows in the shape of their table, which gets the columns that they bring."""
        self._prepare()
        with _refusals_told():
            return self._make_room(rows) if name == HEADERS else rows

    def load(self, name: str, lines: IO[bytes]) -> None:
        """Append rows by a load job, lines of JSON with everything that books are kept by; all or none."""
        with _refusals_told():
            self._client.load(physical(name), lines, self._schema(name))
        self._newest = -1

    def _make_room(self, rows: list[Row]) -> list[Row]:
        """Add the columns that these headers bring, and put aside what cannot have one."""
        try:
            columns = columns_of(rows, (*TABLES[HEADERS].columns, *BOOKED))
        except ValueError:
            raise misfit(f"{HEADERS} takes keywords only") from None
        schema = self._schema(HEADERS)
        wider = grown(schema, columns, self.dataset.nesting)
        if wider != schema:
            wider = grown(self._client.schema(physical(HEADERS)), columns, self.dataset.nesting)
            table = resource(TABLES[HEADERS], wider)
            self._client.update(physical(HEADERS), table, ["schema"])
            self._forget(HEADERS)
            self._schemas[HEADERS] = wider
        return [split(row, wider) for row in rows]

    def _schema(self, name: str) -> list[Field]:
        if name not in self._schemas:
            self._schemas[name] = self._client.schema(physical(name))
        return self._schemas[name]

    def _encoder(self, name: str) -> Encoder:
        if name not in self._encoders:
            self._encoders[name] = Encoder(name, self._schema(name))
        return self._encoders[name]

    def _stream(self, name: str) -> TableStream:
        if name not in self._streams:
            self._streams[name] = TableStream(self._client, physical(name), self._encoder(name))
        return self._streams[name]

    def _forget(self, name: str) -> None:
        """What was made for the schema that a table had until now."""
        self._schemas.pop(name, None)
        self._encoders.pop(name, None)
        if (stream := self._streams.pop(name, None)) is not None:
            stream.close()

    def _in_order(self, batch: int) -> None:
        """Refuse rows of a ledger that was begun anew beside an older warehouse: older rows would hide them.

        Raises:
            TerminalError: ``batch-out-of-order``.
        """
        if self._newest < 0:
            tables = (f"SELECT MAX({BATCH}) AS newest FROM {self._path(physical(name))}" for name in TABLES)
            found = self._client.query(f"SELECT MAX(newest) AS newest FROM ({' UNION ALL '.join(tables)})")
            self._newest = found.column("newest")[0].as_py() or 0
            if batch < self._newest:
                newest, self._newest = self._newest, -1
                raise TerminalError(
                    f"batch {batch} comes after {newest}: this warehouse belongs to another ledger",
                    reason="batch-out-of-order",
                    hint="restore the ledger that it was written from, or name another dataset",
                )

    # --- tables and views

    def _prepare(self) -> None:
        """Make the dataset, tables and views that are not there, or that another version of Hilum made."""
        if self._ready:
            return
        with _refusals_told():
            self._make_what_lacks()
        self._ready = True

    def _make_what_lacks(self) -> None:
        """Each request has as long as an append: they are many, and the next try goes on where this one ends."""
        with self._client.within(APPENDED_WITHIN):
            there = self._client.listed()
        if not there:
            with self._client.within(APPENDED_WITHIN):
                self._client.make()
        for table in TABLES.values():
            with self._client.within(APPENDED_WITHIN):
                self._make_table(table, there)
        for view in views(self.dataset):
            with self._client.within(APPENDED_WITHIN):
                if view.name not in there:
                    self._client.create(view.name, view.resource)
                elif there[view.name] != view.mark:
                    self._client.update(view.name, view.resource, ["view", "labels", "description"])

    def _make_table(self, table: Table, there: Mapping[str, str]) -> None:
        name = physical(table.name)
        if name not in there:
            self._client.create(name, resource(table, schema_of(table, self.dataset.nesting)))
        elif there[name] != table.mark:
            schema = grown(self._client.schema(name), table.columns, self.dataset.nesting)
            self._client.update(name, resource(table, schema), ["schema", "labels"])

    def tables(self) -> list[TableInfo]:
        self._prepare()
        counts = " UNION ALL ".join(
            f"SELECT '{name}' AS name, COUNT(*) AS number FROM {self._path(name)}" for name in DESCRIBED
        )
        with _refusals_told():
            rows = self._client.query(counts).to_pydict()
        counted = dict(zip(rows["name"], rows["number"], strict=True))
        return [
            TableInfo(name, text, counted[name], self._client.size(physical(name)) if name in TABLES else 0)
            for name, text in DESCRIBED.items()
        ]

    def compact(self) -> int:
        return 0  # BigQuery does it by itself

    def check(self, *, deep: bool = False) -> list[str]:
        with _refusals_told():
            there = self._client.listed()
        wanted = {physical(table.name): table.mark for table in TABLES.values()}
        wanted |= {view.name: view.mark for view in views(self.dataset)}
        return [name for name, mark in wanted.items() if there.get(name) != mark] if there else []

    def _path(self, name: str) -> str:
        return f"`{self.dataset.path}.{name}`"

    # --- asking

    def query(self, sql: str, parameters: Sequence[Any] = (), *, dialect: Dialect | None = None) -> pa.Table:
        return self._asked(sql, dialect, lambda text: self._client.query(text, parameters, self._limit))

    def estimate(
        self, sql: str, parameters: Sequence[Any] = (), *, dialect: Dialect | None = None
    ) -> int | None:
        return self._asked(sql, dialect, lambda text: self._client.estimate(text, parameters))

    def _asked(self, sql: str, dialect: Dialect | None, ask: Callable[[str], T]) -> T:
        self._prepare()
        text = sql if (dialect or dialect_of(sql)) == "bigquery" else to_googlesql(sql)
        added: list[Column] = []
        chosen = ""
        while True:
            try:
                return ask(placed(text, self.dataset, chosen))
            except RequestRefused as error:
                more = columns_to_add(error, text, added)
                if more is None:
                    raise meaning_of(error, lambda: self._columns(text)) from None
                before, added = chosen, more
                chosen = selected(self._client.schema(physical(HEADERS)), added, self.dataset.nesting)
                if chosen == before:
                    raise no_room(error) from None

    def _columns(self, sql: str) -> list[str]:
        """What columns there are, for whoever misspelt one."""
        named = [field["name"] for name in TABLES for field in self._schema(name)]
        return [*named, *filter(column_of, keywords())] if has_every_keyword(sql) else named

    def known_files(self, *, hashed: bool) -> KnownFiles:
        import pyarrow as pa

        from hilum.warehouse.known import DIGESTED, KnownFiles

        where = f"WHERE {DIGESTED}" if hashed else ""
        found = self.query(f"SELECT {FINGERPRINT} AS known FROM all_{HEADERS} {where}", dialect="bigquery")
        digests: list[bytes] = [each for each in found.column("known").to_pylist() if each]
        numbers = pa.Array.from_buffers(pa.uint64(), len(digests), [None, pa.py_buffer(b"".join(digests))])
        return KnownFiles(pa.chunked_array([numbers]))


@contextmanager
def _refusals_told(table: str = "", batch: int = 0) -> Iterator[None]:
    """A request of our own that is refused: the rows wait until somebody has found out why."""
    try:
        yield
    except RequestRefused as error:
        what = f"rows of {table} in batch {batch}" if table else "a request"
        raise WarehouseUnavailable(
            f"BigQuery refuses {what}: {error.told}",
            reason="warehouse-refused",
            hint="all rows wait meanwhile; docs/how-to/bigquery-warehouse.md says what to look at",
        ) from None


def _header_rows(lines: bytes) -> list[Row]:
    try:
        rows = [json.loads(line) for line in lines.splitlines()]
    except ValueError:
        raise misfit(f"a row of {HEADERS} is no JSON") from None
    if not all(isinstance(row, dict) for row in rows):
        raise misfit(f"a row of {HEADERS} is no object")
    return rows
