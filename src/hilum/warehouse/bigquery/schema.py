"""BigQuery's schemas, as its REST API writes them, from the same columns that the local warehouse has.

Headers bring new keywords and new fields in sequences all the time. A schema takes them up as added fields, which
BigQuery allows at any time and without a rewrite: NULLABLE or REPEATED ones, never another type. That needs no rule
of ours, since a column's type is the data dictionary's word alone (:mod:`hilum.dicom.columns`).

Limits are BigQuery's ("Quotas and limits", table and column limits; "Specify a schema", column names). What they
leave no room for is kept in the column :data:`BEYOND`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hilum.dicom.columns import Column, columns_of
from hilum.warehouse.tables import BATCH, HEADERS, SEQ, Table

Field = dict[str, Any]
"""A TableFieldSchema: name, type, mode, fields."""

SUFFIX = "_rows"
"""After a table's name: the physical table, in which a row may be more than once."""
BEYOND = "beyond_schema"
"""A row's values that the schema has no column for, as a JSON object by their path: nothing is lost."""
MOST_COLUMNS = 10_000
"""Of a table, fields of records included."""
ROOM = 500
"""Columns that are left free below the limit, for new versions of Hilum."""
NAME = re.compile(r"[A-Za-z_]\w{0,299}", re.ASCII)
PARTITIONED = "_recorded_at"
BOOKED = (Column(BATCH, "INTEGER"), Column(SEQ, "INTEGER"))

_CODE: dict[str, Any] = dict.fromkeys(("CodeValue", "CodingSchemeDesignator", "CodeMeaning"))
_NAMED: dict[str, Any] = {
    **dict.fromkeys(("FrameOfReferenceUID", "InstitutionName", "Manufacturer", "ManufacturerModelName")),
    "SliceThickness": None,
    "ReferencedSeriesSequence": [{"SeriesInstanceUID": None}],
    "SegmentSequence": [
        {
            **dict.fromkeys(
                ("SegmentNumber", "SegmentLabel", "SegmentAlgorithmType", "SegmentAlgorithmName")
            ),
            **dict.fromkeys(("TrackingUID", "TrackingID")),
            "AnatomicRegionSequence": [_CODE],
            "SegmentedPropertyCategoryCodeSequence": [_CODE],
            "SegmentedPropertyTypeCodeSequence": [_CODE],
        }
    ],
}
"""Keywords that ready-made views name, so their columns are there before any header has them."""

_CLUSTERED = {HEADERS: ("Modality", "BodyPartExamined", "StudyInstanceUID", "SeriesInstanceUID")}


def physical(name: str) -> str:
    """The name of the table that holds the rows of this one."""
    return name + SUFFIX


def field_of(column: Column) -> Field:
    """A column as BigQuery's schemas have it."""
    field: Field = {
        "name": column.name,
        "type": column.type,
        "mode": "REPEATED" if column.repeated else "NULLABLE",
    }
    if column.type == "RECORD":
        field["fields"] = [field_of(each) for each in column.fields]
    return field


def schema_of(table: Table, nesting: int) -> list[Field]:
    """The schema of a new physical table.

    Args:
        nesting: levels of records that it may have.
    """
    columns = [*table.columns, *BOOKED]
    if table.name != HEADERS:
        return [field_of(column) for column in columns]
    fields = [field_of(column) for column in (*columns, Column(BEYOND, "STRING"))]
    return grown(fields, columns_of([_NAMED]), nesting)


def resource(table: Table, schema: Sequence[Field]) -> dict[str, Any]:
    """What tables.insert takes for a physical table, its reference aside."""
    keys = _CLUSTERED.get(table.name) or ((table.key,) if table.key else ("table_name", "row_id"))
    return {
        "description": table.description,
        "schema": {"fields": list(schema)},
        "timePartitioning": {"type": "DAY", "field": PARTITIONED},
        "clustering": {"fields": list(keys)},
        "labels": {"hilum": table.mark},
    }


def grown(schema: Sequence[Field], columns: Iterable[Column], nesting: int) -> list[Field]:
    """The schema with what these columns have and it has not, as far as BigQuery's limits go.

    Args:
        nesting: levels of records that it may have.
    """
    return _grown(schema, columns, nesting, [MOST_COLUMNS - ROOM - count(schema)])


def _grown(schema: Sequence[Field], columns: Iterable[Column], nesting: int, left: list[int]) -> list[Field]:
    fields = {field["name"].lower(): field for field in schema}
    for column in columns:
        known = fields.get(column.name.lower())
        if known is None:
            if left[0] < 1 or not NAME.fullmatch(column.name) or (column.type == "RECORD" and nesting < 1):
                continue
            left[0] -= 1
            if column.type != "RECORD":
                fields[column.name.lower()] = field_of(column)
            elif inner := _grown([], column.fields, nesting - 1, left):
                fields[column.name.lower()] = field_of(column) | {"fields": inner}
            else:
                left[0] += 1  # a record without a field is none
        elif known["type"] == column.type == "RECORD":
            inner = _grown(known["fields"], column.fields, nesting - 1, left)
            if inner != known["fields"]:
                fields[column.name.lower()] = known | {"fields": inner}
    return list(fields.values())


def count(schema: Iterable[Field]) -> int:
    """Columns, those of records included."""
    return sum(1 + count(field.get("fields", ())) for field in schema)


def plain(schema: Iterable[Mapping[str, Any]]) -> list[Field]:
    """A schema as the API gives it back, in the words that :func:`field_of` uses; descriptions and the like aside."""
    aliases = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}
    found = []
    for each in schema:
        field: Field = {
            "name": each["name"],
            "type": aliases.get(each["type"], each["type"]),
            "mode": each.get("mode") or "NULLABLE",
        }
        if field["type"] == "RECORD":
            field["fields"] = plain(each["fields"])
        found.append(field)
    return found
