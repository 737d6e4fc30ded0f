"""What is asked, as BigQuery is asked it: DuckDB's language translated, GoogleSQL left as it is, but for the tables.

Whatever project and dataset a query names, a table of the warehouse's name means the warehouse's, as it does locally;
so queries that were written for Imaging Data Commons are about one's own images.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError

from hilum.warehouse.bigquery.address import Dataset
from hilum.warehouse.interface import QueryError
from hilum.warehouse.query_errors import OPEN, refused, unknown_table
from hilum.warehouse.views import NAMES

_KNOWN = {name.lower(): name for name in NAMES}
_SCHEMA = "information_schema"


def to_googlesql(sql: str) -> str:
    """A query in DuckDB's language as GoogleSQL, where that is possible.

    Raises:
        QueryError: it is no query, or sqlglot has no translation.
    """
    tree = _parsed(sql, "duckdb")
    for node in reversed(list(tree.walk())):
        rule = _RULES.get(type(node))
        other = rule(node) if rule else None
        if other is not None:
            node.replace(other)
    try:
        return tree.sql("bigquery", unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise QueryError(
            f"SQL that is not translated: {_first_line(error)}", hint="write it in GoogleSQL"
        ) from None


def placed(sql: str, dataset: Dataset, selected: str = "") -> str:
    """GoogleSQL with each of the warehouse's tables in its dataset; nothing else is touched.

    Args:
        selected: what is to be selected of tables that have every keyword, instead of being read as they are.

    Raises:
        QueryError: it is no query, or it reads a table that is not the warehouse's.
    """
    tree = _parsed(sql, "bigquery")
    ours = {each.alias_or_name.lower() for each in tree.find_all(exp.CTE)}
    edits: list[tuple[int, int, str]] = []
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            continue
        edits += _edits(table, dataset, ours, selected)
    for start, end, text in sorted(edits, reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def _edits(
    table: exp.Table, dataset: Dataset, ours: set[str], selected: str
) -> Iterator[tuple[int, int, str]]:
    parts = list(table.parts)
    name = table.name.rpartition(".")[2] if table.meta.get("quoted_table") else table.name
    start = min(part.meta["start"] for part in parts)
    end = max(part.meta["end"] for part in parts) + 1
    words = [word.lower() for part in parts for word in part.name.split(".")]
    if len(parts) == 1 and name.lower() in ours:
        return
    if _SCHEMA in words:
        yield start, end, f"`{dataset.project}`.`{dataset.name}`.INFORMATION_SCHEMA.{words[-1].upper()}"
        return
    known = _KNOWN.get(name.lower())
    if known is None:
        if len(parts) > 1 and _is_path(table):
            return
        raise unknown_table(name)
    path = f"`{dataset.path}.{known}`"
    if selected and known in OPEN:
        path = f"(SELECT {selected} FROM {path})"
    yield start, end, path + ("" if table.args.get("alias") else f" AS {name}")


def _is_path(table: exp.Table) -> bool:
    """Whether it is no table but a list inside one that comes before it: ``FROM t, t.list``."""
    select = table.find_ancestor(exp.Select)
    if select is None:
        return False
    first = table.parts[0].name.lower()
    return any(
        each is not table and each.alias_or_name.lower() == first
        for each in select.find_all(exp.Table, exp.Unnest, exp.Subquery)
    )


def _parsed(sql: str, language: str) -> exp.Query:
    try:
        found = [each for each in sqlglot.parse(sql, read=language) if each is not None]
    except SqlglotError as error:
        what = "GoogleSQL" if language == "bigquery" else "SQL"
        raise QueryError(f"the query is no {what}: {_first_line(error)}") from None
    except RecursionError:
        raise QueryError("the query is nested too deeply") from None
    statements = [each for each in found if not isinstance(each, exp.Semicolon | exp.Declare)]
    queries = [each for each in statements if isinstance(each, exp.Query)]
    for each in statements:
        if not isinstance(each, exp.Query):
            raise refused(f"{_kind(each)} is no query", "SELECT and WITH are")
    if len(queries) != 1:
        raise refused("exactly one statement is taken", "SELECT and WITH are")
    return queries[0]


def _kind(node: exp.Expr) -> str:
    return str(node.this if isinstance(node, exp.Command) else node.key).upper()


def _first_line(error: Exception) -> str:
    found = getattr(error, "errors", None)
    text = found[0].get("description") if found else str(error)
    return re.sub(r"\x1b\[\d*m", "", text or "").partition("\n")[0].rstrip(". ").partition(" for <class")[0]


# --- what sqlglot leaves as DuckDB's


def _list_index(node: exp.Bracket) -> exp.Expr | None:
    """Beyond the end of a list is null there, an error in BigQuery."""
    if len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Literal):
        node.set("safe", True)
        node.set("offset", 0)
    return None


def _in_list(node: exp.In) -> exp.Expr | None:
    """``x IN (SELECT unnest(list))``; a subquery there may not name a parameter without a type."""
    query = node.args.get("query")
    inner = query.unnest() if query is not None else None
    if not isinstance(inner, exp.Select) or inner.args.get("from_") or len(inner.expressions) != 1:
        return None
    given = inner.expressions[0]
    if not isinstance(given, exp.Explode | exp.Unnest):
        return None
    values = given.this if isinstance(given, exp.Explode) else given.expressions[0]
    while isinstance(values, exp.Cast):
        values = values.this
    return exp.In(this=node.this.copy(), unnest=exp.Unnest(expressions=[values.copy()]))


def _any_value(node: exp.IgnoreNulls) -> exp.Expr | None:
    """ANY_VALUE leaves nulls out anyway, and does not like to be told."""
    return node.this.copy() if isinstance(node.this, exp.AnyValue) else None


def _gathered(node: exp.ArrayAgg) -> exp.Expr | None:
    """A list with a null in it cannot leave BigQuery."""
    return None if isinstance(node.parent, exp.IgnoreNulls) else exp.IgnoreNulls(this=node.copy())


def _sorted(node: exp.ArraySort) -> exp.Expr | None:
    """A list is sorted there as it is gathered."""
    gathered = node.this.this if isinstance(node.this, exp.IgnoreNulls) else None
    if not isinstance(gathered, exp.ArrayAgg):
        return None
    values = gathered.this
    value = values.expressions[0] if isinstance(values, exp.Distinct) else values
    by = exp.Ordered(this=value.copy(), nulls_first=True)  # there are none, so it need not be said
    return exp.IgnoreNulls(this=exp.ArrayAgg(this=exp.Order(this=values.copy(), expressions=[by])))


def _time_between(node: exp.DateDiff) -> exp.Expr | None:
    """Whole days are between dates, anything smaller between moments, which have a function of their own."""
    unit = node.args.get("unit")
    if unit is None or unit.name.upper() not in _PARTS_OF_A_DAY:
        return None
    return exp.TimestampDiff(this=node.this.copy(), expression=node.expression.copy(), unit=unit.copy())


def _order_by_all(node: exp.Order) -> exp.Expr | None:
    """``ORDER BY ALL`` is by each column in turn, and nothing there."""
    select, by = node.parent, node.expressions[0]
    if not isinstance(select, exp.Select) or select.is_star or by.this.name.upper() != "ALL":
        return None
    columns = []
    for place in range(1, len(select.expressions) + 1):
        column = by.copy()
        column.set("this", exp.Literal.number(place))
        columns.append(column)
    return exp.Order(expressions=columns)


_PARTS_OF_A_DAY = frozenset(("HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND"))
_RULES: dict[type[exp.Expr], Callable[[Any], exp.Expr | None]] = {
    exp.ArraySort: _sorted,
    exp.DateDiff: _time_between,
    exp.Bracket: _list_index,
    exp.In: _in_list,
    exp.IgnoreNulls: _any_value,
    exp.Order: _order_by_all,
    exp.ArrayAgg: _gathered,
}
