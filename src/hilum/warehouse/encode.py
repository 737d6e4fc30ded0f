"""Rows of plain JSON to Arrow.

Most values go straight in; dates and times come as ISO 8601 text and are parsed first. Rows were converted to their
columns' types when they were made, so one that does not fit is a mistake of Hilum, not of a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import pyarrow as pa

from hilum.dicom.columns import Column, columns_of
from hilum.errors import TerminalError
from hilum.warehouse.tables import RETRACTIONS, ROW_ID, Table

BATCH, SEQ, KEY = "_batch", "_seq", "_row_key"
"""Batch and place in it, which say what is newer; and a number for the row id, quick to join by."""
BOOKKEEPING = tuple((name, pa.int64()) for name in (BATCH, SEQ, KEY))

_ARROW: dict[str, pa.DataType] = {
    "STRING": pa.string(),
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}

Convert = Callable[[Any], Any]


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type of a column; RECORD is a struct, repeated a list."""
    if column.type == "RECORD":
        single: pa.DataType = pa.struct([(field.name, arrow_type(field)) for field in column.fields])
    else:
        single = _ARROW[column.type]
    return pa.list_(single) if column.repeated else single


def schema_of(table: Table) -> pa.Schema:
    """What every file of the table holds at least."""
    columns = [(column.name, arrow_type(column)) for column in table.columns]
    return pa.schema([*columns, *BOOKKEEPING])


def order_of(table: Table) -> list[str]:
    """The columns that files are sorted by; no two rows are equal in all of them."""
    return [*table.order, BATCH, SEQ]


def sort(table: Table, rows: pa.Table) -> pa.Table:
    """The same rows in the table's order, nulls last."""
    return rows.sort_by([(name, "ascending") for name in order_of(table)])


def encode(table: Table, batch: int, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A batch's rows in the table's order.

    Raises:
        TerminalError: ``row-shape``: a column that the table has not, or a value that does not fit.
    """
    arrays = {
        column.name: _array(table, column, [row.get(column.name) for row in rows])
        for column in _columns(table, rows)
    }
    ids = [row.get(ROW_ID) or f"{table.name}:{batch}:{place}" for place, row in enumerate(rows)]
    # a retraction bears the key of the row that it takes back
    keyed = [str(row.get("row_id")) for row in rows] if table.name == RETRACTIONS else ids
    arrays[ROW_ID] = pa.array(ids, pa.string())
    arrays[BATCH] = pa.array([batch] * len(rows), pa.int64())
    arrays[SEQ] = pa.array(range(len(rows)), pa.int64())
    arrays[KEY] = pa.array(map(_row_key, keyed), pa.int64())
    return sort(table, pa.table(arrays))


def _row_key(row_id: str) -> int:
    """64 bits of BLAKE2b: among 10^8 row ids, two share one with a probability of 0.0003."""
    digest = hashlib.blake2b(row_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _columns(table: Table, rows: Sequence[Mapping[str, Any]]) -> Iterable[Column]:
    if table.dynamic:
        try:
            return columns_of(rows, table.columns)
        except ValueError:
            raise _misfit(f"{table.name} takes keywords only") from None
    unknown = {name for row in rows for name in row} - {column.name for column in table.columns}
    if unknown:
        raise _misfit(f"{table.name} has no column {', '.join(sorted(unknown))}")
    return table.columns


def _array(table: Table, column: Column, values: list[Any]) -> pa.Array[Any]:
    target = arrow_type(column)
    try:
        if convert := _converter(column):
            values = [convert(value) for value in values]
        try:
            return pa.array(values, target)
        except UnicodeEncodeError:
            return pa.array([_encodable(value) for value in values], target)
    except (pa.ArrowException, TypeError, ValueError, AttributeError, OverflowError):
        raise _misfit(f"{table.name}.{column.name} takes {column.type} only") from None


def _converter(column: Column) -> Convert | None:
    """What makes dates and times of a value's text, at any depth; None where there are none."""
    parse = _PARSERS.get(column.type)
    if column.type == "RECORD":
        inner = {field.name: found for field in column.fields if (found := _converter(field))}
        parse = _record_parser(inner) if inner else None
    if parse is None:
        return None
    one = _unless_null(parse)
    return _unless_null(lambda values: [one(value) for value in values]) if column.repeated else one


def _unless_null(parse: Convert) -> Convert:
    return lambda value: None if value is None else parse(value)


def _record_parser(inner: Mapping[str, Convert]) -> Convert:
    return lambda record: {
        **record,
        **{name: convert(record[name]) for name, convert in inner.items() if name in record},
    }


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


_PARSERS: dict[str, Convert] = {
    "DATE": date.fromisoformat,
    "TIME": time.fromisoformat,
    "TIMESTAMP": _moment,
}


def _encodable(value: Any) -> Any:
    """Text without lone surrogates, which JSON can carry and UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {name: _encodable(item) for name, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list) else value


def _misfit(what: str) -> TerminalError:
    return TerminalError(
        f"a row does not fit the warehouse: {what}",
        reason="row-shape",
        hint="it was made by another version of Hilum",
    )
