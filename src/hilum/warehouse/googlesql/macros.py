"""GoogleSQL's functions that DuckDB has not, or has with another meaning, as DuckDB's macros.

A macro is created only for a query that calls it. Names begin with ``bq_`` so that none hides one of DuckDB's.
"""

from __future__ import annotations

from collections.abc import Iterator

_FLOATS = "typeof(x) IN ('DOUBLE', 'FLOAT')"
_WHOLE = r"regexp_full_match(trim(CAST(x AS VARCHAR)), '[+-]?(\d+|0[xX][0-9a-fA-F]+)')"

MACROS: dict[str, str] = {
    # text must be a whole number ('1.5' is none), and floating point is rounded half away from zero
    "bq_safe_int64": "(x) AS CASE"
    f" WHEN typeof(x) = 'VARCHAR' THEN CASE WHEN {_WHOLE} THEN TRY_CAST(x AS BIGINT) END"
    f" WHEN {_FLOATS} THEN TRY_CAST(round(TRY_CAST(x AS DOUBLE)) AS BIGINT)"
    " ELSE TRY_CAST(x AS BIGINT) END",
    "bq_int64": "(x) AS CASE"
    f" WHEN typeof(x) = 'VARCHAR' AND NOT {_WHOLE} THEN CAST('not a whole number' AS BIGINT)"
    f" WHEN {_FLOATS} THEN CAST(round(TRY_CAST(x AS DOUBLE)) AS BIGINT)"
    " ELSE CAST(x AS BIGINT) END",
    # 2.0 is '2' there; a time has no zeros at its end
    "bq_string": "(x) AS CASE"
    f" WHEN {_FLOATS} THEN regexp_replace(CAST(x AS VARCHAR), '\\.0$', '')"
    " WHEN typeof(x) LIKE 'DECIMAL%' THEN regexp_replace(CAST(x AS VARCHAR), '(\\.\\d*[1-9])0+$|\\.0+$', '\\1')"
    " ELSE CAST(x AS VARCHAR) END",
    "bq_bool": "(x) AS CASE WHEN typeof(x) = 'VARCHAR' AND NOT lower(CAST(x AS VARCHAR)) IN ('true', 'false')"
    " THEN NULL ELSE TRY_CAST(x AS BOOLEAN) END",
    "bq_approx_top_count": "(x, n) AS list_transform(list_sort(list_transform(map_entries(histogram(x)),"
    " lambda e: {'count': CAST(e.value AS BIGINT), 'value': e.key}), 'DESC')[:n],"
    " lambda e: {'value': e.value, 'count': e.count})",
    "bq_ieee_divide": "(x, y) AS CAST(x AS DOUBLE) / CAST(y AS DOUBLE)",
    "bq_array_first": "(x) AS x[1]",
    "bq_array_last": "(x) AS x[-1]",
    "bq_day_of_week": "(x) AS extract(dayofweek FROM x) + 1",
    "bq_week": "(x, first) AS CAST(strftime(x, first) AS BIGINT)",
    "bq_json_value": "(x, path) AS x ->> path",
}
"""What follows the name in CREATE MACRO."""


def creations(sql: str) -> Iterator[str]:
    """The statements that create the macros which ``sql`` calls."""
    lowered = sql.lower()
    return (f"CREATE OR REPLACE TEMP MACRO {name}{rest}" for name, rest in MACROS.items() if name in lowered)
