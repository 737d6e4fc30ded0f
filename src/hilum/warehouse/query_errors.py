"""DuckDB's errors in one line, with the names that were probably meant.

What DuckDB says of syntax and names comes from the SQL and the tables' columns. What it says of values may quote a
patient's, so of that only the kind is passed on.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import duckdb

from hilum.warehouse.files import damaged
from hilum.warehouse.interface import QueryError, WarehouseDamaged
from hilum.warehouse.views import NAMES, Opened

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

_TABLE = re.compile(r"Table with name (\S+) does not exist")
_COLUMN = re.compile(r'column "([^"]+)" not found|does not have a column named "([^"]+)"')


def refused(
    what: str, hint: str = "SELECT, WITH, DESCRIBE, SHOW, SUMMARIZE, PIVOT and EXPLAIN are"
) -> QueryError:
    """SQL that must not be run."""
    return QueryError(f"the query is not allowed: {what}", reason="query-refused", hint=hint)


def translated(
    error: duckdb.Error, sql: str, connection: duckdb.DuckDBPyConnection, opened: Opened
) -> QueryError | WarehouseDamaged:
    """What to raise for an error of DuckDB's."""
    text = str(error)
    line = text.partition("\n")[0].partition("Error: ")[2]
    if isinstance(error, duckdb.PermissionException):
        return refused("it reaches beyond the warehouse", "only the tables can be read")
    if found := _TABLE.search(text):
        return _unknown("table", found[1], NAMES)
    if found := _COLUMN.search(text):
        return _unknown("column", found[1] or found[2], _columns(connection, opened))
    if isinstance(error, ABOUT_SQL):
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


def _unknown(what: str, name: str, known: Sequence[str]) -> QueryError:
    lowered = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.6)
    hint = f"did you mean {', '.join(lowered[match] for match in close)}?" if close else ""
    if not hint and len(known) <= len(NAMES):
        hint = f"there are {', '.join(sorted(known))}"
    return QueryError(f"there is no {what} {name}", reason=f"unknown-{what}", hint=hint)


def _columns(connection: duckdb.DuckDBPyConnection, opened: Opened) -> list[str]:
    return [row[0] for name in opened.names for row in connection.execute(f"DESCRIBE {name}").fetchall()]
