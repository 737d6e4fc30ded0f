"""A warehouse of Parquet files into BigQuery, by load jobs: they cost nothing, and the history goes with them.

Every row keeps its batch and place, so a load that is done twice shows nothing twice, and what the ledger writes
afterwards comes after it. The files are read as DuckDB reads them and sent as lines of JSON, since BigQuery takes
records inside lists from Parquet only in a shape that ours does not have.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from typing import Any

from hilum.warehouse.bigquery.warehouse import BigQueryWarehouse
from hilum.warehouse.interface import Warehouse
from hilum.warehouse.output import plain
from hilum.warehouse.tables import TABLES

PART = 20_000
"""Rows of one load job: headers of that many are some 200 MB, and a day has 1,500 jobs a table."""


def backfill(local: Warehouse, cloud: BigQueryWarehouse) -> Iterator[tuple[str, int]]:
    """Load every row of ``local`` into ``cloud``; yields each table's name and rows as they are loaded.

    Raises:
        WarehouseUnavailable: BigQuery did not take them; the same call again goes through all of it.
    """
    for name in TABLES:
        [counted] = local.query(f"SELECT count(*) AS number FROM all_{name}").to_pylist()
        for begin in range(0, counted["number"], PART):
            sql = f"SELECT * EXCLUDE (_row_key) FROM all_{name} ORDER BY _batch, _seq LIMIT {PART} OFFSET {begin}"
            rows = local.query(sql, dialect="duckdb").to_pylist()
            with tempfile.TemporaryFile() as file:
                for row in cloud.fitting(name, [_filled(plain(row)) for row in rows]):
                    file.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
                file.seek(0)
                cloud.load(name, file)
            yield name, len(rows)


def _filled(value: Any) -> Any:
    """Without what is null, which JSON need not say, and which a list of BigQuery's cannot hold."""
    if isinstance(value, dict):
        return {name: _filled(item) for name, item in value.items() if item is not None and item != []}
    if isinstance(value, list):
        return [_filled(item) for item in value if item is not None]
    return value
