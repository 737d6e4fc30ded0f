"""What a person or Hilum itself decided or released stands in the audit: who, when, what; and in a log of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import hilum
from beds.commands import hilum as command
from hilum.dicom.phantom import many_instances
from hilum.engine.recorder import ROLE
from hilum.kernel.digest import digest_json
from hilum.sources.folder import FolderSource

SHORT = "name: short\nsteps: {fails: {uses: './fails.py:fails'}}\n"
STEP = (
    "import hilum\n\n\n@hilum.step()\ndef fails(ctx: hilum.Context) -> None:\n"
    "    raise hilum.StepError('no spleen', reason='no-spleen')\n"
)


def audited(home: hilum.Home) -> list[dict[str, Any]]:
    home.record()
    rows: list[dict[str, Any]] = home.query("SELECT * FROM audit ORDER BY acted_at").to_pylist()
    return rows


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    (tmp_path / "fails.py").write_text(STEP)
    (tmp_path / "fails.yaml").write_text(SHORT)
    return tmp_path / "fails.yaml"


def test_release_retry_close_and_export_are_audited_by_who_did_them(tmp_path: Path, failing: Path) -> None:
    scans = tmp_path / "scans"
    list(many_instances(scans, 4, per_series=2))
    (scans / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 64)
    with hilum.open(tmp_path / "home", actor="ann@hospital.example") as home:
        home.run(scans, pipelines=[failing])
        (entry,) = home.quarantine()
        home.release(entry.id)
        runs = home.retry()
        list(home.export(tmp_path / "out"))
        rows = {row["action"]: row for row in audited(home)}
    assert set(rows) == {"quarantine-released", "runs-retried", "results-exported"}
    assert {(row["actor_kind"], row["actor"]) for row in rows.values()} == {
        ("service", "ann@hospital.example")
    }
    assert (rows["quarantine-released"]["what"], rows["quarantine-released"]["digest"]) == (
        entry.id,
        entry.digest,
    )
    assert (rows["runs-retried"]["what"], rows["runs-retried"]["count"]) == (min(runs), len(runs))
    assert re.fullmatch("[0-9a-f]{64}", rows["results-exported"]["digest"])


def test_what_was_refused_is_not_audited(tmp_path: Path) -> None:
    with hilum.open(tmp_path / "home") as home:
        with pytest.raises(hilum.UsageError):
            home.release("q-0123456789abcdef")
        assert home.retry() == []
        assert audited(home) == []


def test_a_run_that_a_newer_one_replaced_is_audited_as_hilums_own_doing(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    list(many_instances(scans, 2, per_series=2))
    with hilum.open(tmp_path / "home") as home:
        before = home.run(scans).runs
        list(many_instances(scans, 3, per_series=3))
        home.run(scans)
        (row,) = audited(home)
    assert (row["action"], row["actor_kind"], row["actor"]) == ("run-superseded", "system", "hilum")
    assert row["what"] in {run.id for run in before}
    assert row["digest"] in {run.revision for run in before}


def test_a_query_is_audited_by_its_digest_where_that_is_set_and_not_by_its_text(tmp_path: Path) -> None:
    with hilum.open(tmp_path / "home") as home:
        home.query("SELECT PatientName FROM dicom_metadata")
        assert audited(home) == []
    with hilum.open(tmp_path / "home", audit_reads=True) as home:
        home.query("SELECT PatientID FROM dicom_metadata WHERE PatientName = 'MARKER^JANE'")
        home.record()
        rows = home.warehouse.query("SELECT * FROM audit").to_pylist()
    (row,) = rows
    assert row["action"] == "warehouse-queried"
    assert re.fullmatch("[0-9a-f]{64}", row["digest"])
    assert "MARKER" not in json.dumps(row, default=str)


def test_who_asks_for_lineage_is_audited_where_that_is_set(tmp_path: Path) -> None:
    list(many_instances(tmp_path / "scans", 2, per_series=2))
    with hilum.open(tmp_path / "home") as home:
        home.run(tmp_path / "scans")
        asked = home.query("SELECT artifact_id FROM artifacts LIMIT 1").to_pylist()[0]["artifact_id"]
        home.lineage(asked)
        assert audited(home) == []
    with hilum.open(tmp_path / "home", audit_reads=True) as home:
        home.lineage(asked)
        home.record()
        (row,) = home.warehouse.query("SELECT * FROM audit").to_pylist()
    assert (row["action"], row["digest"]) == ("lineage-asked", digest_json([asked]))


def test_what_cannot_be_audited_is_not_done(tmp_path: Path) -> None:
    with hilum.open(tmp_path / "home") as home:
        home.status()
        _ = home.ledger
    (tmp_path / "home" / "ledger.sqlite").write_bytes(b"no database" * 100)
    with hilum.open(tmp_path / "home", audit_reads=True) as home, pytest.raises(hilum.HilumError):
        home.query("SELECT 1")


def test_closing_is_audited_with_what_was_open(tmp_path: Path) -> None:
    from hilum.sources.folder import FolderSource

    list(many_instances(tmp_path / "scans", 2, per_series=2))
    with hilum.open(tmp_path / "home") as home:
        engine = home.engine()
        engine.take_in(FolderSource([tmp_path / "scans"], home.clock))
        closed = home.close_subjects()
        engine.drain()
        engine.close()
        (row,) = audited(home)
    assert (row["action"], row["what"], row["count"]) == ("subjects-closed", closed[0], len(closed))


def test_whoever_records_tells_the_audits_log_which_a_sink_can_choose(tmp_path: Path, failing: Path) -> None:
    scans = tmp_path / "scans"
    list(many_instances(scans, 2, per_series=2))
    with hilum.open(tmp_path / "home") as home:
        home.run(scans, pipelines=[failing])
        (run,) = home.retry()
    said = command(
        *("--log-format", "google", "--log-level", "info", "run", scans, "--pipeline", failing),
        home=tmp_path / "home",
        code=1,
    )
    lines = [json.loads(line) for line in said.err.splitlines() if line.startswith("{")]
    chosen = [line for line in lines if line["logging.googleapis.com/labels"]["logger"] == "hilum.audit"]
    (line,) = chosen
    labels = line["logging.googleapis.com/labels"]
    assert (labels["action"], labels["run"]) == ("runs-retried", run)
    assert labels["actor"].startswith("person:")
    assert line["logging.googleapis.com/insertId"].startswith("u-")


def test_commands_that_are_audited_leave_nothing_behind(tmp_path: Path, failing: Path) -> None:
    scans, home = tmp_path / "scans", tmp_path / "home"
    list(many_instances(scans, 2, per_series=2))
    command("run", scans, "--pipeline", failing, home=home, code=1)
    for words in (("export", tmp_path / "out"), ("retry", "--no-wait")):
        command(*words, home=home)
        assert command("status", "--json", home=home).json["outbox"] == 0


def test_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    list(many_instances(tmp_path / "scans", 2, per_series=2))
    with hilum.open(tmp_path / "home") as home:
        engine = home.engine()
        engine.take_in(FolderSource([tmp_path / "scans"], home.clock))
        engine.close()
        for owner in home.ledger.owners():  # as if its process were gone
            home.ledger.release_role(ROLE, owner)
        assert home.close_subjects()
        assert home.status().outbox == 0
