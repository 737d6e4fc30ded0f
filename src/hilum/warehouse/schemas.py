"""One schema for files that were written at different times.

Headers bring new keywords and new fields in nested sequences all the time, so no two files of ``dicom_metadata`` need
to have the same columns. A type that holds the values of both is always found: fields are joined, a number becomes
a wider number, a single value a list of one, and what has nothing in common becomes text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.types as kind

from hilum.dicom.columns import Column
from hilum.kernel.digest import digest_bytes
from hilum.warehouse.tables import BOOKS, Table

_ARROW: dict[str, pa.DataType] = {
    "STRING": pa.string(),
    "INTEGER": pa.int64(),
    "FLOAT": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
}


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
    return pa.schema([*columns, *((name, pa.int64()) for name in BOOKS)])


def shape_of(table: Table, schema: pa.Schema) -> str:
    """The table's mark and a digest of names and types, of which files with the same columns have the same."""
    return table.mark + digest_bytes(_spelled(schema).encode())[:8]


def _spelled(fields: Iterable[pa.Field[Any]]) -> str:
    """Names and types, whatever the items of lists are called: Arrow and Parquet have different names for those."""
    return "{" + ",".join(f"{field.name}:{_spelled_type(field.type)}" for field in fields) + "}"


def _spelled_type(type_: Any) -> str:
    if kind.is_list(type_):
        return f"[{_spelled_type(type_.value_type)}]"
    return _spelled(type_) if kind.is_struct(type_) else str(type_)


def union_schema(schemas: list[pa.Schema]) -> pa.Schema:
    """The columns of all, in the order in which they are first seen."""
    found: dict[str, pa.DataType] = {}
    for schema in schemas:
        for field in schema:
            known = found.get(field.name)
            found[field.name] = field.type if known is None else union_type(known, field.type)
    return pa.schema(list(found.items()))


def union_type(left: pa.DataType, right: pa.DataType) -> pa.DataType:
    """A type that holds every value of both."""
    if left == right or kind.is_null(right):
        return left
    if kind.is_null(left):
        return right
    if kind.is_list(left) or kind.is_list(right):
        items = (side.value_type if kind.is_list(side) else side for side in (left, right))
        return pa.list_(union_type(*items))
    if kind.is_struct(left) and kind.is_struct(right):
        joined = union_schema([pa.schema(list(left)), pa.schema(list(right))])
        return pa.struct(list(joined))
    if _is_number(left) and _is_number(right):
        return pa.float64()
    return pa.string()


def conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The same rows under a schema that :func:`union_schema` made of theirs and others'."""
    columns = []
    for field in schema:
        place = rows.schema.get_field_index(field.name)
        if place < 0:
            columns.append(pa.chunked_array([pa.nulls(len(rows), field.type)]))
            continue
        column = rows.column(place)
        if column.type != field.type:
            chunks = [_conform_array(chunk, field.type) for chunk in column.chunks]
            column = pa.chunked_array(chunks, field.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def _conform_array(values: pa.Array[Any], target: pa.DataType) -> pa.Array[Any]:
    try:
        return values.cast(target)
    except pa.ArrowException:  # a single value where a list is asked for, say: rare, so by hand
        return pa.array([_convert(value, target) for value in values.to_pylist()], target)


def _convert(value: Any, target: pa.DataType) -> Any:
    if value is None:
        return None
    if kind.is_list(target):
        items = value if isinstance(value, list) else [value]
        return [_convert(item, target.value_type) for item in items]
    if kind.is_struct(target):
        return {field.name: _convert(value.get(field.name), field.type) for field in target}
    if kind.is_string(target) and not isinstance(value, str):
        return json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, dict) else str(value)
    return value


def _is_number(type_: pa.DataType) -> bool:
    return bool(kind.is_integer(type_) or kind.is_floating(type_))
