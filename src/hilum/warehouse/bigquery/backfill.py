"""A warehouse of Parquet files into BigQuery, by load jobs: they cost nothing, and the history goes with them.

Every row keeps its batch and place, so a load that is done twice shows nothing twice, and what the ledger writes
afterwards comes after it. The files are read as DuckDB reads them and sent as lines of JSON, since BigQuery takes
records inside lists from Parquet only in a shape that ours does not have.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hilum.errors import UsageError
from hilum.warehouse.bigquery.address import parse_address
from hilum.warehouse.bigquery.warehouse import BigQueryWarehouse
from hilum.warehouse.interface import Warehouse
from hilum.warehouse.output import plain
from hilum.warehouse.tables import TABLES

PART = 20_000
"""Rows of one load job: headers of that many are some 200 MB, and a day has 1,500 jobs a table."""


def from_files(folder: Path, address: str, begun: Callable[[int], None]) -> Iterator[tuple[str, int]]:
    """Load every row of the Parquet files in a folder into the dataset at an address, which is made if need be.

    Args:
        begun: told how many rows there are, once that is known.

    Yields:
        Each table's name and rows as they are loaded.

    Raises:
        UsageError: ``bad-settings``: the address is none; ``nothing-to-load``: there are no such files.
        WarehouseUnavailable: as of :func:`backfill`.
    """
    dataset = parse_address(address)
    if not folder.is_dir():
        raise UsageError(
            f"there are no rows in Parquet at {folder}",
            reason="nothing-to-load",
            hint="--home names the home whose rows are to be loaded",
        )
    from hilum.warehouse.local import LocalWarehouse

    local, cloud = LocalWarehouse(folder), BigQueryWarehouse(dataset)
    try:
        begun(sum(counted(local).values()))
        yield from backfill(local, cloud)
    finally:
        cloud.close()


def counted(local: Warehouse) -> dict[str, int]:
    """How many rows each table has, those included that its view does not show."""
    asked = " UNION ALL ".join(
        f"SELECT '{name}' AS name, count(*) AS number FROM all_{name}" for name in TABLES
    )
    return {row["name"]: row["number"] for row in local.query(asked).to_pylist()}


def backfill(local: Warehouse, cloud: BigQueryWarehouse) -> Iterator[tuple[str, int]]:
    """Load every row of ``local`` into ``cloud``; yields each table's name and rows as they are loaded.

    Raises:
        WarehouseUnavailable: BigQuery did not take them; the same call again goes through all of it.
    """
    for name, number in counted(local).items():
        for begin in range(0, number, PART):
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
