"""BigQuery's errors about a query in one line, with the names that were probably meant.

What it says of syntax and names comes from the SQL and the schema. What it says of values may quote a patient's, so
of that only the kind is passed on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hilum.warehouse.bigquery.faults import RequestRefused
from hilum.warehouse.interface import QueryError
from hilum.warehouse.query_errors import unknown

_COLUMN = re.compile(r"Unrecognized name: (\w+)|Name (\w+) not found|Field name (\w+) does not exist")
_SYNTAX = re.compile(r"Syntax error: (.*?)(?: at \[(\d+):(\d+)\])?$", re.S)
_FUNCTION = re.compile(r"Function not found: ([\w.]+)|No matching signature for [\w ]+ (\w+)")
_VALUES = {
    r"Bad \w+ value|Could not cast|Invalid .* (?:literal|string)|Failed to parse": (
        "a value cannot be converted as asked",
        "SAFE_CAST gives NULL instead",
    ),
    r"overflow|out of range": ("a number is out of its type's range", "cast it to a wider type"),
    r"[Dd]ivision by zero": ("a number is divided by zero", "SAFE_DIVIDE gives NULL instead"),
    r"parameter|query arguments": (
        "a parameter has no value, or a value no place",
        "give one value for each ?",
    ),
}


def meaning_of(error: RequestRefused, columns: Callable[[], Sequence[str]]) -> QueryError:
    """What to raise for a query that BigQuery does not run.

    Args:
        columns: what could have been meant.
    """
    text = error.message
    if error.reason == "bytesBilledLimitExceeded" or "bytes billed" in text:
        return QueryError(
            "the query reads more bytes than the setting maximum_bytes_billed allows",
            reason="query-too-large",
            hint="select fewer columns, or raise maximum_bytes_billed",
        )
    if found := _COLUMN.search(text):
        return unknown("column", next(filter(None, found.groups())), columns())
    if found := _SYNTAX.search(text):
        place = f" at line {found[2]}, column {found[3]}" if found[2] else ""
        return QueryError(f"the query cannot be run: syntax error{place}")
    if found := _FUNCTION.search(text):
        name = next(filter(None, found.groups()))
        return QueryError(f"the query cannot be run: BigQuery has no function {name} for these arguments")
    for pattern, (what, hint) in _VALUES.items():
        if re.search(pattern, text):
            return QueryError(f"the query failed: {what}", hint=hint)
    return QueryError(f"the query failed: {error.told}")
