"""Columns that no header has had so far, for queries that name them: typed as the data dictionary says, and empty.

There are five thousand keywords and a table cannot show them all, so it shows what headers had. When DuckDB finds
a name missing, and the name is a keyword, the column is added and the query tried again. Inside sequences it takes
more: which keyword is asked for inside which sequence is read from the SQL itself, through its aliases.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from hilum.dicom.columns import OTHER_ELEMENTS, Column, column_of
from hilum.dicom.standard.keywords import keywords, lookup
from hilum.warehouse.interface import Dialect

if TYPE_CHECKING:
    from sqlglot import exp

MISSING = re.compile(
    r'(?:[Cc]olumn "(?P<column>[^"]+)" (?:not found|in (?:EXCLUDE|REPLACE|RENAME) list|does not exist on'
    r"|referenced that exists in the SELECT clause)"
    r'|does not have a column named "(?P<of_table>[^"]+)"'
    r'|Referenced table "(?P<table>[^"]+)" not found'
    r'|Could not find key "(?P<key>[^"]+)" in struct)'
)
"""What DuckDB says of a name that it cannot find; what comes before a dot it takes for a table."""

_WORD = re.compile(r'(\.|\bas\s)?\s*"?(\w+)"?', re.I)

DEEPEST = 16
MOST = 5_000
"""Sequences inside one another that SQL may ask for, and how many; aliases can name themselves in a circle."""

_ITEM = Column(OTHER_ELEMENTS, "RECORD", True, (Column("Tag", "STRING"), Column("Data", "STRING", True)))
"""What any item may have: the field of a sequence of which SQL names none."""

Path = tuple[str, ...]
_UNNAMED = ""
"""The alias of what is unnested without one: its fields are columns then."""


def missing_name(message: str) -> str:
    """The name that DuckDB could not find, empty if the error is about something else."""
    found = MISSING.search(message)
    name = next(filter(None, found.groups()), "") if found else ""
    return next(filter(canonical, name.split(".")), name)


def unseen(
    name: str,
    statements: Sequence[str],
    known: Iterable[Column],
    *,
    inside: bool,
    language: Dialect = "duckdb",
) -> list[Column] | None:
    """The columns to add so that a query may run that failed for want of ``name``; None if none would help.

    Args:
        statements: the query and the views that it reads.
        known: columns that were added before, for the same query.
        inside: the name was looked for inside a record.
        language: that of the statements.
    """
    keyword = _keywords().get(name.lower())
    have = {column.name: column for column in known}
    if keyword is None:
        return None
    if not is_sequence(keyword) and not inside:
        column = column_of(keyword)
        if column is None or keyword in have:
            return None
        return list(({keyword: column} | _bare(statements[0]) | have).values())
    grown = have | {column.name: column for column in _named(statements, language)}
    if is_sequence(keyword) and keyword not in grown:
        grown[keyword] = Column(keyword, "RECORD", True, (_ITEM,))
    return None if grown == have else list(grown.values())


def canonical(name: str) -> str:
    """The keyword that is written so but for upper and lower case; empty if there is none."""
    return _keywords().get(name.lower(), "")


@cache
def _keywords() -> dict[str, str]:
    return {keyword.lower(): keyword for keyword in keywords()}


def is_sequence(keyword: str) -> bool:
    element = lookup(keyword)
    return element is not None and element.vr == "SQ" and not element.repeating


def _bare(sql: str) -> dict[str, Column]:
    """Columns that are named by their keyword and nothing else, so that one try is enough for all of them."""
    bare: set[str] = set()
    aside: set[str] = set()
    for prefix, word in _WORD.findall(sql):
        (aside if prefix else bare).add(canonical(word))
    if "unnest" in sql.lower():
        return {}  # they may be fields
    named = {keyword: column_of(keyword) for keyword in bare - aside if keyword and not is_sequence(keyword)}
    return {keyword: column for keyword, column in named.items() if column is not None}


def _named(statements: Iterable[str], language: Dialect) -> Iterator[Column]:
    """The columns that the statements go into: sequences with what they name inside them, and person names."""
    tree: dict[str, Any] = {}
    for path in _paths(statements, language):
        node = tree
        for keyword in path:
            node = node.setdefault(keyword, {})
    for keyword, inside in tree.items():
        if (column := _column(keyword, inside)) and column.type == "RECORD":
            yield column


def _column(keyword: str, inside: dict[str, Any]) -> Column | None:
    column = column_of(keyword)
    if column is None or not is_sequence(keyword):
        return column
    fields = [field for name, deeper in inside.items() if (field := _column(name, deeper))]
    return Column(keyword, "RECORD", True, tuple(fields) or (_ITEM,))


def _paths(statements: Iterable[str], language: Dialect) -> set[Path]:
    """Keywords inside one another, as the statements ask for them, such as ``("SegmentSequence", "SegmentNumber")``.

    An alias stands for what it was given to. Where the same one is given twice it stands for both: a field too many
    is harmless.
    """
    import sqlglot
    from sqlglot import exp

    nodes: list[exp.Expr] = []
    given: list[tuple[str, exp.Expr]] = []
    for statement in statements:
        try:
            tree = sqlglot.parse_one(statement, read=language)
        except sqlglot.errors.SqlglotError:
            continue
        nodes += tree.find_all(exp.Column, exp.Dot, exp.Bracket)
        given += [(alias.alias.lower(), alias.this) for alias in tree.find_all(exp.Alias)]
        given += [(_UNNAMED, each.this) for each in tree.find_all(exp.Explode)]
        for unnest in tree.find_all(exp.Unnest):
            names = unnest.args["alias"].columns if unnest.args.get("alias") else ()
            name = names[0].name.lower() if names else _UNNAMED
            given += [(name, each) for each in unnest.expressions]
    aliases: dict[str, set[Path]] = {name: set() for name, _ in given}
    while True:
        before = sum(map(len, aliases.values()))
        for name, node in given:
            aliases[name] |= _of(node, aliases)
        if not before < sum(map(len, aliases.values())) < MOST:
            break
    found = {path for node in nodes for path in _of(node, aliases)}
    fields = {path[0] for path in found if len(path) == 1}
    return found | {(*path, field) for path in aliases.get(_UNNAMED, ()) for field in fields}


def _of(node: exp.Expr, aliases: dict[str, set[Path]]) -> set[Path]:
    """The paths of an expression; none if it is no column, or nothing inside one."""
    from sqlglot import exp

    names: list[str] = []
    while not isinstance(node, exp.Column):
        if isinstance(node, exp.Dot):
            names.insert(0, node.expression.name)
            node = node.this
        elif isinstance(node, exp.Bracket | exp.Paren | exp.Explode):
            node = node.this
        else:
            return set()
    names = [*(part.name for part in node.parts), *names]
    while names and not (names[0].lower() in aliases or canonical(names[0])):
        names.pop(0)  # the table
    if not names:
        return set()
    begin = set(aliases.get(names[0].lower(), ()))
    if own := canonical(names[0]):
        begin.add((own,))
    # person names and repeating groups have fields that are no keywords
    inside = tuple(takewhile(bool, map(canonical, names[1:])))
    return {path for each in begin if len(path := (*each, *inside)) < DEEPEST}
