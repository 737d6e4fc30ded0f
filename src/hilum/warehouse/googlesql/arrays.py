"""Arrays and their order: UNNEST, offsets from zero, aggregates that stop at a limit."""

from __future__ import annotations

from sqlglot import exp

from hilum.warehouse.unseen import canonical, is_sequence

_UNNESTED = "_unnested"


def rewrite(tree: exp.Query) -> None:
    """Rewrite the tree in place."""
    selects = list(tree.find_all(exp.Select))
    count = 0
    for select in reversed(selects):  # what is inside comes first
        for join in [select.args.get("from_"), *(select.args.get("joins") or [])]:
            if join is not None and isinstance(join.this, exp.Unnest):
                count += 1
                _unnest(select, join, f"{_UNNESTED}{count}")
    for bracket in list(tree.find_all(exp.Bracket)):
        _count_from_zero(bracket)
    for node in list(tree.find_all(exp.ArrayAgg, exp.GroupConcat, exp.ArrayConcatAgg)):
        _limit(node)


def _unnest(select: exp.Select, join: exp.From | exp.Join, name: str) -> None:
    """``UNNEST(x) AS a WITH OFFSET AS o`` becomes a table ``name`` with the columns a and o, o beginning with 0.

    References to the alias are qualified, for it may be called as a column of another table is. Without an alias,
    the fields of an array of structs are columns.
    """
    unnest = join.this
    given = unnest.args.get("alias")
    alias = given.columns[0].name if given and given.columns else ""
    array = unnest.expressions[0]
    offset = unnest.args.get("offset")
    places = offset.name if isinstance(offset, exp.Identifier) else "offset" if offset else ""
    if alias:
        for column in _references(select, join, alias):
            _qualify(column, name)
    elif not is_sequence(canonical(_last_name(array))):
        alias = "value"
    table = exp.TableAlias(this=exp.to_identifier(name))
    if not alias:
        other: exp.Expr = exp.Subquery(this=_fields(array, places), alias=table)
    elif places:
        other = exp.Lateral(this=exp.Subquery(this=_counted(array, alias, places)), alias=table)
    else:
        table.set("columns", [exp.to_identifier(alias)])
        other = exp.Unnest(expressions=[array.copy()], alias=table)
    join.set("this", other)
    if isinstance(join, exp.Join) and join.side == "LEFT" and not join.args.get("on"):
        join.set("on", exp.true())


def _fields(array: exp.Expr, places: str) -> exp.Select:
    """A row an item, a column a field."""
    depth = exp.PropertyEQ(this=exp.to_identifier("max_depth"), expression=exp.Literal.number(2))
    columns: list[exp.Expr] = [_call("unnest", array, depth)]
    if places:
        numbers = _call("unnest", _call("range", _call("len", array)))
        columns.append(exp.alias_(numbers, places, quoted=True))
    return exp.Select(expressions=columns)


def _counted(array: exp.Expr, alias: str, places: str) -> exp.Select:
    """A row an item, with its place; DuckDB's ordinality begins with 1."""
    unnest = exp.Unnest(
        expressions=[array.copy()],
        alias=exp.TableAlias(this=exp.to_identifier("_counted"), columns=[exp.to_identifier(alias)]),
        offset=exp.to_identifier(places),
    )
    from_zero = exp.alias_(exp.column(places, quoted=True) - 1, places, quoted=True)
    return exp.Select(expressions=[exp.column(alias, quoted=True), from_zero]).from_(unnest)


def _references(select: exp.Select, join: exp.From | exp.Join, alias: str) -> list[exp.Column]:
    """The columns of this SELECT that begin with the alias: neither in WITH nor before it in the FROM clause."""
    before: set[int] = set()
    for each in [select.args.get("with_"), select.args.get("from_"), *(select.args.get("joins") or [])]:
        if each is not None:
            part = each.this if each is join else each
            before.update(id(node) for node in part.walk())
        if each is join:
            break
    named = {each.alias.lower() for each in select.expressions if isinstance(each, exp.Alias)}
    found = []
    for column in select.find_all(exp.Column):
        if id(column) in before or column.parts[0].name.lower() != alias.lower():
            continue
        ordered = column.find_ancestor(exp.Order, exp.Select)
        of_the_select = isinstance(ordered, exp.Order) and ordered.parent is select
        if not (of_the_select and len(column.parts) == 1 and alias.lower() in named):
            found.append(column)
    return found


def _qualify(column: exp.Column, table: str) -> None:
    """``a.b.c`` becomes ``table.a.b.c``."""
    head, *fields = (part.copy() for part in column.parts)
    whole: exp.Expr = exp.Column(this=head, table=exp.to_identifier(table))
    star = isinstance(column.this, exp.Star)
    for field in fields[: -1 if star else None]:
        whole = exp.Dot(this=whole, expression=field)
    column.replace(exp.Dot(this=whole, expression=exp.Star(**column.this.args)) if star else whole)


def _last_name(node: exp.Expr) -> str:
    while isinstance(node, exp.Bracket | exp.Paren):
        node = node.this
    if isinstance(node, exp.Dot):
        return str(node.expression.name)
    return str(node.name) if isinstance(node, exp.Column) else ""


def _count_from_zero(bracket: exp.Bracket) -> None:
    """DuckDB counts from 1; sqlglot knows that, but only of constants."""
    if len(bracket.expressions) != 1 or bracket.args.get("offset"):
        return
    [index] = bracket.expressions
    if not isinstance(index, exp.Literal | exp.Slice):
        bracket.set("expressions", [exp.paren(index.copy()) + 1])
        bracket.set("offset", 1)


def _limit(node: exp.AggFunc) -> None:
    """An aggregate with IGNORE NULLS or LIMIT: DuckDB filters its rows, and cuts the array."""
    ignore = isinstance(node.parent, exp.IgnoreNulls)
    outer = node.parent if ignore or isinstance(node.parent, exp.RespectNulls) else node
    assert outer is not None
    inside, limit = node.this, None
    if isinstance(inside, exp.Limit):
        inside, limit = inside.this, inside.expression
    if limit is None and not ignore:
        outer.replace(node.copy())
        return
    value = inside
    while isinstance(value, exp.Order | exp.Distinct):
        value = value.this if isinstance(value, exp.Order) else value.expressions[0]
    text = isinstance(node, exp.GroupConcat)
    aggregate: exp.Expr = exp.ArrayAgg(this=inside.copy())
    if ignore or text:
        known = exp.Not(this=exp.Is(this=value.copy(), expression=exp.null()))
        aggregate = exp.Filter(this=aggregate, expression=exp.Where(this=known))
    if limit is not None:
        aggregate = _call("list_slice", aggregate, exp.Literal.number(1), limit)
    if isinstance(node, exp.ArrayConcatAgg):
        aggregate = _call("flatten", aggregate)
    if text:
        aggregate = _call("array_to_string", aggregate, node.args.get("separator") or exp.Literal.string(","))
    outer.replace(aggregate)


def _call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=[each.copy() for each in arguments])
