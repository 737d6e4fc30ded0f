"""Rows to Arrow, in the form in which files have them: with bookkeeping columns, in the table's order.

Rows of plain JSON are few and narrow; those of headers, which are neither, come through
:mod:`hilum.warehouse.headers`. Rows were made for their columns' types, so one that does not fit is a mistake of
Hilum, not of a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hilum.dicom.columns import Column
from hilum.errors import TerminalError
from hilum.warehouse.schemas import arrow_type
from hilum.warehouse.tables import BATCH, KEY, RETRACTIONS, ROW_ID, SEQ, Table

MANY = 32
"""Runs of rows that are in order already; if there are fewer they are put one after the other as they are."""


def order_of(table: Table) -> list[str]:
    """The columns that files are sorted by; no two rows are equal in all of them."""
    return [*table.order, BATCH, SEQ]


def sort(table: Table, rows: pa.Table) -> pa.Table:
    """The same rows in the table's order, nulls last; to move rows of many columns costs more than to compare."""
    indices = pc.sort_indices(rows, [(name, "ascending") for name in order_of(table)])
    places = indices.to_numpy()
    starts = np.flatnonzero(np.diff(places, prepend=-2) != 1)
    if len(starts) > MANY:
        return rows.take(indices)
    ends = [*starts[1:], len(places)]
    runs = [rows.slice(places[start], end - start) for start, end in zip(starts, ends, strict=True)]
    return pa.concat_tables(runs) if runs else rows


def encode(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows of plain JSON, moments as ISO 8601 text.

    Raises:
        TerminalError: ``row-shape``: a column that the table has not, or a value that does not fit.
    """
    unknown = {name for row in rows for name in row} - {column.name for column in table.columns}
    if unknown:
        raise misfit(f"{table.name} has no column {', '.join(sorted(unknown))}")
    return pa.table(
        {each.name: _array(table, each, [row.get(each.name) for row in rows]) for each in table.columns}
    )


def keep_books(table: Table, batch: int, rows: pa.Table) -> pa.Table:
    """A batch's rows as they are written."""
    given = rows.column(ROW_ID).to_pylist()
    ids = [row_id or f"{table.name}:{batch}:{place}" for place, row_id in enumerate(given)]
    # a retraction bears the key of the row that it takes back
    keyed = map(str, rows.column("row_id").to_pylist()) if table.name == RETRACTIONS else ids
    rows = rows.set_column(rows.column_names.index(ROW_ID), ROW_ID, pa.array(ids, pa.string()))
    rows = rows.append_column(BATCH, pa.array([batch] * len(ids), pa.int64()))
    rows = rows.append_column(SEQ, pa.array(range(len(ids)), pa.int64()))
    rows = rows.append_column(KEY, pa.array(map(_row_key, keyed), pa.int64()))
    return sort(table, rows)


def misfit(what: str) -> TerminalError:
    """The error for a row that was not made for this table."""
    return TerminalError(
        f"a row does not fit the warehouse: {what}",
        reason="row-shape",
        hint="it was made by another version of Hilum",
    )


def _row_key(row_id: str) -> int:
    """64 bits of BLAKE2b: among 10^8 row ids, two share one with a probability of 0.0003."""
    digest = hashlib.blake2b(row_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _array(table: Table, column: Column, values: list[Any]) -> pa.Array[Any]:
    target = arrow_type(column)
    try:
        if column.type == "TIMESTAMP":
            values = [None if value is None else _moment(value) for value in values]
        try:
            return pa.array(values, target)
        except UnicodeEncodeError:
            return pa.array([_encodable(value) for value in values], target)
    except (pa.ArrowException, TypeError, ValueError, AttributeError, OverflowError):
        raise misfit(f"{table.name}.{column.name} takes {column.type} only") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _encodable(value: Any) -> Any:
    """Text without lone surrogates, which JSON can carry and UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return [_encodable(item) for item in value] if isinstance(value, list) else value
