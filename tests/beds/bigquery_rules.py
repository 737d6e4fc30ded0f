"""What Google documents of BigQuery's tables, as a check of the requests that make and change them.

Emulators take more than BigQuery does, and less. Each rule names the page that it is from; all are pages of
BigQuery's documentation as of 2026.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

Resource = dict[str, Any]
"""A table as tables.insert takes it."""
Fields = Sequence[dict[str, Any]]

SCHEMA = "Specify a schema"
LIMITS = "Quotas and limits: tables"
VIEWS = "Quotas and limits: views"
CHANGES = "Modify table schemas"
PARTITIONS = "REST: TimePartitioning"
CLUSTERS = "Introduction to clustered tables"
LABELS = "Requirements for labels"
TABLES = "Create and use tables: table naming"

RESERVED = (
    *("_TABLE_", "_FILE_", "_PARTITION", "_ROW_TIMESTAMP", "__ROOT__", "_COLIDENTIFIER"),
    *("_CHANGE_SEQUENCE_NUMBER", "_CHANGE_TYPE", "_CHANGE_TIMESTAMP"),
)
COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,299}")
LABEL_KEY, LABEL_VALUE = re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}")
ALIASES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN", "STRUCT": "RECORD"}
PLAIN = frozenset(("STRING", "BYTES", "INTEGER", "FLOAT", "NUMERIC", "BIGNUMERIC", "BOOLEAN", "JSON"))
TIMES = frozenset(("DATE", "TIME", "DATETIME", "TIMESTAMP"))
TYPES = PLAIN | TIMES | {"GEOGRAPHY", "RECORD"}
PARTITIONING = frozenset(("DATE", "TIMESTAMP", "DATETIME"))
CLUSTERING = frozenset(
    ("BIGNUMERIC", "BOOLEAN", "DATE", "DATETIME", "GEOGRAPHY", "INTEGER", "NUMERIC", "STRING", "TIMESTAMP")
)
MODES = frozenset(("NULLABLE", "REQUIRED", "REPEATED"))
ADDED = frozenset(("NULLABLE", "REPEATED"))


def broken_by(table: Resource) -> list[str]:
    """What a table is not allowed to be, each with the page that says so; empty where it keeps every rule."""
    return [f"{what} ({page})" for what, page in _broken(table)]


def broken_by_change(before: Resource, change: Resource) -> list[str]:
    """What tables.patch is not allowed to do to a table, and what the table is not allowed to be then."""
    found = []
    if "schema" in change:
        found = [f"{what} ({CHANGES})" for what in _changes(_fields(before), change["schema"]["fields"], "")]
    for part in ("timePartitioning", "tableReference"):
        if part in change and change[part] != before.get(part):
            found.append(f"{part} is another one ({CHANGES})")
    return found + broken_by(before | change)


def _broken(table: Resource) -> Iterator[tuple[str, str]]:
    name = table["tableReference"]["tableId"]
    if not 1 <= len(name.encode()) <= 1024 or not re.fullmatch(r"[\w -]+", name):
        yield f"a table has the name {name!r}", TABLES
    if len(table.get("description", "")) > 16_384:
        yield "a table's description is longer than 16,384 characters", LIMITS
    yield from _labels(table.get("labels", {}))
    if "view" in table:
        if len(table["view"]["query"]) > 256 * 1024:
            yield "a view's query is longer than 256 K characters", VIEWS
        if table["view"].get("useLegacySql") is not False:
            yield "a view's query is in legacy SQL, since nothing else is said", "REST: ViewDefinition"
        return
    fields = _fields(table)
    if not fields:
        yield "a table has no column", SCHEMA
    yield from _columns(fields, "", 0)
    if (number := _count(fields)) > 10_000:
        yield f"a table has {number} columns", LIMITS
    top = {field["name"]: field for field in fields}
    yield from _partition(table.get("timePartitioning"), top)
    yield from _clusters(table.get("clustering"), top)


def _columns(fields: Fields, path: str, level: int) -> Iterator[tuple[str, str]]:
    """``level``: records around these fields."""
    seen: set[str] = set()
    for field in fields:
        name, kind = field["name"], type_of(field)
        at = f"column {path}{name}"
        if not COLUMN.fullmatch(name):
            yield f"{at} has characters, a beginning or a length that names may not have", SCHEMA
        if name.upper().startswith(RESERVED):
            yield f"{at} begins with what is reserved", SCHEMA
        if name.lower() in seen:
            yield f"{at} is there twice, upper and lower case being one", SCHEMA
        seen.add(name.lower())
        if kind not in TYPES or mode_of(field) not in MODES:
            yield f"{at} is {mode_of(field)} {kind}", SCHEMA
        if len(field.get("description", "")) > 1024:
            yield f"the description of {at} is longer than 1,024 characters", LIMITS
        if (kind == "RECORD") != bool(field.get("fields")):
            yield f"{at} is a record without fields, or none with fields", SCHEMA
        if kind == "RECORD":
            if level == 15:
                yield f"{at} is the 16th record in a record", LIMITS
            yield from _columns(field.get("fields", ()), f"{path}{name}.", level + 1)


def _partition(given: Any, top: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if given is None:
        return
    column = top.get(given.get("field", ""))
    if given.get("type") not in ("DAY", "HOUR", "MONTH", "YEAR"):
        yield "a partition is of no known length", PARTITIONS
    if column is None:
        yield "partitions are by what is no top-level column", PARTITIONS
    elif type_of(column) not in PARTITIONING or mode_of(column) == "REPEATED":
        yield f"partitions are by {mode_of(column)} {type_of(column)}", PARTITIONS
    elif type_of(column) == "DATE" and given["type"] == "HOUR":
        yield "a date has no hours", PARTITIONS


def _clusters(given: Any, top: dict[str, Any]) -> Iterator[tuple[str, str]]:
    names = [] if given is None else given["fields"]
    if (given is not None and not 1 <= len(names) <= 4) or len(set(names)) < len(names):
        yield f"a table is clustered by {len(names)} columns, or by one twice", CLUSTERS
    for name in names:
        column = top.get(name)
        if column is None:
            yield f"a table is clustered by {name}, which is no top-level column", CLUSTERS
        elif type_of(column) not in CLUSTERING or mode_of(column) == "REPEATED":
            yield f"a table is clustered by {name}, which is {mode_of(column)} {type_of(column)}", CLUSTERS


def _labels(labels: dict[str, str]) -> Iterator[tuple[str, str]]:
    if len(labels) > 64:
        yield "a table has more than 64 labels", LABELS
    for key, value in labels.items():
        if not LABEL_KEY.fullmatch(key) or not LABEL_VALUE.fullmatch(value):
            yield f"a label is {key}={value}", LABELS


def _changes(before: Fields, after: Fields, path: str) -> Iterator[str]:
    there = {field["name"]: field for field in after}
    for field in before:
        at = f"column {path}{field['name']}"
        now = there.pop(field["name"], None)
        if now is None:
            yield f"{at} is gone, or has another name"
            continue
        if type_of(now) != type_of(field):
            yield f"{at} was {type_of(field)} and is {type_of(now)}"
        if mode_of(now) != mode_of(field) and (mode_of(field), mode_of(now)) != ("REQUIRED", "NULLABLE"):
            yield f"{at} was {mode_of(field)} and is {mode_of(now)}"
        yield from _changes(field.get("fields", ()), now.get("fields", ()), f"{path}{field['name']}.")
    for name, field in there.items():
        if mode_of(field) not in ADDED:
            yield f"column {path}{name} is added as {mode_of(field)}"


def type_of(field: dict[str, Any]) -> str:
    """A column's type, by the first of its names."""
    return ALIASES.get(field["type"], str(field["type"]))


def mode_of(field: dict[str, Any]) -> str:
    """A column's mode, which is NULLABLE where none is said."""
    return str(field.get("mode") or "NULLABLE")


def _fields(table: Resource) -> Fields:
    found: Fields = table.get("schema", {}).get("fields", [])
    return found


def _count(fields: Fields) -> int:
    return sum(1 + _count(field.get("fields", ())) for field in fields)
