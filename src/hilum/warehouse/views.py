"""Tables and views as DuckDB is told of them, for each query anew: only what the SQL names, so that opening is quick.

``all_<table>`` is the history, every row that was ever written. ``<table>`` leaves out what was retracted and shows
the newest row of each key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hilum.dicom.columns import Column
from hilum.warehouse.files import DataFile, Replaced, listing, replaced_lists
from hilum.warehouse.googlesql.idc import IDC_VIEWS
from hilum.warehouse.people import PEOPLE
from hilum.warehouse.tables import BOOKS, HEADERS, RETRACTIONS, ROW_ID, TABLES, VIEWS, Table

HISTORY = "all_"
READY = VIEWS | PEOPLE | IDC_VIEWS
DESCRIBED = {each.name: each.description for each in (TABLES | VIEWS | PEOPLE).values()}
"""What a list of tables shows, with what each is; IDC's views are for SQL that was written elsewhere."""
NAMES = (*TABLES, *READY, *(HISTORY + name for name in TABLES))

_POSITION = "(_batch * 4294967296 + _seq)"
_CATALOGUE = re.compile(
    r"\bshow\s+(all\s+)?tables\b|information_schema|duckdb_|pg_catalog|sqlite_master", re.I
)
_DUCK = {
    "STRING": "VARCHAR",
    "INTEGER": "BIGINT",
    "FLOAT": "DOUBLE",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIME": "TIME",
    "TIMESTAMP": "TIMESTAMPTZ",
}


@dataclass(frozen=True, slots=True)
class Opened:
    """What a query needs.

    Attributes:
        names: the tables and views that it names. tables: those tables, and those that the views read.
        statements: what creates the views. files: what they read.
        ready: the queries of the ready-made views among them.
    """

    names: tuple[str, ...]
    tables: tuple[str, ...]
    statements: tuple[str, ...]
    files: tuple[Path, ...]
    ready: tuple[str, ...]


def open_views(root: Path, sql: str, unseen: Sequence[Column] = ()) -> Opened:
    """The views that ``sql`` names and those below them.

    Args:
        unseen: further columns for ``dicom_metadata``, or fields for those that it has; see
            :mod:`hilum.warehouse.unseen`.
    """
    words = set(re.findall(r"\w+", sql.lower()))
    named = NAMES if _CATALOGUE.search(sql) else [name for name in NAMES if name in words]
    # before the files, of which there may be newer ones by then; the other way round, rows could be missing
    lists = {name: next(iter(replaced_lists(root / name)), None) for name in _tables_below(named)}
    live = {name: listing(root / name)[0] for name in lists}
    files = {name: [file.path for file in found] for name, found in live.items()}
    history = {name: _history(TABLES[name], found, unseen) for name, found in live.items()}
    gone = history[RETRACTIONS] if files[RETRACTIONS] else ""
    statements = [
        _create(name, f"SELECT * FROM {history[name.removeprefix(HISTORY)]}")
        for name in named
        if name.startswith(HISTORY)
    ]
    # a view binds what it reads when it is created, so one that nobody named would be paid for
    for name in _shown(named):
        replaced = _replaced(lists[name], live[name], history[name])
        statements.append(_create(name, _newest(TABLES[name], history[name], gone, replaced)))
    ready = tuple(READY[name].sql for name in named if name in READY)
    statements += [_create(name, READY[name].sql) for name in named if name in READY]
    read = tuple(path for paths in files.values() for path in paths)
    read += tuple(found.path for found in lists.values() if found is not None)
    return Opened(tuple(named), tuple(files), tuple(statements), read, ready)


def literal(text: object) -> str:
    """A string constant of SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def _tables_below(named: Iterable[str]) -> Iterator[str]:
    wanted = {RETRACTIONS, *_shown(named), *(name.removeprefix(HISTORY) for name in named)}
    return (name for name in TABLES if name in wanted)


def _shown(named: Iterable[str]) -> list[str]:
    """The tables of which the newest rows are asked for, by their names or through a ready-made view."""
    wanted = {each for name in named for each in (READY[name].needs if name in READY else [name])}
    return [name for name in TABLES if name in wanted]


def _create(name: str, query: str) -> str:
    return f"CREATE OR REPLACE TEMP VIEW {name} AS {query}"


def _history(table: Table, files: Sequence[DataFile], unseen: Sequence[Column]) -> str:
    """A table function or a query in parentheses that gives every row that was ever written."""
    read = []
    for shape in sorted({file.shape for file in files}):
        paths = ", ".join(literal(file.path) for file in files if file.shape == shape)
        read.append(f"read_parquet([{paths}], union_by_name = {not shape})")
    empty = []
    if not files or any(not file.shape.startswith(table.mark) for file in files):
        empty.append(_empty([*table.columns, *(Column(name, "INTEGER") for name in BOOKS)]))
    if unseen and table.name == HEADERS:
        empty.append(_empty(unseen))
    if len(read) == 1 and not empty:  # a query around another costs time, where there are hundreds of columns
        return read[0]
    parts = [*empty[:1], *(f"SELECT * FROM {each}" for each in read), *empty[1:]]
    return f"({' UNION ALL BY NAME '.join(parts)})"


def _empty(columns: Iterable[Column]) -> str:
    typed = (f'NULL::{_duck_type(column)} AS "{column.name}"' for column in columns)
    return f"SELECT {', '.join(typed)} WHERE false"


def _newest(table: Table, history: str, retractions: str, replaced: str) -> str:
    query = f"SELECT * EXCLUDE (_batch, _seq, _row_key) FROM {history}"
    if retractions and table.name != RETRACTIONS:
        gone = f"SELECT _row_key FROM {retractions} WHERE table_name = {literal(table.name)}"
        query += f" ANTI JOIN ({gone}) USING (_row_key)"
    if table.key == ROW_ID and replaced:
        query += f" ANTI JOIN ({replaced}) ON _position = {_POSITION}"
    if table.key and table.key != ROW_ID:
        # twice the speed of a window function, and a filter on the view reads only what it needs
        newest = f"SELECT max({_POSITION}) AS _newest FROM {history} GROUP BY {table.key}"
        query += f" SEMI JOIN ({newest}) ON _newest = {_POSITION}"
    return query


def _replaced(known: Replaced | None, files: Sequence[DataFile], history: str) -> str:
    """A query of the positions of rows that are not the newest of their id, or nothing where there are none: those
    that the list has, and those that rows after it replaced."""
    last = known.last if known else 0
    found = []
    if known and known.count:
        found.append(f"SELECT _position FROM read_parquet({literal(known.path)})")
    if files and files[-1].last > last:
        newer = (
            f"SELECT _row_key, max({_POSITION}) AS _newest FROM {history} WHERE _batch > {last} GROUP BY 1"
        )
        found.append(
            f"SELECT {_POSITION} AS _position FROM {history} JOIN ({newer}) USING (_row_key) "
            f"WHERE {_POSITION} < _newest"
        )
    return " UNION ALL ".join(found)


def _duck_type(column: Column) -> str:
    single = _DUCK.get(column.type)
    if single is None:
        fields = ", ".join(f'"{field.name}" {_duck_type(field)}' for field in column.fields)
        single = f"STRUCT({fields})"
    return f"{single}[]" if column.repeated else single
