"""SQL by whoever asks: it may read the warehouse, and do nothing else.

Three fences. Only a single statement that reads is let through: DuckDB says of what kind it is, and no word that
writes, nor a function that reaches beyond the tables, may occur in it (DuckDB lets a CTE hold a COPY). The connection
is an empty database in memory that may open the files of the tables named, no others. And its settings are locked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from hilum.warehouse.files import SPILL
from hilum.warehouse.query_errors import refused, translated
from hilum.warehouse.views import Opened, literal, open_views

if TYPE_CHECKING:
    import pyarrow as pa

TRIES = 5

READING = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
WRITING_WORDS = {"copy", "insert", "update", "delete", "merge"}
TABLE_FUNCTIONS = {"generate_series", "json_each", "json_tree", "range", "repeat", "summary", "unnest"}
"""DuckDB's table functions that see nothing but their arguments."""

_EXPLAIN = re.compile(r"\s*explain\b(\s+analyze\b)?(\s*\([\w\s,]*\))?", re.I)
_PIVOT = re.compile(r"\s*(pivot|with|from|select|summarize|describe)\b", re.I)


def run_query(root: Path, sql: str, parameters: Sequence[Any]) -> pa.Table:
    """Answer one query; see :meth:`hilum.warehouse.interface.Warehouse.query`."""
    for attempt in range(1, TRIES + 1):
        opened = open_views(root, sql)
        with _connect(root, opened) as connection:
            try:
                _check(connection, sql)
                for statement in opened.statements:
                    connection.execute(statement)
                relation = connection.sql(sql, params=list(parameters)) if parameters else connection.sql(sql)
                return _plain_integers(relation.to_arrow_table())
            except duckdb.Error as error:
                # a compaction may have taken a file away: the next listing has its successor
                if attempt < TRIES and not all(path.exists() for path in opened.files):
                    continue
                raise translated(error, sql, connection, opened) from None
    raise AssertionError("the last attempt returns or raises")


def _connect(root: Path, opened: Opened) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            "temp_directory": str(root / f"{SPILL}{os.getpid()}-{os.urandom(4).hex()}"),
        },
    )
    connection.execute(f"SET allowed_paths = [{', '.join(map(literal, opened.files))}]")
    connection.execute("SET parquet_metadata_cache = true")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _check(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise refused("exactly one statement is taken")
    kind = statements[0].type
    if kind == duckdb.StatementType.EXPLAIN:
        explained = _EXPLAIN.match(sql)
        if explained is None:
            raise refused("EXPLAIN must come first")
        return _check(connection, sql[explained.end() :])
    # a PIVOT without IN becomes several statements
    if kind not in READING and not (kind == duckdb.StatementType.MULTI and _PIVOT.match(sql)):
        raise refused(f"{kind.name} is no query")
    functions = set()
    words = list(_words(sql))
    for place, (word, quoted) in enumerate(words):
        if word in WRITING_WORDS and not quoted:
            raise refused(f"{word.upper()} writes", f'a column of this name goes in quotes: "{word}"')
        if place + 1 < len(words) and words[place + 1][0].startswith("("):
            functions.add(word)
    if beyond := sorted((functions - TABLE_FUNCTIONS) & _table_functions()):
        raise refused(f"{beyond[0]}() reaches beyond the tables")
    return None


def _words(sql: str) -> Iterator[tuple[str, bool]]:
    """What the SQL is made of but for constants and comments: text in lower case, and whether it was quoted."""
    text = sql.encode()
    tokens = duckdb.tokenize(sql)
    ends = [start for start, _ in tokens[1:]] + [len(text)]
    for (start, kind), end in zip(tokens, ends, strict=True):
        if kind not in (duckdb.token_type.string_const, duckdb.token_type.comment):
            word = text[start:end].decode().strip().lower()
            yield word.strip('"'), word.startswith('"')


@cache
def _table_functions() -> set[str]:
    with duckdb.connect(":memory:") as connection:
        found = connection.execute(
            "SELECT function_name FROM duckdb_functions() "
            "WHERE function_type IN ('table', 'table_macro', 'pragma')"
        )
        return {name for (name,) in found.fetchall()}


def _plain_integers(rows: pa.Table) -> pa.Table:
    """DuckDB sums integers to 128 bits, which Arrow knows only as decimals; those that fit become int64."""
    import pyarrow as pa

    for place, field in enumerate(rows.schema):
        if field.type == pa.decimal128(38, 0):
            try:
                rows = rows.set_column(place, field.name, rows.column(place).cast(pa.int64()))
            except pa.ArrowInvalid:
                continue
    return rows
