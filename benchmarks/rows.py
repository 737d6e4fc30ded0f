"""Header rows to Arrow: by Arrow's JSON reader from text, which the warehouse does, or array by array from Python
values.

The second way is measured twice: from text, as rows come out of the ledger, and from values that are there already,
as if nothing had ever been text. Rows are of CT and MR headers, all columns; both ways give the same table.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from benchmarks.lines import header_lines
from hilum.dicom.columns import Column, columns_of
from hilum.warehouse.headers import HeaderReader
from hilum.warehouse.schemas import arrow_type
from hilum.warehouse.tables import HEADERS, TABLES

TABLE = TABLES[HEADERS]


def direct(rows: list[dict[str, Any]]) -> pa.Table:
    """Arrays from Python values."""
    return pa.table({column.name: _array(column, rows) for column in columns_of(rows, TABLE.columns)})


def _array(column: Column, rows: Iterable[Mapping[str, Any]]) -> pa.Array[Any]:
    values = [row.get(column.name) for row in rows]
    if column.type == "TIMESTAMP" and not column.repeated:
        values = [None if value is None else datetime.fromisoformat(value) for value in values]
    return pa.array(values, arrow_type(column))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one batch, to see that it works")
    batches, rounds = (1, 1) if parser.parse_args().quick else (8, 3)
    lines = list(header_lines(1000 * batches, 1000))
    values = [[json.loads(line) for line in batch.splitlines()] for batch in lines]
    reader = HeaderReader(TABLE)
    read = [reader.read(batch) for batch in lines]
    for one, other in zip(read, map(direct, values), strict=True):
        assert one.select(sorted(one.column_names)).num_rows == other.num_rows
        assert one.column("SOPInstanceUID").equals(other.column("SOPInstanceUID"))
        assert set(one.column_names) <= set(other.column_names)
    size = sum(map(len, lines)) // (1000 * batches)
    print(f"{1000 * batches:,} rows of {size:,} bytes, {read[0].num_columns} columns")
    found = {
        "Arrow's JSON reader, columns known": rate(reader.read, lines, rounds),
        "the same, columns learnt from each batch": rate(
            lambda batch: HeaderReader(TABLE).read(batch), lines, rounds
        ),
        "arrays, from values": rate(direct, values, rounds),
        "arrays, from text": rate(
            lambda batch: direct([json.loads(line) for line in batch.splitlines()]), lines, rounds
        ),
    }
    for name, each in found.items():
        print(f"{name:<44}{each:>10,.0f} rows/s")


def rate(work: Callable[[Any], pa.Table], batches: list[Any], rounds: int) -> float:
    """Rows a second, the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        rows = sum(work(batch).num_rows for batch in batches)
        best = min(best, time.perf_counter() - start)
    return rows / best


if __name__ == "__main__":
    main()
