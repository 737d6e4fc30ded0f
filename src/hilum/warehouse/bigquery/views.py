"""Views in GoogleSQL, with the names that the local warehouse's views have.

``all_<table>`` is the history: each row once, however often it was sent. ``<table>`` leaves out what was retracted
and shows the newest row of each key. The ready-made views are the local ones' SQL, translated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hilum.kernel.digest import digest_bytes
from hilum.warehouse.bigquery.address import Dataset
from hilum.warehouse.bigquery.schema import physical
from hilum.warehouse.bigquery.sql import placed, to_googlesql
from hilum.warehouse.tables import BATCH, RETRACTIONS, ROW_ID, SEQ, TABLES, Table
from hilum.warehouse.views import HISTORY, READY

DEPTH = {"segmentations": 2}
"""Records inside one another that a ready-made view goes into."""
NEWEST_FIRST = f"{BATCH} DESC, {SEQ} DESC"


@dataclass(frozen=True, slots=True)
class CloudView:
    """A view as it is made in BigQuery."""

    name: str
    description: str
    query: str

    @property
    def mark(self) -> str:
        """A digest of the query; another version of Hilum may have another one."""
        return digest_bytes(self.query.encode())[:8]

    @property
    def resource(self) -> dict[str, Any]:
        """What tables.insert takes, its reference aside."""
        return {
            "description": self.description,
            "view": {"query": self.query, "useLegacySql": False},
            "labels": {"hilum": self.mark},
        }


def views(dataset: Dataset) -> Iterator[CloudView]:
    """All views, in an order in which they can be made."""
    for table in TABLES.values():
        text = f"every row of {table.name} that was ever written"
        yield CloudView(HISTORY + table.name, text, history(table, dataset))
    for table in TABLES.values():
        yield CloudView(table.name, table.description, newest(table, dataset))
    for view in READY.values():
        if DEPTH.get(view.name, 0) <= dataset.nesting:
            yield CloudView(view.name, view.description, placed(to_googlesql(view.sql), dataset))


def history(table: Table, dataset: Dataset) -> str:
    """The rows, each once: a row that was sent twice has the same batch and place both times."""
    return (
        f"SELECT * FROM {_rows(table, dataset)} WHERE TRUE "
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {BATCH}, {SEQ}) = 1"
    )


def newest(table: Table, dataset: Dataset) -> str:
    """The newest row of each key, unless it was retracted."""
    where = "TRUE"
    if table.name != RETRACTIONS:
        gone = f"SELECT row_id FROM {_rows(TABLES[RETRACTIONS], dataset)} WHERE table_name = '{table.name}'"
        where = f"{ROW_ID} NOT IN ({gone})"
    key = table.key or f"{BATCH}, {SEQ}"
    return (
        f"SELECT * EXCEPT ({BATCH}, {SEQ}) FROM {_rows(table, dataset)} WHERE {where} "
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {NEWEST_FIRST}) = 1"
    )


def _rows(table: Table, dataset: Dataset) -> str:
    return f"`{dataset.path}.{physical(table.name)}`"
