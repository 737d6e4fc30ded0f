"""`hilum index`: SQL over the headers of what is there, at once, and in harmony with a later run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import hilum as api
from beds.commands import here, hilum
from beds.opens import opens
from beds.real import real_file
from hilum.dicom.phantom import chest_ct, many_instances
from hilum.kernel.digest import digest_file

OWN = ("_row_id", "_recorded_at", "ArrivalTime")
NOTHING = 'name: nothing\nscope: series\nwhen: Modality == "none"\nsteps:\n  qc: {uses: qc}\n'


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A CT, an MR, a copy, and what is no image or no whole one."""
    folder = tmp_path / "scans"
    ct = chest_ct(folder / "ct", slices=6, rows=32, columns=32)
    shutil.copy(real_file("MR_small.dcm"), folder)
    shutil.copy(ct.paths[0], folder / "copy.dcm")
    (folder / "notes.txt").write_text("not an image")
    (folder / "cut.dcm").write_bytes(ct.paths[1].read_bytes()[:-100])
    return folder


def headers(home: Path) -> list[dict[str, Any]]:
    rows = here("query", "SELECT * FROM dicom_metadata ORDER BY SOPInstanceUID", "--json", home=home).rows
    return [{name: value for name, value in row.items() if name not in OWN} for row in rows]


def test_headers_can_be_queried_and_nothing_else_happened(scans: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    said = hilum("index", scans, home=home, code=1)
    assert said.out == "10 objects: 8 indexed, 1 not-dicom, 1 truncated\n"
    sql = "SELECT Modality, count(*) AS n FROM dicom_metadata GROUP BY 1 ORDER BY 1"
    assert here("query", sql, "--json", home=home).rows == [
        {"Modality": "CT", "n": 6},
        {"Modality": "MR", "n": 1},
    ]
    assert here("status", "--json", home=home).json["arrivals"] == {}
    assert here("quarantine", "list", "--json", home=home).json == []


def test_rows_are_those_of_a_run_and_a_run_takes_their_place(scans: Path, tmp_path: Path) -> None:
    pipeline = tmp_path / "nothing.yaml"
    pipeline.write_text(NOTHING)
    (scans / "copy.dcm").unlink()
    hilum("index", scans, home=tmp_path / "indexed", code=1)
    hilum("run", scans, "--pipeline", pipeline, home=tmp_path / "run", code=1)
    indexed = headers(tmp_path / "indexed")
    assert indexed == headers(tmp_path / "run")
    hilum("run", scans, "--pipeline", pipeline, home=tmp_path / "indexed", code=1)
    assert headers(tmp_path / "indexed") == indexed


def test_what_was_indexed_is_not_read_again(scans: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    hilum("index", scans, home=home, code=1)
    with opens(scans) as opened:
        said = hilum("index", scans, "--json", home=home, code=1).json
    assert set(opened) == {"notes.txt", "cut.dcm"}
    assert said["objects"] == {"unchanged": 8, "not-dicom": 1, "truncated": 1}
    with opens(scans) as opened:
        hilum("index", scans, "--verify", home=home, code=1)
    assert set(opened) == {path.name for path in scans.rglob("*") if path.is_file()}


def test_a_changed_file_is_indexed_anew(scans: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    hilum("index", scans, home=home, code=1)
    path = scans / "MR_small.dcm"
    path.write_bytes(path.read_bytes().replace(b"CompressedSamples^MR1", b"CompressedSamples^MR2"))
    assert hilum("index", scans, "--json", home=home, code=1).json["objects"]["indexed"] == 1
    sql = "SELECT PatientName.Alphabetic.GivenName AS name, FileSHA256 FROM dicom_metadata WHERE Modality = 'MR'"
    assert here("query", sql, "--json", home=home).rows == [{"name": "MR2", "FileSHA256": digest_file(path)}]


def test_digests_can_be_left_out_and_come_later(scans: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    hilum("index", scans, "--no-digest", home=home, code=1)
    assert {row["FileSHA256"] for row in headers(home)} == {""}
    hilum("index", scans, home=home, code=1)
    rows = headers(home)
    assert len(rows) == 7
    assert all(len(row["FileSHA256"]) == 64 for row in rows)
    assert hilum("index", scans, "--no-digest", "--json", home=home, code=1).json["objects"]["unchanged"] == 8


def test_any_number_of_workers_gives_the_same_rows(tmp_path: Path) -> None:
    many = list(many_instances(tmp_path / "scans", 1200, per_series=50))
    for workers in ("1", "3"):
        hilum("index", tmp_path / "scans", "--workers", workers, home=tmp_path / workers)
    rows = headers(tmp_path / "1")
    assert len(rows) == len(many)
    assert rows == headers(tmp_path / "3")


def test_archives_and_lists_are_taken_as_a_run_takes_them(scans: Path, tmp_path: Path) -> None:
    (scans / "cut.dcm").unlink()
    kinds = {"zip": "zip", "tar.gz": "gztar", "tar": "tar"}
    for ending, kind in kinds.items():
        shutil.make_archive(str(tmp_path / "packed" / f"all-{ending}"), kind, scans)
    for path in sorted((tmp_path / "packed").iterdir()):
        home = tmp_path / path.name / "home"
        home.parent.mkdir()
        said = hilum("index", "--from", "-", "--json", home=home, stdin=f"{path}\n").json
        assert said["objects"] == {"indexed": 8, "not-dicom": 1, "archive": 1}
        assert len(headers(home)) == 7
        assert {row["FileURI"].partition("!/")[0] for row in headers(home)} == {path.as_uri()}


def test_an_index_that_is_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    list(many_instances(tmp_path / "scans", 1000, per_series=50))
    asked: list[int] = []

    def after_two_batches() -> bool:
        asked.append(1)
        return len(asked) > 2

    with api.open(tmp_path / "home", workers=1) as home:
        first = home.index(tmp_path / "scans", stop=after_two_batches)
        assert first.interrupted
        assert first.counts["indexed"] == 512
        second = home.index(tmp_path / "scans")
    assert dict(second.counts) == {"unchanged": 512, "indexed": 488}
    assert len(headers(tmp_path / "home")) == 1000


def test_it_refuses_while_another_engine_records(scans: Path, tmp_path: Path) -> None:
    with api.open(tmp_path / "home") as home:
        somebody = f"elsewhere/{os.getpid()}/engine"
        assert home.ledger.acquire_role("recorder", somebody, home.clock.now(), 60.0)
    said = hilum("index", scans, home=tmp_path / "home", code=2)
    assert said.err.startswith("hilum: another engine records into this home")


def test_a_path_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    assert "there is nothing at" in hilum("index", tmp_path / "gone", home=tmp_path / "home", code=2).err
