"""Archives in place: what comes out is what the unpacked folder gives, and nothing inside one stops anything."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import hilum as library
from beds.archives import (
    KINDS,
    crowded_zip,
    encrypted,
    files_below,
    gzipped_tar,
    overlapping_zip,
    tar_header,
    tarred,
    zeros_zip,
    zipped,
    zstandard_tar,
)
from beds.commands import here, hilum
from beds.opens import opens
from beds.real import real_file
from hilum.dicom.phantom import chest_ct, mr_series
from hilum.kernel.clock import SystemClock
from hilum.sources.watch import WatchedFolder

PACKED = {
    "first.zip": zipped,
    "second.tar": tarred,
    "third.tar.gz": gzipped_tar,
    "fourth.tgz": gzipped_tar,
    "fifth.tar.zst": zstandard_tar,
}
PLACE = "_row_id, _recorded_at, FileURI, FileVersion, ArrivalTime"
HEADERS = f"SELECT * EXCLUDE ({PLACE}) FROM dicom_metadata ORDER BY SOPInstanceUID"
RESULTS = "SELECT task_key, name, path, digest FROM artifacts WHERE media_type NOT LIKE '%html%' ORDER BY ALL"
MEASURED = "SELECT task_key, name, value, text, region FROM measurements ORDER BY ALL"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A folder of six series, the same packed into one archive of each kind, and a folder for their two homes."""
    folder = tmp_path_factory.mktemp("packed")
    plain, packed = folder / "plain", folder / "packed"
    packed.mkdir()
    for number, (name, make) in enumerate(PACKED.items()):
        chest_ct(plain / name, slices=5, rows=24, columns=24, seed=number)
        (packed / name).write_bytes(make(files_below(plain / name)))
    (plain / "single").mkdir()
    shutil.copy(real_file("MR_small.dcm"), plain / "single")
    (packed / "MR_small.dcm.gz").write_bytes(gzip.compress(real_file("MR_small.dcm").read_bytes()))
    hilum("run", plain, home=folder / "home-plain")
    said = hilum("run", packed, "--json", home=folder / "home-packed").json
    assert said["arrivals"] == {"accepted": 26, "ignored": 6}
    return plain, packed, folder


def rows(home: Path, sql: str) -> list[Any]:
    return here("query", sql, "--json", home=home).rows


@pytest.mark.parametrize("sql", [HEADERS, RESULTS, MEASURED], ids=["headers", "artifacts", "measurements"])
def test_archives_give_what_the_unpacked_folder_gives(places: tuple[Path, Path, Path], sql: str) -> None:
    folder = places[2]
    assert rows(folder / "home-packed", sql) == rows(folder / "home-plain", sql) != []


def test_a_second_run_opens_nothing_and_computes_nothing(places: tuple[Path, Path, Path]) -> None:
    _plain, packed, folder = places
    with opens(packed) as opened:
        said = hilum("run", packed, "--json", home=folder / "home-packed").json
    assert opened == []
    assert said["arrivals"] == {"unchanged": 32}
    assert (said["runs"], said["started"]) == (6, 0)


def test_verifying_reads_every_archive_and_finds_nothing_new(places: tuple[Path, Path, Path]) -> None:
    _plain, packed, folder = places
    with opens(packed) as opened:
        said = hilum("run", packed, "--verify", "--json", home=folder / "home-packed").json
    assert set(opened) == {*PACKED, "MR_small.dcm.gz"}
    assert said["arrivals"] == {"unchanged": 32}


def test_lineage_and_doctor_name_members(places: tuple[Path, Path, Path]) -> None:
    folder = places[2]
    home = folder / "home-packed"
    (artifact, *_) = rows(home, "SELECT artifact_id FROM artifacts WHERE name = 'nifti' ORDER BY ALL")
    traced = here("lineage", artifact["artifact_id"], "--json", home=home).json
    assert all("!/" in instance["uri"] for instance in traced["instances"])
    findings = here("doctor", "--deep", "--json", home=home, code=None).json
    assert {each["health"] for each in findings if each["check"] == "instances"} == {"ok"}


def test_members_that_a_query_names_can_be_run_alone(places: tuple[Path, Path, Path], tmp_path: Path) -> None:
    folder = places[2]
    sql = "SELECT FileURI, Modality FROM dicom_metadata WHERE FileURI LIKE '%third%' OR Modality = 'MR'"
    listed = "".join(f"{row['Modality']},{row['FileURI']}\n" for row in rows(folder / "home-packed", sql))
    said = hilum("run", "--from", "-", "--json", home=tmp_path / "home", stdin=f"Modality,FileURI\n{listed}")
    assert said.json["arrivals"] == {"accepted": 6}
    assert said.json["runs"] == 2


def test_instances_move_into_an_archive_and_out_of_it(tmp_path: Path) -> None:
    scans, home = tmp_path / "scans", tmp_path / "home"
    chest_ct(scans / "ct", slices=3, rows=16, columns=16)
    hilum("run", scans, home=home)
    (scans / "ct.zip").write_bytes(zipped(files_below(scans / "ct")))
    shutil.rmtree(scans / "ct")
    said = hilum("run", scans, "--json", home=home).json
    assert (said["arrivals"], said["started"]) == ({"duplicate": 3, "ignored": 1}, 0)
    (tmp_path / "again.yaml").write_text("name: again\nsteps:\n  qc: {uses: qc}\n")
    assert (
        hilum("run", scans, "--pipeline", tmp_path / "again.yaml", "--json", home=home).json["failures"] == []
    )
    (scans / "ct.zip").rename(tmp_path / "ct.zip")
    shutil.unpack_archive(tmp_path / "ct.zip", scans / "out")
    hilum("run", scans, home=home)
    (tmp_path / "ct.zip").unlink()
    findings = here("doctor", "--deep", "--json", home=home, code=None).json
    assert {each["health"] for each in findings if each["check"] == "instances"} == {"ok"}


def test_an_archive_that_grew_gives_what_is_new(tmp_path: Path) -> None:
    scans, home = tmp_path / "scans", tmp_path / "home"
    paths = chest_ct(tmp_path / "ct", slices=4, rows=16, columns=16).paths
    scans.mkdir()
    with tarfile.open(scans / "a.tar", "w") as archive:
        for path in paths[:3]:
            archive.add(path, path.name)
    hilum("run", scans, home=home)
    with tarfile.open(scans / "a.tar", "a") as archive:
        archive.add(paths[3], paths[3].name)
    said = hilum("run", scans, "--json", home=home).json
    assert said["arrivals"] == {"duplicate": 3, "accepted": 1, "ignored": 1}
    assert said["started"] == 1
    assert hilum("run", scans, "--json", home=home).json["arrivals"] == {"unchanged": 5}


HOSTILE = {
    "outside.zip": "member-outside",
    "absolute.tar": "member-outside",
    "links.tar": "not-regular",
    "zeros.zip": "archive-bomb",
    "zeros.tar.gz": "archive-bomb",
    "million.zip": "archive-too-many-members",
    "overlap.zip": "archive-overlap",
    "cut.tar.gz": "archive-truncated",
    "cut.zip": "archive-truncated",
    "encrypted.zip": "archive-encrypted",
    "nested.zip": "member-archive",
    "damaged.zip": "member-corrupt",
}


def write_hostile(folder: Path) -> int:
    """Write an archive for each of HOSTILE; how many instances can be had from them nevertheless."""
    folder.mkdir()
    paths = chest_ct(folder.parent / "ct", slices=24, rows=16, columns=16).paths
    content = [path.read_bytes() for path in paths]
    (folder / "outside.zip").write_bytes(zipped({"../../evil.dcm": content[0], "1": content[1]}))
    (folder / "absolute.tar").write_bytes(tarred({"/tmp/evil.dcm": content[0], "2": content[2]}))
    with tarfile.open(folder / "links.tar", "w") as archive:
        archive.addfile(tar_header("passwd", kind=tarfile.SYMTYPE, target="/etc/passwd"))
        archive.addfile(tar_header("zero", kind=tarfile.CHRTYPE))
        archive.add(paths[3], "3")
    (folder / "zeros.zip").write_bytes(zeros_zip(10 << 30))
    begin = gzip.compress(tar_header("zeros", 3 << 30).tobuf(tarfile.GNU_FORMAT))
    (folder / "zeros.tar.gz").write_bytes(begin + gzip.compress(bytes(1 << 20)) * 1300)
    (folder / "million.zip").write_bytes(crowded_zip(1_000_000))
    (folder / "overlap.zip").write_bytes(overlapping_zip(content[0], 50))
    cut = {str(number): content[number] for number in range(4, 20)}
    (folder / "cut.tar.gz").write_bytes(gzipped_tar(cut)[:-200])
    (folder / "cut.zip").write_bytes(zipped({"20": content[20], "21": content[21]})[:-150])
    (folder / "encrypted.zip").write_bytes(encrypted(zipped({"0": content[0]})))
    (folder / "nested.zip").write_bytes(zipped({"in.zip": zipped({"0": content[0]}), "22": content[22]}))
    damaged = bytearray(zipped({"0": content[0], "23": content[23]}))
    damaged[500] ^= 0xFF
    (folder / "damaged.zip").write_bytes(damaged)
    return len(paths)


def test_hostile_archives_are_each_one_clear_arrival(tmp_path: Path) -> None:
    scans, home = tmp_path / "scans", tmp_path / "home"
    write_hostile(scans)
    before = set(os.listdir(tmp_path))
    said = hilum("run", scans, "--json", home=home, code=1)
    entries = here("quarantine", "list", "--json", home=home).json
    found = {entry["uri"].removeprefix(f"{scans.as_uri()}/").partition("!/")[0]: entry for entry in entries}
    assert {name: entry["reason"] for name, entry in found.items()} == HOSTILE
    assert Counter(entry["reason"] for entry in entries) == Counter(HOSTILE.values())
    accepted = {row["FileURI"].rpartition("/")[2] for row in rows(home, "SELECT FileURI FROM dicom_metadata")}
    assert {"1", "2", "3", "4", "20", "22", "23"} <= accepted
    assert said.json["failures"] == []
    assert set(os.listdir(tmp_path)) == before | {"home"}
    assert not Path("/tmp/evil.dcm").exists()
    again = hilum("run", scans, "--json", home=home).json
    assert set(again["arrivals"]) == {"unchanged"}


def test_a_quarantined_member_can_be_looked_at_and_read_again(tmp_path: Path) -> None:
    scans, home = tmp_path / "scans", tmp_path / "home"
    scans.mkdir()
    content = mr_series(tmp_path / "mr", slices=1, rows=16, columns=16).paths[0].read_bytes()
    (scans / "a.zip").write_bytes(zipped({"cut.dcm": content[:-20], "whole.dcm": content}))
    hilum("run", scans, home=home, code=1)
    (entry,) = here("quarantine", "list", "--json", home=home).json
    assert f"{scans}/a.zip!/cut.dcm" in here("quarantine", "list", home=home).out
    assert entry["uri"] in here("quarantine", "show", entry["id"], home=home).out
    here("quarantine", "release", entry["id"], home=home)
    said = hilum("run", scans, "--json", home=home, code=1).json
    assert said["arrivals"] == {"quarantined": 1, "unchanged": 1, "ignored": 1}


def test_an_archive_that_appears_in_a_watched_folder_is_taken_in(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    paths = chest_ct(tmp_path / "ct", slices=3, rows=16, columns=16).paths
    watched = WatchedFolder(inbox, SystemClock(), still=0.0, sweep=0.0, events=False)
    (inbox / "a.tar.gz").write_bytes(gzipped_tar({path.name: path.read_bytes() for path in paths}))
    with library.open(tmp_path / "home") as home:
        engine = home.engine()
        counts = engine.intake.take(watched).counts
        engine.close()
    watched.close()
    assert counts == {"accepted": 3, "ignored": 1}


@pytest.mark.slow
def test_ten_thousand_members_are_known_without_a_look(tmp_path: Path) -> None:
    scans, home = tmp_path / "scans", tmp_path / "home"
    scans.mkdir()
    (scans / "notes.zip").write_bytes(zipped({f"{number}.txt": b"note" for number in range(10_000)}))
    assert hilum("run", scans, "--json", home=home).json["arrivals"] == {"ignored": 10_001}
    with opens(scans) as opened:
        assert hilum("run", scans, "--json", home=home).json["arrivals"] == {"unchanged": 10_001}
    assert opened == []


@pytest.mark.parametrize("name", KINDS)
def test_an_archive_can_be_named_itself(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(KINDS[name]({"note.txt": b"not an image"}))
    said = hilum("run", tmp_path / name, "--json", home=tmp_path / "home").json
    assert said["arrivals"] == {"ignored": 2}
