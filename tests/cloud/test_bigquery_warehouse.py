"""A home whose warehouse is in BigQuery: the same rows and answers as with Parquet, and nothing lost on the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hilum as api
from beds.bigquery import PROJECT, Served
from beds.bigquery_door import refused_rows
from beds.commands import here
from beds.homes import COMPARED
from beds.real import real_file
from hilum.dicom.phantom import chest_ct
from hilum.warehouse.bigquery.address import parse_address

STEPS = """
from hilum import Code, Context, Measure, Output, step

@step("count", outputs=[Output("number", "number.txt", "text/plain")],
      measurements=[Measure("number", Code("99", "99TEST", "Number"), "1")])
def count(ctx: Context) -> None:
    ctx.output("number").write_text(str(len(ctx.instances)))
    ctx.measure("number", len(ctx.instances))
"""
PIPELINE = "name: numbers\nsteps:\n  count: {uses: ./steps.py:count}\n"
REAL = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "examples_rgb_color.dcm")
HEADERS = """
SELECT SOPInstanceUID, Modality, StudyDate, PatientID, Manufacturer, FileSHA256, FileSize FROM dicom_metadata
"""
BY_MODALITY = """
SELECT h.Modality, COUNT(DISTINCT h.SeriesInstanceUID) AS series, SUM(m.value) AS instances
FROM {}series h JOIN {}current_measurements m ON m.SeriesInstanceUID = h.SeriesInstanceUID
GROUP BY h.Modality ORDER BY h.Modality
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four real files and a phantom of eight slices, and a pipeline."""
    folder = tmp_path_factory.mktemp("cloud")
    (folder / "steps.py").write_text(STEPS)
    (folder / "numbers.yaml").write_text(PIPELINE)
    chest_ct(folder / "scans" / "chest", slices=8, rows=16, columns=16)
    for name in REAL:
        shutil.copy(real_file(name), folder / "scans" / name)
    return folder


@pytest.fixture
def in_cloud(bigquery: Served, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a new dataset that homes of this test write to."""
    address = bigquery.address()
    monkeypatch.setenv("HILUM_WAREHOUSE", address)
    return address


def run(folder: Path, home: Path) -> None:
    here("run", folder / "scans", "--pipeline", folder / "numbers.yaml", home=home)


def rows(home: Path, sql: str) -> list[str]:
    with api.open(home, create=False) as opened:
        return sorted(json.dumps(list(row.values()), default=str) for row in opened.query(sql).to_pylist())


def count(home: api.Home, table: str) -> int:
    return int(home.query(f"SELECT COUNT(*) AS n FROM {table}").to_pylist()[0]["n"])


def contents(home: Path) -> dict[str, list[str]]:
    """All that does not depend on when and by which attempt it was found."""
    found = {}
    for table, columns in COMPARED.items():
        named = ", ".join(f'"{each}"' for each in columns.split() if each != "instances")
        found[table] = rows(home, f"SELECT {named} FROM {table}")
    found["dicom_metadata"] = rows(home, HEADERS)
    return found


def refuse_once(served: Served, table: str) -> None:
    """The first row that comes for this table is refused."""
    told: list[str] = []

    def answer(request: Any) -> Any:
        if told or f"/tables/{table}_rows/" not in request.write_stream:
            return None
        told.append(table)
        return refused_rows(0)(request)

    faults: list[Callable[[Any], Any]] = [answer] * 100
    served.door.append_faults.extend(faults)


def test_a_run_leaves_the_same_in_bigquery_as_in_parquet(
    folder: Path, tmp_path: Path, bigquery: Served, in_cloud: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.bigquery import Client

    run(folder, tmp_path / "cloud")
    cloud = contents(tmp_path / "cloud")
    asked = here("query", BY_MODALITY.format("", ""), "--json", home=tmp_path / "cloud")
    [measured] = here(
        "query", "SELECT MIN(measurement_id) AS id FROM measurements", "--json", home=tmp_path / "cloud"
    ).rows
    traced = here("lineage", measured["id"], "--json", home=tmp_path / "cloud").json
    dataset = parse_address(in_cloud).path
    client = Client(project=PROJECT, credentials=AnonymousCredentials())
    official = [
        dict(row)
        for row in client.query(
            BY_MODALITY.format(f"{dataset}.", f"{dataset}.").replace(PROJECT, f"`{PROJECT}`")
        )
    ]
    audited = rows(tmp_path / "cloud", "SELECT action, actor_kind FROM audit")
    times = rows(
        tmp_path / "cloud",
        "SELECT task_id FROM tasks WHERE attempt_id IS NULL OR staged_at > computed_at OR finished_at IS NULL",
    )
    client.close()

    monkeypatch.delenv("HILUM_WAREHOUSE")
    run(folder, tmp_path / "local")
    assert contents(tmp_path / "local") == cloud
    local = here("query", BY_MODALITY.format("", ""), "--json", home=tmp_path / "local")
    assert asked.rows == local.rows == official
    assert sum(row["instances"] for row in official) == 8 + len(REAL)
    made = here("lineage", measured["id"], "--json", home=tmp_path / "local").json
    assert traced["measurement"]["value"] == made["measurement"]["value"]
    assert traced["instances"] == made["instances"]
    assert rows(tmp_path / "local", "SELECT action, actor_kind FROM audit") == audited
    assert rows(tmp_path / "local", "SELECT * FROM tasks WHERE attempt_id IS NULL") == times == []


def test_what_a_full_quota_kept_back_is_written_later_and_once(
    folder: Path, tmp_path: Path, bigquery: Served, in_cloud: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bigquery.door.rest_faults.extend([(403, "quotaExceeded")] * 200)
    home = tmp_path / "cloud"
    here("run", folder / "scans", "--pipeline", folder / "numbers.yaml", home=home, code=None)
    bigquery.door.rest_faults.clear()
    with api.open(home, create=False) as opened:
        assert opened.query("SELECT * FROM all_runs").num_rows == 0
        assert opened.record() > 0
        assert opened.record() == 0
    late = contents(home)
    monkeypatch.delenv("HILUM_WAREHOUSE")
    run(folder, tmp_path / "local")
    assert contents(tmp_path / "local") == late


def test_a_row_that_bigquery_refuses_is_quarantined_and_can_be_sent_again(
    folder: Path, tmp_path: Path, bigquery: Served, in_cloud: str
) -> None:
    refuse_once(bigquery, "dicom_metadata")
    home = tmp_path / "cloud"
    here("run", folder / "scans", "--pipeline", folder / "numbers.yaml", home=home, code=None)
    total = 8 + len(REAL)
    with api.open(home, create=False) as opened:
        assert count(opened, "dicom_metadata") == total - 1
        assert count(opened, "measurements") == len(REAL) + 1
        [entry] = opened.quarantine()
        assert entry.reason == "row-refused"
        assert "FIELDS_ERROR" in entry.detail
        assert "MARKER" not in entry.detail
        opened.release(entry.id)
        assert count(opened, "dicom_metadata") == total
        assert opened.quarantine() == []


def test_a_query_says_what_it_reads_and_sets_what_it_may_bill(
    folder: Path, tmp_path: Path, bigquery: Served, in_cloud: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HILUM_MAXIMUM_BYTES_BILLED", "10Mi")
    sql = "SELECT COUNT(*) AS n FROM runs"
    with api.open(tmp_path) as opened:
        opened.status()
        assert opened.ledger.runs() == []
    dry = here("query", sql, "--dry-run", home=tmp_path)
    assert dry.out == ""
    assert "may bill 10Mi at most" in dry.err
    bigquery.door.requests.clear()
    asked = here("query", sql, "--json", home=tmp_path)
    assert asked.rows == [{"n": 0}]
    assert asked.err.startswith("the query reads ")
    bodies = [body for _, path, body in bigquery.door.requests if body and "quer" in json.dumps(body)]
    limits = [body["maximumBytesBilled"] for body in bodies if "maximumBytesBilled" in body]
    assert limits == [str(10 << 20)]
    dry_runs = [body for body in bodies if body.get("configuration", {}).get("dryRun")]
    assert len(dry_runs) == 1
    with api.open(tmp_path, create=False) as opened:
        opened.query(sql)
        bigquery.door.rest_faults.append((400, "bytesBilledLimitExceeded"))
        with pytest.raises(api.HilumError) as caught:
            opened.query(sql)
    assert caught.value.reason == "query-too-large"
