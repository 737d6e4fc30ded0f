"""Instances that come after their series was processed: a new revision, a new run for the old, and nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

import hilum as api
from beds.commands import here, hilum
from beds.instances import write_late
from hilum.dicom.phantom import chest_ct, many_instances

PIPELINE = "name: check\nsteps:\n  qc: {uses: qc}\n  preview: {uses: preview, if: qc.slices_missing == 0}\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a pipeline, a home, and a series of five slices of which the second has not come yet."""
    (tmp_path / "check.yaml").write_text(PIPELINE)
    paths = chest_ct(tmp_path / "scans", slices=5, rows=16, columns=16).paths
    paths[1].rename(tmp_path / "late.dcm")
    with api.open(tmp_path / "home") as home:
        home.run(tmp_path / "scans", pipelines=[tmp_path / "check.yaml"])
    return tmp_path


def rows(home: api.Home, sql: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = home.query(sql).to_pylist()
    return found


def test_a_late_slice_makes_a_run_that_supersedes_and_sees_the_whole_series(place: Path) -> None:
    missing = "SELECT value FROM current_measurements WHERE name = 'slices_missing'"
    with api.open(place / "home") as home:
        assert rows(home, missing) == [{"value": 1.0}]
        assert list(home.results.rglob("montage.png")) == []
        (place / "late.dcm").rename(place / "scans" / "late.dcm")
        said = hilum("run", "scans", "--pipeline", "check.yaml", "--json", home=home.root, cwd=place).json
        assert said["arrivals"] == {"unchanged": 4, "accepted": 1}
        assert rows(home, missing) == [{"value": 0.0}]
        assert len(list(home.results.rglob("montage.png"))) == 1
        new, old = home.runs()
        assert (old.current, new.current, new.supersedes) == (False, True, old.id)
    status = here("status", home=place / "home").out
    assert "late        2 subjects" in status
    assert "superseded  1 run" in status


def test_what_the_old_run_found_stays_known(place: Path) -> None:
    (place / "late.dcm").rename(place / "scans" / "late.dcm")
    with api.open(place / "home") as home:
        home.run(place / "scans", pipelines=[place / "check.yaml"])
        found = rows(
            home, "SELECT value FROM measurements WHERE name = 'slices_missing' ORDER BY measured_at"
        )
        assert found == [{"value": 1.0}, {"value": 0.0}]
        artifacts = rows(home, "SELECT artifact_id AS a FROM artifacts WHERE step = 'qc' ORDER BY created_at")
        assert [len(home.lineage(str(row["a"])).instances) for row in artifacts] == [4, 5]


def test_the_same_instances_in_another_order_are_the_same_revision(tmp_path: Path) -> None:
    paths = list(many_instances(tmp_path / "scans", 6, per_series=3))
    revisions = []
    for number, order in enumerate((paths, paths[::-1], [*paths[::2], *paths[::-1]])):
        with api.open(tmp_path / f"home-{number}") as home:
            home.run(*order)
            revisions.append({run.subject_id: run.revision for run in home.runs()})
    assert revisions[0] == revisions[1] == revisions[2]


def test_only_the_series_that_grew_runs_again(tmp_path: Path) -> None:
    first = chest_ct(tmp_path / "scans" / "one", slices=3, rows=16, columns=16, seed=1).paths
    chest_ct(tmp_path / "scans" / "two", slices=3, rows=16, columns=16, seed=2)
    (tmp_path / "check.yaml").write_text(PIPELINE)
    with api.open(tmp_path / "home") as home:
        home.run(tmp_path / "scans", pipelines=[tmp_path / "check.yaml"])
        write_late(tmp_path / "scans" / "one" / "late.dcm", first[-1])
        due = home.plan([tmp_path / "check.yaml"])
        assert due == []  # nobody has seen the file yet
        report = home.run(tmp_path / "scans", pipelines=[tmp_path / "check.yaml"])
        assert len(report.started) == 1
        assert len(report.runs) == 2


def test_results_of_the_old_run_that_the_new_one_does_not_have_are_shown_no_longer(tmp_path: Path) -> None:
    paths = chest_ct(tmp_path / "scans", slices=3, rows=16, columns=16).paths
    (tmp_path / "check.yaml").write_text(PIPELINE)
    with api.open(tmp_path / "home") as home:
        home.run(tmp_path / "scans", pipelines=[tmp_path / "check.yaml"])
        assert len(list(home.results.rglob("montage.png"))) == 1
        write_late(tmp_path / "scans" / "late.dcm", paths[-1], places=3)
        home.run(tmp_path / "scans", pipelines=[tmp_path / "check.yaml"])
        assert list(home.results.rglob("montage.png")) == []
        assert len(list(home.results.rglob("findings.json"))) == 1
