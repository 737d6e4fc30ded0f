"""Which language a query is in, told by its looks, in microseconds and without a parser.

Most of SQL is both languages'. A few things only GoogleSQL has, or nobody writes for DuckDB; one of them is enough.
"""

from __future__ import annotations

import re

from hilum.warehouse.interface import Dialect

MARKS: dict[str, str] = {
    "a name in backticks": "`",
    "a dataset of IDC's": r"\bbigquery-public-data\b|\bidc_(?:current|v\d+)\w*\s*\.",
    "OFFSET, SAFE_OFFSET, ORDINAL or SAFE_ORDINAL in brackets": r"\[\s*(?:safe_)?(?:offset|ordinal)\s*\(",
    "WITH OFFSET": r"\bwith\s+offset\b",
    "IN UNNEST": r"\bin\s+unnest\s*\(",
    "SELECT AS STRUCT or AS VALUE": r"\bselect\s+as\s+(?:struct|value)\b",
    "* EXCEPT (columns)": r"\*\s*except\s*\((?!\s*select\b)",
    "INT64, FLOAT64, BIGNUMERIC, STRUCT<...> or ARRAY<...>": r"\b(?:int64|float64|bignumeric)\b"
    r"|\b(?:struct|array)\s*<",
    "a raw string, r'...'": r"\br''",
    "a comment that begins with #": r"^\s*#(?!\d)",
    "SAFE_CAST, SAFE_DIVIDE or SAFE.": r"\bsafe_(?:cast|divide)\s*\(|\bsafe\s*\.\s*\w+\s*\(",
    "PARSE_DATE, FORMAT_DATE and the like": r"\b(?:parse|format)_(?:date|datetime|time|timestamp)\s*\(",
    "DATE_DIFF, DATE_TRUNC and the like with the part last and bare": r"\b(?:date|datetime|time|timestamp)_"
    r"(?:diff|trunc)\s*\([^;]*,\s*(?:iso)?(?:year|quarter|month|week|day|hour|minute|second)(?:\(\w+\))?\s*\)",
    "a function that only GoogleSQL has": r"\b(?:regexp_contains|approx_quantiles|approx_top_count|ieee_divide"
    r"|generate_array|generate_date_array|to_json_string|logical_and|logical_or)\s*\(",
}
"""What is GoogleSQL's alone, in words and as a pattern."""

_QUOTED = re.compile(r"""--[^\n]*|/\*.*?\*/|'[^']*'|"[^"]*\"""", re.S)
_MARK = re.compile("|".join(MARKS.values()), re.I | re.M)


def dialect_of(sql: str) -> Dialect:
    """``bigquery`` where the SQL has a mark of GoogleSQL outside of strings and comments, else ``duckdb``."""
    bare = _QUOTED.sub(lambda found: " " if found[0][0] in "-/" else "''", sql)
    return "bigquery" if _MARK.search(bare) else "duckdb"
