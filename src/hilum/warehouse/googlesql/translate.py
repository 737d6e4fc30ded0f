"""GoogleSQL in, DuckDB's SQL out: parse, name our tables, rewrite, write down."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.errors import ParseError, SqlglotError, UnsupportedError

from hilum.warehouse.googlesql import arrays, functions
from hilum.warehouse.interface import QueryError
from hilum.warehouse.query_errors import refused

ALLOWED = "SELECT and WITH are; DECLARE with constants may come before"
INFORMATION_SCHEMA = "INFORMATION_SCHEMA"


def to_duckdb(sql: str) -> str:
    """The same query for DuckDB.

    Raises:
        QueryError: it is no GoogleSQL, it is no query, or it uses what is not translated.
    """
    try:
        tree = _query(_numbered(sql))
        _name_tables(tree)
        arrays.rewrite(tree)
        functions.rewrite(tree)
        _name_columns(tree)
        return tree.sql("duckdb", identify=True, unsupported_level=ErrorLevel.RAISE)
    except ParseError as error:
        found = error.errors[0] if error.errors else {}
        place = f" at line {found['line']}, column {found['col']}" if found.get("line") else ""
        near = f', near "{found["highlight"]}"' if found.get("highlight") else ""
        what = _one_line(str(found.get("description") or error)).partition(" for <class")[0]
        raise QueryError(f"the query is no GoogleSQL{place}{near}: {what}") from None
    except UnsupportedError as error:
        raise QueryError(f"GoogleSQL that is not translated: {_one_line(str(error))}") from None
    except SqlglotError as error:
        raise QueryError(f"the query is no GoogleSQL: {_one_line(str(error))}") from None
    except RecursionError:
        raise QueryError("the query is nested too deeply") from None


def _numbered(sql: str) -> str:
    """Each ``?`` with its number, for what is rewritten may change their order or come twice."""
    if "?" not in sql:
        return sql
    tokens = sqlglot.tokenize(sql, read="bigquery")
    marks = [token for token in tokens if token.token_type.name == "PLACEHOLDER"]
    for number, token in reversed(list(enumerate(marks, 1))):
        sql = f"{sql[: token.start]}@{number}{sql[token.end + 1 :]}"
    return sql


def _query(sql: str) -> exp.Query:
    parsed = sqlglot.parse(sql, read="bigquery")
    statements = [each for each in parsed if each is not None and not isinstance(each, exp.Semicolon)]
    variables: dict[str, exp.Expr] = {}
    while statements and isinstance(first := statements[0], exp.Declare):
        variables.update(_declared(first))
        statements.pop(0)
    for each in statements:
        if not isinstance(each, exp.Query):
            kind = each.this if isinstance(each, exp.Command) else each.key
            raise refused(f"{str(kind).upper()} is no query", ALLOWED)
    if len(statements) != 1:
        raise refused("exactly one statement is taken", ALLOWED)
    tree = cast(exp.Query, statements[0])
    for column in list(tree.find_all(exp.Column)):
        if len(column.parts) == 1 and (value := variables.get(column.name.lower())) is not None:
            column.replace(value.copy())
    return tree


def _one_line(text: str) -> str:
    return re.sub(r"\x1b\[\d*m", "", text).partition("\n")[0].rstrip(". ")


def _declared(declare: exp.Declare) -> Iterator[tuple[str, exp.Expr]]:
    """Variables with their values, which have to be constants."""
    for item in declare.expressions:
        default = item.args.get("default")
        if not default or default.find(exp.Column, exp.Query):
            raise QueryError(
                "a variable needs DEFAULT and a constant", hint="or write the value where it is used"
            )
        names = item.this if isinstance(item.this, list) else [item.this]
        value = exp.cast(default, item.args["kind"]) if item.args.get("kind") else exp.Paren(this=default)
        for name in names:
            yield name.name.lower(), value


def _name_tables(tree: exp.Query) -> None:
    """``project.dataset.table`` becomes our table of that name, by which columns can still be qualified.

    Which project and dataset does not matter: IDC's versions, or a Healthcare API's export of one's own. The schema
    keeps our table apart from a WITH of the same name.
    """
    for table in list(tree.find_all(exp.Table)):
        if not table.db or not isinstance(table.this, exp.Identifier):
            continue
        last = table.name.rpartition(".")[2]
        schema = "information_schema" if INFORMATION_SCHEMA in (*_names(table), _head(table)) else "main"
        if schema != "main" and table.alias and "." in table.alias:
            table.set("alias", None)
        alias = table.alias or last
        for column in tree.find_all(exp.Column):
            if column.args.get("db") and [part.name for part in column.parts[:-1]] == _names(table):
                column.set("db", None)
                column.set("catalog", None)
                column.set("table", exp.to_identifier(alias))
        table.set("catalog", None)
        table.set("db", exp.to_identifier(schema))
        table.set("this", exp.to_identifier(last.lower() if schema != "main" else last))
        table.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))


def _names(table: exp.Table) -> list[str]:
    return [part.name for part in table.parts]


def _head(table: exp.Table) -> str:
    return table.name.partition(".")[0].upper()


def _name_columns(tree: exp.Query) -> None:
    """What has no name of its own is called f0_, f1_ and so on, as in BigQuery."""
    first = tree
    while isinstance(first, exp.SetOperation):
        first = first.left
    if not isinstance(first, exp.Select):
        return
    first.set("kind", None)  # a query of structs shows their fields
    number = 0
    for column in list(first.expressions):
        if not isinstance(column, exp.Alias | exp.Column | exp.Dot | exp.Star):
            column.replace(exp.alias_(column.copy(), f"f{number}_"))
            number += 1
