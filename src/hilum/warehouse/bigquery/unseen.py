"""Keywords of the dictionary that no header has had yet: asked for, they are columns here as they are locally
(:mod:`hilum.warehouse.unseen`), typed and empty.

BigQuery says which name it does not know, and bills nothing for it. Tables that have every keyword are then read
through a query that adds the column, or the field inside a sequence. What headers had and their table has no room for
(:func:`hilum.warehouse.bigquery.schema.grown`) stays unknown: to call it empty would be a lie.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hilum.dicom.columns import Column
from hilum.warehouse.bigquery.faults import RequestRefused
from hilum.warehouse.bigquery.schema import Field, grown
from hilum.warehouse.interface import QueryError
from hilum.warehouse.query_errors import OPEN
from hilum.warehouse.unseen import unseen

UNKNOWN = re.compile(
    r"Unrecognized name: `?(?P<name>\w+)|Name (?P<of_table>\w+) not found"
    r"|Field name (?P<field>\w+) does not exist"
)
"""What BigQuery says of a name that it cannot find."""
_TYPES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}


def columns_to_add(error: RequestRefused, sql: str, added: Sequence[Column]) -> list[Column] | None:
    """The columns with which a query in GoogleSQL may run that failed so; None if none would help.

    Args:
        added: columns that were added before, for the same query.
    """
    found = UNKNOWN.search(error.message)
    if found is None or not has_every_keyword(sql):
        return None
    name = next(filter(None, found.groups()))
    return unseen(name, [sql], added, inside=bool(found["field"]), language="bigquery")


def no_room(error: RequestRefused) -> QueryError:
    """The error for a keyword that is known, and that a table has no column for and can have none."""
    found = UNKNOWN.search(error.message)
    name = next(filter(None, found.groups())) if found else ""
    hint = "the table has no room for it: beyond_schema has the values, if there are any"
    return QueryError(f"there is no column {name}", reason="unknown-column", hint=hint)


def has_every_keyword(sql: str) -> bool:
    """Whether a query names a table of which every keyword is a column."""
    return any(re.search(rf"\b{name}\b", sql, re.I) for name in OPEN)


def selected(schema: Sequence[Field], columns: Sequence[Column], nesting: int) -> str:
    """What a query selects of a table of this schema so that it has these columns; empty if they add nothing."""
    there = {field["name"]: field for field in schema}
    added, replaced = [], []
    for field in grown(schema, columns, nesting):
        name = field["name"]
        if name not in there:
            added.append(f", {_nothing(field)} AS `{name}`")
        elif field != there[name]:
            replaced.append(f"{_filled(f'`{name}`', there[name], field, 0)} AS `{name}`")
    if not added and not replaced:
        return ""
    return "*" + (f" REPLACE ({', '.join(replaced)})" if replaced else "") + "".join(added)


def _filled(value: str, before: Field, after: Field, level: int) -> str:
    """A record, or a list of them, with the fields that it has not and shall have."""
    item = f"item{level}" if before["mode"] == "REPEATED" else value
    there = {field["name"]: field for field in before["fields"]}
    parts = []
    for field in after["fields"]:
        name = field["name"]
        inner = f"{item}.`{name}`"
        if name not in there:
            inner = _nothing(field)
        elif field != there[name]:
            inner = _filled(inner, there[name], field, level + 1)
        parts.append(f"{inner} AS `{name}`")
    if before["mode"] == "REPEATED":
        return f"ARRAY(SELECT AS STRUCT {', '.join(parts)} FROM UNNEST({value}) AS {item})"
    return f"IF({value} IS NULL, NULL, STRUCT({', '.join(parts)}))"


def _nothing(field: Field) -> str:
    kind = _type(field)
    return f"ARRAY<{kind}>[]" if field["mode"] == "REPEATED" else f"CAST(NULL AS {kind})"


def _type(field: Field) -> str:
    """A field's type in GoogleSQL, its mode aside."""
    if field["type"] != "RECORD":
        return _TYPES.get(field["type"], str(field["type"]))
    inner = (
        f"`{each['name']}` " + (f"ARRAY<{_type(each)}>" if each["mode"] == "REPEATED" else _type(each))
        for each in field["fields"]
    )
    return f"STRUCT<{', '.join(inner)}>"
