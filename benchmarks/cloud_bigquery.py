"""Rows into BigQuery's emulator: through Hilum's warehouse, and by ``insert_rows_json`` one batch at a time.

``PYTHONPATH=tests python -m benchmarks.cloud_bigquery [--quick]``. Hilum's rows pass through a proxy written in
Python that gives the emulator its default stream (tests/beds/bigquery_door.py); those of ``insert_rows_json`` go to
the emulator without it. Two batches are compared: what one task leaves, sent when it is done, and 500 rows, which
Google recommends. Ours encodes many times more rows a second than either gives here, so with 500 a request the
emulator is likely what is measured; bytes on the way are what holds for BigQuery as well.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from beds.bigquery import PROJECT, Served, built
from hilum.warehouse.bigquery.address import parse_address
from hilum.warehouse.bigquery.warehouse import BigQueryWarehouse

ROWS = 2_000 if "--quick" in sys.argv else 10_000
ROUNDS = 1 if "--quick" in sys.argv else 3
BATCHES = (20, 500)
"""Rows of a request of insert_rows_json: of one task, and what Google's documentation recommends at most."""
OURS = 2_000
"""Rows of one batch of the outbox."""
TABLE = "measurements"


def measurements(begin: int, count: int) -> list[dict[str, Any]]:
    """Rows as a step gives them."""
    return [
        {
            "_row_id": f"m-{number}",
            "_recorded_at": "2026-01-01T00:00:00+00:00",
            "measurement_id": f"m-{number}",
            "task_key": f"{number:064x}",
            "step": "lungs",
            "name": "volume",
            "value": number / 7,
            "concept_code": "118565006",
            "concept_scheme": "SCT",
            "concept_meaning": "Volume",
            "unit": "mL",
            "region": "left",
            "instances": [f"1.2.{number}.{place}" for place in range(3)],
        }
        for number in range(begin, begin + count)
    ]


def seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print rows a second of both, taken in turns, and how often ours is faster."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    program = built()
    assert program is not None, "Go is needed to build the emulator"
    served = Served(program)
    os.environ["BIGQUERY_EMULATOR_HOST"] = served.server.host
    anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
    client = bigquery.Client(project=PROJECT, credentials=anonymous)
    os.environ["BIGQUERY_EMULATOR_HOST"] = served.door.host
    os.environ["BIGQUERY_EMULATOR_GRPC"] = served.door.grpc
    dataset = parse_address(served.address())
    warehouse = BigQueryWarehouse(dataset)
    warehouse.append(1, {TABLE: measurements(0, 1)})  # makes the tables and the connection
    client.insert_rows_json(f"{dataset.path}.{TABLE}_rows", measurements(1, 1))
    batch, ours = 1, []
    theirs: dict[int, list[float]] = {size: [] for size in BATCHES}
    for round_ in range(ROUNDS):
        rows = measurements(round_ * ROWS, ROWS)

        def through_hilum(rows: list[dict[str, Any]] = rows) -> None:
            nonlocal batch
            for place in range(0, ROWS, OURS):
                batch += 1
                warehouse.append(batch, {TABLE: rows[place : place + OURS]})

        ours.append(ROWS / seconds(through_hilum))
        for size in BATCHES:

            def by_json(rows: list[dict[str, Any]] = rows, size: int = size) -> None:
                for place in range(0, ROWS, size):
                    errors = client.insert_rows_json(
                        f"{dataset.path}.{TABLE}_rows", rows[place : place + size]
                    )
                    assert not errors, errors

            theirs[size].append(ROWS / seconds(by_json))
    mine = statistics.median(ours)
    print(f"rows through Hilum's warehouse             {mine:8,.0f}/s")
    for size, found in theirs.items():
        other = statistics.median(found)
        print(
            f"rows by insert_rows_json, {size:3} a request    {other:8,.0f}/s   ratio {mine / other:.1f}, bar 3"
        )
    sent = [len(row) for request in served.door.appends for row in request.proto_rows.rows.serialized_rows]
    text = statistics.mean(len(json.dumps(row)) for row in rows)
    print(f"bytes of a row                             {statistics.mean(sent):8,.0f}, as JSON {text:,.0f}")
    warehouse.close()
    client.close()  # type: ignore[no-untyped-call]
    served.stop()


if __name__ == "__main__":
    main()
