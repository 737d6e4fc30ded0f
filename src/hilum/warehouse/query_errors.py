"""DuckDB's errors in one line, with the names that were probably meant.

What DuckDB says of syntax and names comes from the SQL and the tables' columns. What it says of values may quote a
patient's, so of that only the kind is passed on.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import duckdb

from hilum.dicom.standard.keywords import keywords
from hilum.warehouse.files import damaged
from hilum.warehouse.googlesql.idc import ABSENT, CURATED, IDC_VIEWS
from hilum.warehouse.interface import QueryError, WarehouseDamaged
from hilum.warehouse.tables import HEADERS
from hilum.warehouse.unseen import canonical, missing_name
from hilum.warehouse.views import HISTORY, NAMES, Opened

ABOUT_SQL = (
    duckdb.ParserException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.NotImplementedException,
)
ABOUT_VALUES: dict[type[duckdb.Error], tuple[str, str]] = {
    duckdb.ConversionException: ("a value cannot be converted as asked", "TRY_CAST gives NULL instead"),
    duckdb.OutOfRangeException: ("a number is out of its type's range", "cast it to a wider type"),
    duckdb.OutOfMemoryException: ("it takes more memory than there is", "select fewer columns or rows"),
}

OPEN = frozenset((HEADERS, HISTORY + HEADERS, "dicom_all"))
"""The tables that have every keyword."""
_TABLE = re.compile(r"Table with name (\S+) does not exist")


ONLY_TABLES = "only the home's own tables and views can be read; docs/reference/warehouse.md lists them"
_LACKING = re.compile(
    r'(?:Table|Values list) "(?P<table>[^"]+)" does not have|does not exist on (?P<side>left|right) side'
)
"""What DuckDB says where one table of several has no such column, by name or, of USING, by its side of the JOIN."""


def refused(
    what: str,
    hint: str = "allowed are SELECT, WITH, FROM, DESCRIBE, SHOW, SUMMARIZE, PIVOT and EXPLAIN",
) -> QueryError:
    """SQL that must not be run."""
    return QueryError(f"the query is not allowed: {what}", reason="query-refused", hint=hint)


def translated(
    error: duckdb.Error, sql: str, connection: duckdb.DuckDBPyConnection, opened: Opened
) -> QueryError | WarehouseDamaged:
    """What to raise for an error of DuckDB's.

    Args:
        sql: the query as it was asked, if that was in DuckDB's language.
    """
    text = str(error)
    line = text.partition("\n")[0].partition("Error: ")[2]
    if isinstance(error, duckdb.PermissionException):
        return refused("it reaches beyond the warehouse", ONLY_TABLES)
    if isinstance(error, ABOUT_SQL):
        if found := _TABLE.search(text):
            return unknown_table(found[1])
        if name := missing_name(text):
            return _unknown_column(name, sql, connection, opened, _LACKING.search(text))
        return QueryError(f"the query cannot be run: {line}")
    if isinstance(error, duckdb.InvalidInputException) and "parameter" in line:
        return QueryError(f"the query cannot be run: {line}", hint="give one value for each ?")
    for kind, (what, hint) in ABOUT_VALUES.items():
        if isinstance(error, kind):
            return QueryError(f"the query failed: {what}", hint=hint)
    from hilum.warehouse.parquet import first_damaged

    if (path := first_damaged(opened.files)) is not None:
        return damaged(path)
    return QueryError(f"the query failed: {type(error).__name__.removesuffix('Exception')}")


def field_without_alias(
    error: duckdb.Error, sql: str, connection: duckdb.DuckDBPyConnection
) -> QueryError | None:
    """The error for a name that is no column, but a field of a sequence that the SQL unnests.

    BigQuery takes it for the field; to answer with an empty column of that name would be a lie.
    """
    name, words = missing_name(str(error)), set(re.findall(r"\w+", sql.lower()))
    if "Referenced column" not in str(error) or "unnest" not in words:
        return None
    for column, type_, *_ in connection.execute(f"DESCRIBE {HEADERS}").fetchall():
        if column.lower() in words and re.search(rf"\b{re.escape(name)}\b", type_, re.I):
            hint = f"of what {column} is unnested as: alias.{name}"
            return QueryError(f"{name} is a field", reason="unknown-column", hint=f"write it as one {hint}")
    return None


def unknown_table(name: str) -> QueryError:
    """The error for a table that there is not, with the nearest names."""
    if name.lower() in ABSENT:
        hint = f"IDC derives it from headers by its own rules; Hilum has {', '.join(IDC_VIEWS)}"
        return QueryError(f"there is no table {name}", reason="unknown-table", hint=hint)
    return unknown("table", name, NAMES)


def _unknown_column(
    name: str,
    sql: str,
    connection: duckdb.DuckDBPyConnection,
    opened: Opened,
    lacking: re.Match[str] | None = None,
) -> QueryError:
    """A keyword is unknown only where a table without headers was asked for it.

    Args:
        lacking: which of several tables has no such column, where DuckDB says so.
    """
    known = _columns(connection, opened)
    if lacking and name.lower() in {column.lower() for column in known}:
        where = lacking["table"] or f"the table on the {lacking['side']} of JOIN"
        others = [column for column in known if column.lower() != name.lower()]
        hint = unknown("column", name, others).hint
        return QueryError(f"{where} has no column {name}", reason="unknown-column", hint=hint)
    if name.lower() in CURATED and HEADERS in opened.tables:
        hint = "IDC's curators add it, no file has it; gcs_url and instance_size are here"
        return QueryError(f"there is no column {name}", reason="unknown-column", hint=hint)
    if canonical(name) and HEADERS not in opened.tables:
        return QueryError(f"there is no column {name}", reason="unknown-column", hint=f"{HEADERS} has it")
    every = keywords() if OPEN.intersection(opened.names) else ()
    error = unknown("column", name, [*known, *every])
    if f'"{name}"' in sql and not error.hint.startswith("did you mean"):
        error.hint = "in GoogleSQL, not in DuckDB's SQL, double quotes hold text: --dialect bigquery"
    return error


def unknown(what: str, name: str, known: Sequence[str]) -> QueryError:
    """The error for a column or table that there is not, with the nearest of those that there are."""
    lowered = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.6)
    hint = f"did you mean {', '.join(lowered[match] for match in close)}?" if close else ""
    if not hint and len(known) <= len(NAMES):
        hint = f"there are {', '.join(sorted(known))}"
    return QueryError(f"there is no {what} {name}", reason=f"unknown-{what}", hint=hint)


def _columns(connection: duckdb.DuckDBPyConnection, opened: Opened) -> list[str]:
    return [row[0] for name in opened.names for row in connection.execute(f"DESCRIBE {name}").fetchall()]
