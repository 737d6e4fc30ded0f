"""SQL by whoever asks: it may read the warehouse, and do nothing else.

Three fences. Only a single statement that reads is let through: DuckDB says of what kind it is, and no word that
writes, nor a function that reaches beyond the tables, may occur in it (DuckDB lets a CTE hold a COPY). The database
is an empty one in memory that may open files of the warehouse, no others. And its settings are locked.
SQL that was written for BigQuery is translated first, so the fences hold for it as for any other.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from hilum.dicom.columns import Column
from hilum.warehouse.googlesql.macros import creations
from hilum.warehouse.googlesql.marks import dialect_of
from hilum.warehouse.interface import Dialect
from hilum.warehouse.query_errors import ONLY_TABLES, field_without_alias, refused, translated
from hilum.warehouse.sessions import open_session
from hilum.warehouse.tables import HEADERS
from hilum.warehouse.unseen import missing_name, unseen
from hilum.warehouse.views import open_views

if TYPE_CHECKING:
    import pyarrow as pa

TRIES = 5

READING = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
WRITING_WORDS = {"copy", "insert", "update", "delete", "merge"}
TABLE_FUNCTIONS = {"generate_series", "json_each", "json_tree", "range", "repeat", "summary", "unnest"}
"""DuckDB's table functions that see nothing but their arguments."""

_EXPLAIN = re.compile(r"\s*explain\b(\s+analyze\b)?(\s*\([\w\s,]*\))?", re.I)
_PIVOT = re.compile(r"\s*(pivot|with|from|select|summarize|describe)\b", re.I)


def run_query(root: Path, sql: str, parameters: Sequence[Any], dialect: Dialect | None = None) -> pa.Table:
    """Answer one query; see :meth:`hilum.warehouse.interface.Warehouse.query`."""
    asked = sql
    if (dialect or dialect_of(sql)) == "bigquery":
        from hilum.warehouse.googlesql.translate import to_duckdb

        asked, sql = "", to_duckdb(sql)
    tries = TRIES
    added: list[Column] = []
    while True:
        opened = open_views(root, sql, added)
        statements = (*opened.statements, *creations(sql))
        with open_session(root, statements) as session:
            connection = session.connection
            try:
                _check(connection, sql)
                session.create(statements)
                return _plain_integers(_answer(connection, sql, parameters))
            except duckdb.Error as error:
                more = None
                if isinstance(error, duckdb.BinderException) and HEADERS in opened.tables:
                    told = str(error)
                    asked_of = (sql, *opened.ready)
                    more = unseen(missing_name(told), asked_of, added, inside="in struct" in told)
                if more:
                    if (mistake := field_without_alias(error, sql, connection)) is not None:
                        raise mistake from None
                    added = more
                    continue
                # a compaction may have taken a file away: the next listing has its successor
                tries -= 1
                if tries and not all(path.exists() for path in opened.files):
                    continue
                raise translated(error, asked, connection, opened) from None


def _answer(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any]) -> pa.Table:
    with warnings.catch_warnings():
        # a relation would bind the query twice, which costs more, where tables are wide, than to copy the rows
        warnings.filterwarnings("ignore", "Arrow output on a DB-API result", UserWarning)
        found = connection.execute(sql, list(parameters)).to_arrow_table()
    assert found is not None
    return found


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
        raise refused(f"{beyond[0]}() reaches beyond the tables", ONLY_TABLES)
    return None


def _words(sql: str) -> Iterator[tuple[str, bool]]:
    """What the SQL is made of but for constants and comments: text in lower case, and whether it was quoted."""
    text = sql.encode()
    tokens = duckdb.tokenize(sql)
    ends = [start for start, _ in tokens[1:]] + [len(text)]
    for (start, kind), end in zip(tokens, ends, strict=True):
        if kind not in (duckdb.token_type.string_const, duckdb.token_type.comment):
            word = text[start:end].decode().strip().lower()
            yield word.strip('"`'), word.startswith(('"', "`"))


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
