"""The same folder again: nothing is read, nothing is computed, and everything is still there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from beds.commands import here, hilum
from beds.opens import opens
from beds.real import real_file
from hilum.dicom.phantom import chest_ct

Place = tuple[Path, Path]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A folder that was processed once, and its home."""
    folder = tmp_path_factory.mktemp("again")
    chest_ct(folder / "scans" / "ct", slices=12, rows=32, columns=32)
    shutil.copy(real_file("MR_small.dcm"), folder / "scans")
    (folder / "scans" / "notes.txt").write_text("not an image")
    (folder / "scans" / "empty.dcm").touch()
    hilum("run", folder / "scans", home=folder / "home", code=1)
    return folder / "scans", folder / "home"


def counts(home: Path) -> dict[str, int]:
    sql = " UNION ALL ".join(
        f"SELECT '{table}' AS name, count(*) AS n FROM all_{table}"
        for table in ("arrivals", "attempts", "artifacts")
    )
    return {row["name"]: row["n"] for row in here("query", sql, "--json", home=home).rows}


def test_a_second_run_opens_no_file_and_computes_nothing(place: Place) -> None:
    scans, home = place
    before = counts(home)
    with opens(scans) as opened:
        said = hilum("run", scans, "--json", home=home).json
    assert opened == []
    assert said["arrivals"] == {"unchanged": 15}
    assert said["started"] == 0
    assert counts(home) == before


def test_it_says_that_nothing_had_to_be_computed(place: Place) -> None:
    scans, home = place
    assert "nothing had to be computed" in hilum("run", scans, home=home).out


def test_verifying_opens_every_file_and_still_computes_nothing(place: Place) -> None:
    scans, home = place
    before = counts(home)
    with opens(scans) as opened:
        said = hilum("run", scans, "--verify", "--json", home=home).json
    assert set(opened) == {path.name for path in scans.rglob("*") if path.is_file()}
    assert said["arrivals"] == {"unchanged": 15}
    assert said["started"] == 0
    assert counts(home) == before


def test_the_same_files_elsewhere_are_duplicates_that_change_nothing(place: Place, tmp_path: Path) -> None:
    scans, home = place
    shutil.copytree(scans / "ct", tmp_path / "copy")
    said = hilum("run", tmp_path / "copy", "--json", home=home).json
    assert said["arrivals"] == {"duplicate": 12}
    assert said["started"] == 0


def test_a_change_that_keeps_size_and_time_is_found_by_verifying(tmp_path: Path) -> None:
    path = chest_ct(tmp_path / "scans", slices=2, rows=16, columns=16).paths[0]
    home = tmp_path / "home"
    hilum("run", tmp_path / "scans", home=home)
    times = path.stat()
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(len(content) - 2)
        file.write(bytes([content[-2] ^ 1, content[-1]]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert hilum("run", tmp_path / "scans", "--json", home=home).json["arrivals"] == {"unchanged": 2}
    said = hilum("run", tmp_path / "scans", "--verify", "--json", home=home, code=1).json
    assert said["arrivals"] == {"unchanged": 1, "quarantined": 1}
