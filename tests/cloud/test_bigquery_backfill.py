"""What a warehouse of Parquet holds goes into BigQuery by load jobs, history and all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beds.bigquery import Served
from beds.commands import here, in_terminal
from beds.headers import lines
from hilum.dicom.phantom import chest_ct
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


def test_a_home_moves_to_bigquery_with_all_that_it_had(
    tmp_path: Path, bigquery: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, address = tmp_path / "home", bigquery.address()
    chest_ct(tmp_path / "first", slices=3, rows=16, columns=16)
    chest_ct(tmp_path / "second", slices=2, rows=16, columns=16, seed=7)
    here("index", tmp_path / "first", home=home)
    asked = "SELECT SOPInstanceUID, FileSHA256, Rows FROM dicom_metadata ORDER BY SOPInstanceUID"
    before = here("query", asked, "--json", home=home).rows
    told = here("backfill", address, "--json", home=home).json
    assert told["rows"]["dicom_metadata"] == len(before) == 3
    assert told["warehouse"] == address
    again = here("backfill", address, home=home).out
    assert again.startswith(f"{sum(told['rows'].values())} rows loaded: ")
    monkeypatch.setenv("HILUM_WAREHOUSE", address)
    assert here("query", asked, "--json", home=home).rows == before
    here("index", tmp_path / "second", home=home)
    after = here("query", asked, "--json", home=home).rows
    assert len(after) == 5
    assert [row for row in after if row in before] == before
    audited = here("query", "SELECT action, actor_kind FROM audit", "--json", home=home).rows
    assert audited == 2 * [{"action": "warehouse-copied", "actor_kind": "person"}]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("gs://bucket/folder", "is no address of a warehouse"),
        ("bigquery://my-project/imaging", "there are no rows in Parquet"),
    ],
)
def test_a_home_that_has_nothing_or_a_wrong_address_is_told_so(
    tmp_path: Path, address: str, reason: str
) -> None:
    (tmp_path / "store").mkdir()
    said = here("backfill", address, home=tmp_path, code=2)
    assert reason in said.err
    assert said.out == ""


def test_rows_stay_where_they_are_while_bigquery_is_away(tmp_path: Path, bigquery: Served) -> None:
    local = LocalWarehouse(tmp_path / "warehouse")
    local.append(1, {"runs": [{"_row_id": "1", "run_id": "r-1", "state": "running"}]})
    (tmp_path / "store").mkdir()
    bigquery.door.rest_faults.extend([(403, "quotaExceeded")] * 200)
    said = here("backfill", bigquery.address(), home=tmp_path, code=1)
    assert "BigQuery takes no more for now" in said.err
    bigquery.door.rest_faults.clear()
    assert here("backfill", bigquery.address(), home=tmp_path).out == "1 row loaded: 1 runs\n"


def test_whoever_looks_on_is_shown_what_is_loaded(tmp_path: Path, bigquery: Served) -> None:
    LocalWarehouse(tmp_path / "warehouse").append(1, {"runs": [{"_row_id": "1", "run_id": "r-1"}]})
    (tmp_path / "store").mkdir()
    shown = in_terminal("--home", tmp_path, "backfill", bigquery.address())
    assert "loading" in shown.out
    assert "1 row loaded: 1 runs" in shown.out
