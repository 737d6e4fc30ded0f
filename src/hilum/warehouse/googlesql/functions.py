"""Functions and types that sqlglot leaves as they are although DuckDB means something else by them, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from hilum.warehouse.googlesql.macros import MACROS
from hilum.warehouse.interface import QueryError

Rule = Callable[[Any], exp.Expr | None]

_NUMERIC = exp.DataType.build("DECIMAL(38, 9)", dialect="duckdb")
_CASTS = {"BIGINT": "bq_int64", "TEXT": "bq_string", "VARCHAR": "bq_string"}
_SAFE_CASTS = {"BIGINT": "bq_safe_int64", "TEXT": "bq_string", "VARCHAR": "bq_string", "BOOLEAN": "bq_bool"}
_WEEKS = {"SUNDAY": "%U", "MONDAY": "%W"}
_DATE_ELEMENTS = {
    "%F": "%Y-%m-%d",
    "%T": "%H:%M:%S",
    "%R": "%H:%M",
    "%D": "%m/%d/%y",
    "%E4Y": "%Y",
    "%E*S": "%S.%f",
    "%E6S": "%S.%f",
    "%E3S": "%S.%g",
    "%h": "%b",
    "%e": "%-d",
    "%k": "%-H",
    "%l": "%-I",
    "%n": "\n",
    "%t": "\t",
}
_ELEMENT = re.compile(r"%(?:E\d[YS]|E\*S|-?\w|%)")
_SPECIFIER = re.compile(r"%([-+ 0#']*)(\d*|\*)(\.(?:\d+|\*))?([A-Za-z%])")
_CONVERSIONS = {
    **dict.fromkeys("diouxX", exp.DataType.build("BIGINT")),
    **dict.fromkeys("feEgGF", exp.DataType.build("DOUBLE")),
}


def rewrite(tree: exp.Query) -> None:
    """Replace each function for which there is a rule; arguments before what they are given to."""
    for node in reversed(list(tree.walk())):
        for kind, rule in RULES.items():
            if type(node) is kind and (other := rule(node)) is not None:
                node.replace(other)
                break


def _call(name: str, *arguments: exp.Expr | None) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=[each.copy() for each in arguments if each is not None])


def _cast(node: exp.Cast) -> exp.Expr | None:
    """CAST and SAFE_CAST: text is no whole number unless it looks like one; NUMERIC has nine decimals."""
    kind = node.to.this.name
    if kind in ("DECIMAL", "BIGDECIMAL") and not node.to.expressions:
        return type(node)(this=node.this.copy(), to=_NUMERIC.copy())
    if node.args.get("format"):
        return None
    names = _SAFE_CASTS if isinstance(node, exp.TryCast) else _CASTS
    return _call(names[kind], node.this) if kind in names else None


def _as_date(node: exp.Expr) -> exp.Expr | None:
    """Of a date DuckDB makes a timestamp, GoogleSQL another date."""
    if isinstance(node.parent, exp.Cast):
        return None
    return exp.cast(node.copy(), "DATE")


def _whole_parts(node: exp.TimestampDiff | exp.TimeDiff) -> exp.Expr:
    """How many whole parts lie between, where DuckDB's date_diff counts how many begin."""
    part = exp.Literal.string(node.text("unit"))
    return _call("date_sub", part, node.expression, node.this)


def _timestamp(node: exp.StrToTime) -> exp.Expr:
    """A TIMESTAMP is a moment, in UTC where nothing else is said."""
    _time_format(node)
    return exp.cast(node.copy(), "TIMESTAMPTZ")


def _extract(node: exp.Extract) -> exp.Expr | None:
    """Days of the week from 1, Sunday; weeks from 0, beginning on Sundays."""
    part = node.this.name.upper()
    if isinstance(node.this, exp.WeekStart):
        day = node.this.this.name.upper()
        if day not in _WEEKS:
            raise QueryError(f"EXTRACT of WEEK({day}) is not translated", hint="SUNDAY and MONDAY are")
        return _call("bq_week", node.expression, exp.Literal.string(_WEEKS[day]))
    if part == "DAYOFWEEK":
        return _call("bq_day_of_week", node.expression)
    if part == "WEEK":
        return _call("bq_week", node.expression, exp.Literal.string(_WEEKS["SUNDAY"]))
    if part == "ISOWEEK":
        return exp.Extract(this=exp.var("WEEK"), expression=node.expression.copy())
    if part in ("DATE", "TIME"):
        return exp.cast(node.expression.copy(), part)
    return None


def _format(node: exp.Format) -> exp.Expr | None:
    """FORMAT is C's printf, which DuckDB calls so; each argument is given the type that its place asks for."""
    if not isinstance(node.this, exp.Literal) or not node.this.is_string:
        raise QueryError("FORMAT is translated only with a constant as its first argument")
    arguments = list(node.expressions)
    values: list[exp.Expr] = []

    def place(found: re.Match[str]) -> str:
        flags, width, precision, kind = found.groups(default="")
        if kind == "%":
            return "%%"
        if "*" in (width + precision) or kind not in "diouxXfFeEgGst" or not arguments:
            raise QueryError(f"FORMAT's {found[0]} is not translated", hint="or it has no argument")
        value = arguments.pop(0)
        if kind == "t":
            values.append(exp.func("coalesce", _call("bq_string", value), exp.Literal.string("NULL")))
        elif kind in _CONVERSIONS:
            values.append(exp.cast(value.copy(), _CONVERSIONS[kind].copy()))
        else:
            values.append(exp.cast(value.copy(), "TEXT"))
        letter = {"t": "s", "i": "d", "u": "d", "F": "f"}.get(kind, kind)
        return f"%{flags.replace(chr(39), ',')}{width}{precision}{letter}"

    text = _SPECIFIER.sub(place, node.this.name)
    if arguments:
        raise QueryError("FORMAT has more arguments than places")
    return exp.Anonymous(this="printf", expressions=[exp.Literal.string(text), *values])


def _time_format(node: exp.Expr) -> None:
    """Elements of date formats that DuckDB writes otherwise; in place, for sqlglot goes on with them."""
    text = node.args.get("format")
    if isinstance(text, exp.Literal) and text.is_string:
        changed = _ELEMENT.sub(lambda found: _DATE_ELEMENTS.get(found[0], found[0]), text.name)
        text.replace(exp.Literal.string(changed))
    if isinstance(node.this, exp.TsOrDsToTime):
        # DuckDB formats no times without a date
        node.this.replace(
            exp.cast(exp.Literal.string("1970-01-01"), "DATE") + exp.cast(node.this.this, "TIME")
        )


def _safe(node: exp.SafeFunc) -> exp.Expr | None:
    """SAFE.f(x) is null where f(x) is an error."""
    return _call("try", node.this if isinstance(node.this, exp.Expr) else node.expressions[0])


def _substring(node: exp.Substring) -> exp.Expr | None:
    """Place 0 is place 1."""
    start = node.args.get("start")
    if isinstance(start, exp.Literal) and start.name == "0":
        start.replace(exp.Literal.number(1))
    return None


def _anonymous(node: exp.Anonymous) -> exp.Expr | None:
    own = f"bq_{node.name.lower()}"
    return _call(own, *node.expressions) if own in MACROS else None


def _count_if(node: exp.CountIf) -> exp.Expr | None:
    """None is 0, also where every condition is null."""
    if isinstance(node.this, exp.Distinct):
        return None
    one = exp.Case(ifs=[exp.If(this=node.this.copy(), true=exp.Literal.number(1))])
    return exp.Count(this=one, big_int=True)


def _json_value(node: exp.JSONExtractScalar) -> exp.Expr | None:
    path = node.expression.sql("duckdb").strip("'")
    return _call("bq_json_value", node.this, exp.Literal.string(path))


RULES: dict[type[exp.Expr], Rule] = {
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.DateAdd: _as_date,
    exp.DateSub: _as_date,
    exp.DateTrunc: _as_date,
    exp.Extract: _extract,
    exp.Format: _format,
    exp.TimeToStr: _time_format,
    exp.StrToDate: _time_format,
    exp.StrToTime: _timestamp,
    exp.TimestampDiff: _whole_parts,
    exp.TimeDiff: _whole_parts,
    exp.ParseTime: _time_format,
    exp.ParseDatetime: _time_format,
    exp.SafeFunc: _safe,
    exp.Substring: _substring,
    exp.Anonymous: _anonymous,
    exp.JSONExtractScalar: _json_value,
    exp.CountIf: _count_if,
    exp.ArrayFirst: lambda node: _call("bq_array_first", node.this),
    exp.ArrayLast: lambda node: _call("bq_array_last", node.this),
    exp.ApproxTopK: lambda node: _call("bq_approx_top_count", node.this, node.expression),
}
"""By the kind of node: what takes its place, or None if it stays, changed or not."""
