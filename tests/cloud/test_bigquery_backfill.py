"""What a warehouse of Parquet holds goes into BigQuery by load jobs, history and all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from beds.bigquery import Served
from beds.headers import lines
from hilum.warehouse.bigquery.address import parse_address
from hilum.warehouse.bigquery.backfill import backfill
from hilum.warehouse.bigquery.warehouse import BigQueryWarehouse
from hilum.warehouse.interface import Warehouse
from hilum.warehouse.local import LocalWarehouse

ASKED = (
    "SELECT run_id, state, created_at FROM runs ORDER BY run_id",
    "SELECT _batch, _seq, run_id, state FROM all_runs ORDER BY 1, 2",
    "SELECT PatientID, StudyDate, ContentTime, PixelSpacing, EchoTime FROM dicom_metadata ORDER BY PatientID",
    "SELECT action, count FROM audit",
    "SELECT instances, value FROM measurements",
)


def answers(warehouse: Warehouse) -> list[list[dict[str, Any]]]:
    return [warehouse.query(sql).to_pylist() for sql in ASKED]


def test_a_backfill_by_load_jobs_gives_the_same_answers_also_when_done_twice(
    tmp_path: Path, bigquery: Served
) -> None:
    local = LocalWarehouse(tmp_path / "warehouse")
    run = {"_row_id": "1", "run_id": "r-1", "created_at": "2026-01-01T02:00:00+02:00"}
    header = {"_recorded_at": "2026-01-01T00:00:00+00:00", "StudyDate": 18_321, "ContentTime": 37_230_000_500}
    local.append(
        1,
        {
            "runs": [{**run, "state": "running"}],
            "audit": [{"_row_id": "u", "audit_id": "u", "action": "exported", "count": 3}],
            "measurements": [{"_row_id": "m", "instances": ["1.2", "1.3"], "value": 0.5}],
        },
        lines(
            {"_row_id": "a", "PatientID": "Ä", "PixelSpacing": ["0.5", "0.25"], **header},
            {"_row_id": "b", "PatientID": "B", "PixelSpacing": ["1"], "EchoTime": "30", **header},
        ),
    )
    local.append(2, {"runs": [{**run, "_row_id": "2", "state": "succeeded"}]})
    cloud = BigQueryWarehouse(parse_address(bigquery.address()))
    loaded = dict(backfill(local, cloud))
    assert loaded == {"dicom_metadata": 2, "runs": 2, "audit": 1, "measurements": 1}
    assert answers(cloud) == answers(local)
    assert dict(backfill(local, cloud)) == loaded
    assert answers(cloud) == answers(local)
    cloud.append(3, {"runs": [{**run, "_row_id": "3", "state": "failed"}]})
    assert cloud.query("SELECT state FROM runs").to_pylist() == [{"state": "failed"}]
    cloud.close()
