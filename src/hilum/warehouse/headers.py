"""Rows of headers to Arrow: lines of JSON that Arrow's own reader makes columns of, so no value becomes a Python
object.

That reader wants to be told the columns. Which there are is learnt from the lines themselves: it infers what it was
not told, of that only the *names* are taken, since a column's type is the data dictionary's word alone, and the lines
are read once more. Series resemble each other, so that is rare after the first batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.types as kind

from hilum.dicom.columns import NAME_FIELDS, Column, columns_of, is_sequence
from hilum.warehouse.encode import misfit, read_lines
from hilum.warehouse.schemas import arrow_type
from hilum.warehouse.tables import Table

SAMPLE = 64
"""Lines of a first batch that columns are learnt from, lest all of it be read twice."""
MOST = 4000
"""Columns and fields that are remembered; more are begun anew from the next batch."""

_NAME = pa.struct([(group.name, arrow_type(group)) for group in NAME_FIELDS])


class HeaderReader:
    """Reads batches of lines, and remembers what columns headers have."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._fixed = {column.name for column in table.columns}
        self._shapes: list[dict[str, Any]] = []
        self._columns: list[Column] = list(table.columns)
        self._schema = self._seen = _schema(self._columns)

    def read(self, lines: bytes) -> pa.Table:
        """A row a line, with the table's own columns and all others in which there is anything.

        Raises:
            TerminalError: ``row-shape``: a line is no JSON object, has a name that is neither DICOM's nor the
                table's, or a value that its column's type cannot hold.
        """
        try:
            if not self._shapes:
                self._learn(read_lines(_sample(lines), self._schema, "infer").schema)
            rows = read_lines(lines, self._schema, "infer")
            if rows.schema not in (self._schema, self._seen) and self._learn(rows.schema):
                rows = read_lines(lines, self._schema, "ignore")
        except (pa.ArrowException, ValueError):
            # Arrow's message quotes the value
            raise misfit(f"a row of {self._table.name} is no JSON, or not of its columns' types") from None
        found = {}
        for name, column in zip(rows.column_names, rows.itercolumns(), strict=True):
            values = column.combine_chunks()
            if name in self._fixed:
                found[name] = values
            elif (filled := _filled(values)) is not None:
                found[name] = filled
        return pa.table(found)

    def _learn(self, schema: pa.Schema) -> bool:
        """Whether there are columns or fields that have a value and were not known."""
        shape = _shape(schema)
        try:
            columns = columns_of([*self._shapes, shape], self._table.columns)
            if columns == self._columns:
                self._seen = schema
                return False
            self._shapes.append(shape)
            if _count(columns) > MOST:
                self._shapes = [shape]
                columns = columns_of(self._shapes, self._table.columns)
        except ValueError:
            raise misfit(f"{self._table.name} takes keywords only") from None
        self._columns, self._schema = columns, _schema(columns)
        return True


def _sample(lines: bytes) -> bytes:
    """A few lines from all over, since series follow each other."""
    each = lines.splitlines(keepends=True)
    return b"".join(each[:: 1 + len(each) // SAMPLE])


def _schema(columns: Iterable[Column]) -> pa.Schema:
    return pa.schema([(column.name, arrow_type(column)) for column in columns])


def _count(columns: Iterable[Column]) -> int:
    return sum(1 + _count(column.fields) for column in columns)


def _shape(fields: Iterable[pa.Field[Any]]) -> dict[str, Any]:
    """A row that has the names in these fields of which any had a value."""
    shape: dict[str, Any] = {}
    for field in fields:
        type_ = field.type.value_type if kind.is_list(field.type) else field.type
        if kind.is_null(type_):
            continue
        if not is_sequence(field.name):
            shape[field.name] = None
        elif kind.is_struct(type_) and (inner := _shape(type_)):
            shape[field.name] = [inner]
    return shape


def _filled(values: Any) -> Any:
    """An array's values without the fields that none of them has; None where they hold nothing at all."""
    if values.null_count == len(values):
        return None
    if kind.is_list(values.type):
        inner = values.values
        items = _filled(inner)
        if items is None or items is inner:
            return None if items is None else values
        return pa.ListArray.from_arrays(values.offsets, items, mask=values.is_null())
    if not kind.is_struct(values.type) or values.type == _NAME:
        return values
    fields = {field.name: values.field(place) for place, field in enumerate(values.type)}
    filled = {name: each for name, field in fields.items() if (each := _filled(field)) is not None}
    if not filled:
        return None
    if all(filled.get(name) is field for name, field in fields.items()):
        return values
    return pa.StructArray.from_arrays(list(filled.values()), list(filled), mask=values.is_null())
