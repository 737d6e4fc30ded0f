"""Rows to Arrow, in the form in which files have them: with bookkeeping columns, in the table's order.

Rows of plain JSON are few and narrow; those of headers, which are neither, come through
:mod:`hilum.warehouse.headers`. Rows were made for their columns' types, so one that does not fit is a mistake of
Hilum, not of a file.

Whoever hands Python's or numpy's values to ``pyarrow.array`` imports pandas, where it is installed: 35 MB and half a
second. So values come as text through Arrow's JSON reader, and numbers as the memory that they are in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from hilum.dicom.columns import Column
from hilum.errors import TerminalError
from hilum.warehouse.schemas import arrow_type
from hilum.warehouse.tables import BATCH, KEY, RETRACTIONS, ROW_ID, SEQ, Table

Integers = np.ndarray[Any, np.dtype[np.int64]]

MANY = 32
"""Runs of rows that are in order already; if there are fewer they are put one after the other as they are."""


def order_of(table: Table) -> list[str]:
    """The columns that files are sorted by; no two rows are equal in all of them."""
    return [*table.order, BATCH, SEQ]


def sort(table: Table, rows: pa.Table) -> pa.Table:
    """The same rows in the table's order, nulls last; to move rows of many columns costs more than to compare."""
    indices = pc.sort_indices(rows, [(name, "ascending") for name in order_of(table)])
    places = integers(indices)
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
    schema = pa.schema([(each.name, arrow_type(each)) for each in table.columns])
    try:
        return read_lines("\n".join(map(json.dumps, rows)).encode(), schema, "error")
    except (pa.ArrowException, ValueError, TypeError):
        pass  # what JSON or Arrow's reader has no words for, one column after the other says best
    return pa.table(
        {each.name: _array(table, each, [row.get(each.name) for row in rows]) for each in table.columns}
    )


def keep_books(table: Table, batch: int, rows: pa.Table) -> pa.Table:
    """A batch's rows as they are written."""
    places = np.arange(len(rows), dtype=np.int64)
    given = rows.column(ROW_ID).to_pylist()
    if not all(given):
        ids = ({ROW_ID: row_id or f"{table.name}:{batch}:{n}"} for n, row_id in enumerate(given))
        made = read_lines(
            "\n".join(map(json.dumps, ids)).encode(), pa.schema([(ROW_ID, pa.string())]), "error"
        )
        rows = rows.set_column(rows.column_names.index(ROW_ID), ROW_ID, made.column(ROW_ID))
    # a retraction bears the key of the row that it takes back
    keyed = rows.column("row_id" if table.name == RETRACTIONS else ROW_ID).to_pylist()
    keys = np.fromiter(map(_row_key, map(str, keyed)), np.int64, len(rows))
    rows = rows.append_column(BATCH, numbers(np.full(len(rows), batch, np.int64)))
    rows = rows.append_column(SEQ, numbers(places))
    rows = rows.append_column(KEY, numbers(keys))
    return sort(table, rows)


def numbers(values: Integers) -> pa.Array[Any]:
    """Integers as Arrow has them, in the same memory."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values.data)])


def integers(values: pa.Array[Any]) -> Integers:
    """Arrow's integers as numpy has them, in the same memory; none of them is null."""
    return cast("Integers", np.from_dlpack(values))


def read_lines(lines: bytes, schema: pa.Schema, unexpected: Literal["ignore", "infer", "error"]) -> pa.Table:
    """A row a line of JSON.

    Args:
        unexpected: what becomes of names that are not in the schema.
    """
    return pj.read_json(
        BytesIO(lines),
        read_options=pj.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior=unexpected),
    )


def moment_of(text: str) -> datetime:
    """A moment of ISO 8601; in UTC where it does not say."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def encodable(value: Any) -> Any:
    """Text without lone surrogates, which JSON can carry and UTF-8 cannot, also in lists."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return [encodable(item) for item in value] if isinstance(value, list) else value


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
            values = [None if value is None else moment_of(value) for value in values]
        try:
            return pa.array(values, target)
        except UnicodeEncodeError:
            return pa.array([encodable(value) for value in values], target)
    except (pa.ArrowException, TypeError, ValueError, AttributeError, OverflowError):
        raise misfit(f"{table.name}.{column.name} takes {column.type} only") from None
