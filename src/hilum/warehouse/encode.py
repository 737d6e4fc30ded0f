"""Rows of plain JSON to Arrow, and Arrow of several generations to one schema.

Most values go straight to Arrow. Dates and times come as ISO 8601 text and are parsed here. A header may hold
anything, so a value of ``dicom_metadata`` that does not fit its column becomes null and the keyword is noted in
``conversion_faults``; in the other tables, which Hilum writes itself, it is an error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import pyarrow as pa

from hilum.dicom.rows import Column, columns_of
from hilum.errors import TerminalError
from hilum.kernel.digest import canonical_json
from hilum.warehouse.tables import ROW_ID, Table

BATCH, SEQ, KEY = "_batch", "_seq", "_row_key"
"""Batch and place in it, which say what is newer; and a number for the row id, quick to join by."""

FAULTS = "conversion_faults"

_INT64 = 1 << 63
_ARROW: dict[str, pa.DataType] = {
    "STRING": pa.string(),
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}

BOOKKEEPING = [(BATCH, pa.int64()), (SEQ, pa.int64()), (KEY, pa.int64())]


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type of a column; RECORD is a struct, repeated a list."""
    if column.type == "RECORD":
        single: pa.DataType = pa.struct([(field.name, arrow_type(field)) for field in column.fields])
    else:
        single = _ARROW[column.type]
    return pa.list_(single) if column.repeated else single


def schema_of(table: Table) -> pa.Schema:
    """What every file of the table holds at least."""
    return pa.schema([(column.name, arrow_type(column)) for column in table.columns] + BOOKKEEPING)


def row_key(row_id: str) -> int:
    """The first 64 bits of a BLAKE2b digest of a row id, signed: no two of 10^8 ids share one but by a chance of 3 in 10^4."""
    return int.from_bytes(hashlib.blake2b(row_id.encode(), digest_size=8).digest(), "big", signed=True)


def encode(table: Table, batch: int, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A batch's rows as Arrow, sorted by the table's order.

    Raises:
        TerminalError: ``row-shape``: a column that the table has not, or a value that does not fit.
    """
    columns = _columns(table, rows)
    faults: dict[int, set[str]] = {}
    arrays: dict[str, pa.Array] = {}
    for column in columns:
        if column.name != FAULTS:
            arrays[column.name] = _array(table, column, [row.get(column.name) for row in rows], faults)
    if table.dynamic:
        noted = [
            sorted({*(row.get(FAULTS) or ()), *faults.get(place, ())}) for place, row in enumerate(rows)
        ]
        arrays[FAULTS] = pa.array(noted, pa.list_(pa.string()))
    ids = [row.get(ROW_ID) or f"{table.name}:{batch}:{place}" for place, row in enumerate(rows)]
    arrays[ROW_ID] = pa.array(ids, pa.string())
    arrays[BATCH] = pa.array([batch] * len(rows), pa.int64())
    arrays[SEQ] = pa.array(range(len(rows)), pa.int64())
    # a retraction carries the key of the row that it retracts
    about = [str(row.get("row_id")) for row in rows] if table.name == "retractions" else ids
    arrays[KEY] = pa.array(map(row_key, about), pa.int64())
    return in_order(table, pa.table(arrays))


def order_of(table: Table) -> list[str]:
    """The columns by which files are sorted; no two rows are equal in all of them."""
    return [*table.order, BATCH, SEQ]


def in_order(table: Table, rows: pa.Table) -> pa.Table:
    """The same rows, sorted; nulls come last."""
    return rows.sort_by([(name, "ascending") for name in order_of(table)])


def _columns(table: Table, rows: Sequence[Mapping[str, Any]]) -> Iterable[Column]:
    if table.dynamic:
        known = {column.name: column for column in table.columns}
        found = {column.name: column for column in columns_of(rows, extra=table.columns)}
        return (found | known).values()
    unknown = sorted({name for row in rows for name in row} - {column.name for column in table.columns})
    if unknown:
        raise _misshapen(table, f"has no column {', '.join(unknown)}")
    return table.columns


def _array(table: Table, column: Column, values: list[Any], faults: dict[int, set[str]]) -> pa.Array:
    target = arrow_type(column)
    if not _has_text_for(column, ("DATE", "TIME", "TIMESTAMP", "INTEGER")):
        try:
            return pa.array(values, target)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass  # one of them does not fit: find out which
    fitting: list[Any] = []
    for place, value in enumerate(values):
        try:
            fitting.append(_fit(column, value))
        except (TypeError, ValueError, AttributeError):
            if not table.dynamic:
                raise _misshapen(table, f"takes only {column.type} in {column.name}") from None
            faults.setdefault(place, set()).add(column.name)
            fitting.append(None)
    return pa.array(fitting, target)


def _has_text_for(column: Column, types: Sequence[str]) -> bool:
    """Whether values must be looked at one by one: dates are text still, and Arrow would cut 1.5 to an integer."""
    return column.type in types or any(_has_text_for(field, types) for field in column.fields)


def _fit(column: Column, value: Any) -> Any:
    """``value`` as the column takes it; ValueError, TypeError or AttributeError if it does not."""
    if value is None:
        return None
    if column.repeated:
        items = value if isinstance(value, list | tuple) else [value]
        single = Column(column.name, column.type, fields=column.fields)
        return [_fit(single, item) for item in items]
    if column.type == "RECORD":
        return {field.name: _fit(field, value.get(field.name)) for field in column.fields}
    return _FIT[column.type](value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value).decode()


def _integer(value: Any) -> int:
    number = int(value)
    if number != value and str(number) != value:
        raise ValueError("no integer")
    if not -_INT64 <= number < _INT64:
        raise ValueError("more than 64 bits")
    return number


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("no truth value")
    return value


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


_FIT: dict[str, Callable[[Any], Any]] = {
    "STRING": _text,
    "INTEGER": _integer,
    "FLOAT": float,
    "BOOLEAN": _boolean,
    "DATE": date.fromisoformat,
    "TIME": time.fromisoformat,
    "TIMESTAMP": _moment,
}


def _misshapen(table: Table, what: str) -> TerminalError:
    return TerminalError(
        f"a row does not fit the warehouse: {table.name} {what}",
        reason="row-shape",
        hint="writer and warehouse are of different versions of Hilum",
    )
