"""Tables and views as DuckDB is told of them, for each query anew: only what the SQL names, so that opening is quick.

``all_<table>`` is the history, every row that was ever written. ``<table>`` leaves out what was retracted and shows
the newest row of each key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hilum.dicom.columns import Column
from hilum.warehouse.files import listing
from hilum.warehouse.tables import RETRACTIONS, ROW_ID, TABLES, VIEWS, Table

HISTORY = "all_"
NAMES = (*TABLES, *VIEWS, *(HISTORY + name for name in TABLES))

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
    """The statements that create the views, and the files that they read."""

    names: tuple[str, ...]
    statements: tuple[str, ...]
    files: tuple[Path, ...]


def open_views(root: Path, sql: str) -> Opened:
    """The views that ``sql`` names and those below them."""
    words = set(re.findall(r"\w+", sql.lower()))
    named = NAMES if _CATALOGUE.search(sql) else [name for name in NAMES if name in words]
    files = {name: [file.path for file in listing(root / name)[0]] for name in _tables_below(named)}
    statements = []
    for name, paths in files.items():
        statements.append(_create(HISTORY + name, _history(TABLES[name], paths)))
    gone = bool(files[RETRACTIONS])
    statements += [_create(name, _newest(TABLES[name], gone)) for name in files]
    statements += [_create(name, VIEWS[name].sql) for name in named if name in VIEWS]
    return Opened(tuple(named), tuple(statements), tuple(path for paths in files.values() for path in paths))


def literal(text: object) -> str:
    """A string constant of SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def _tables_below(named: Iterable[str]) -> Iterator[str]:
    wanted = {RETRACTIONS}
    for name in named:
        wanted.update(VIEWS[name].needs if name in VIEWS else [name.removeprefix(HISTORY)])
    return (name for name in TABLES if name in wanted)


def _create(name: str, query: str) -> str:
    return f"CREATE VIEW {name} AS {query}"


def _history(table: Table, paths: list[Path]) -> str:
    columns = [f'NULL::{_duck_type(column)} AS "{column.name}"' for column in table.columns]
    columns += [f"NULL::BIGINT AS {name}" for name in ("_batch", "_seq", "_row_key")]
    empty = f"SELECT {', '.join(columns)} WHERE false"
    if not paths:
        return empty
    files = ", ".join(map(literal, paths))
    return f"{empty} UNION ALL BY NAME SELECT * FROM read_parquet([{files}], union_by_name = true)"


def _newest(table: Table, retracted: bool) -> str:
    query = f"SELECT * EXCLUDE (_batch, _seq, _row_key) FROM {HISTORY}{table.name}"
    if retracted and table.name != RETRACTIONS:
        gone = f"SELECT _row_key FROM {HISTORY}{RETRACTIONS} WHERE table_name = {literal(table.name)}"
        query += f" ANTI JOIN ({gone}) USING (_row_key)"
    if table.key:
        # twice the speed of a window function, and a filter on the view reads only what it needs
        key = "_row_key" if table.key == ROW_ID else table.key
        newest = f"SELECT max({_POSITION}) AS _newest FROM {HISTORY}{table.name} GROUP BY {key}"
        query += f" SEMI JOIN ({newest}) ON _newest = {_POSITION}"
    return query


def _duck_type(column: Column) -> str:
    single = _DUCK.get(column.type)
    if single is None:
        fields = ", ".join(f'"{field.name}" {_duck_type(field)}' for field in column.fields)
        single = f"STRUCT({fields})"
    return f"{single}[]" if column.repeated else single
