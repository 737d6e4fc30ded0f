"""A folder with everything that folders have: each object gets one outcome, its own reason code, and harms nobody."""

from __future__ import annotations

import os
import shutil
import socket
from collections import Counter
from pathlib import Path

import pytest

from beds.commands import Said, here, hilum
from beds.headers import instance, written
from beds.hostile import CASES
from beds.real import real_file
from hilum.dicom.phantom import chest_ct

RIGHTS = "-dac_override,-dac_read_search"
BOUND_BY_PERMISSIONS = (
    ("setpriv", f"--bounding-set={RIGHTS}", f"--inh-caps={RIGHTS}") if os.geteuid() == 0 else ()
)
"""Starts a command that permissions hold for: root may otherwise read everything."""

EXPECTED = Counter(
    {
        ("accepted", None): 15,
        ("duplicate", None): 1,
        ("ignored", "dicomdir"): 2,
        ("ignored", "not-dicom"): 2,
        ("quarantined", "archive-truncated"): 1,
        ("quarantined", "conflicting-content"): 2,
        ("quarantined", "corrupt-header"): 1,
        ("quarantined", "deflate-bomb"): 1,
        ("quarantined", "empty"): 1,
        ("quarantined", "header-too-large"): 1,
        ("quarantined", "invalid-uid"): 2,
        ("quarantined", "missing-uid"): 2,
        ("quarantined", "nested-too-deep"): 1,
        ("quarantined", "not-regular"): 3,
        ("quarantined", "too-many-elements"): 1,
        ("quarantined", "too-many-fragments"): 1,
        ("quarantined", "truncated"): 4,
        ("quarantined", "unreadable"): 2,
        ("quarantined", "value-too-long"): 1,
    }
)

GREEDY = (
    *("sequences_nested_without_end", "names_by_the_million", "private_creators_with_endless_names"),
    *(
        "a_sequence_of_65_mebibytes",
        "a_deflate_bomb",
        "fragments_by_the_million",
        "a_length_of_nearly_32_bits",
    ),
)
"""Cases of :mod:`beds.hostile`, one for each limit."""


def write_hostile(folder: Path) -> None:
    """Write it; EXPECTED says what is in it."""
    ct = chest_ct(folder / "ct", slices=6, rows=24, columns=24, seed=5)
    content = ct.paths[0].read_bytes()
    odd = folder / "odd"
    odd.mkdir()
    (odd / "copy.dcm").write_bytes(content)
    (odd / "new\nline.dcm").write_bytes(written(instance(SOPInstanceUID="1.2.3.11")))
    (odd / os.fsdecode(b"latin \xe9\xff.dcm")).write_bytes(written(instance(SOPInstanceUID="1.2.3.12")))
    (odd / "no suffix 100% #1?").write_bytes(written(instance(SOPInstanceUID="1.2.3.13")))
    (odd / "no-preamble").write_bytes(written(instance(SOPInstanceUID="1.2.3.14"), preamble=False))
    (odd / "-rf").write_bytes(written(instance(SOPInstanceUID="1.2.3.15")))
    (odd / ".hidden.dcm").write_bytes(written(instance(SOPInstanceUID="1.2.3.16")))
    named = instance(SOPInstanceUID="1.2.3.18", PatientName="Bell\a^Erase\x1b[2J")
    (odd / "bell\a and erase\x1b[2J.dcm").write_bytes(written(named))
    (odd / "mostly padding.dcm").write_bytes(written(instance(SOPInstanceUID="1.2.3.19")) + bytes(1 << 20))
    deep = folder.joinpath(*["d"] * 400)
    deep.mkdir(parents=True)
    (deep / "deep.dcm").write_bytes(written(instance(SOPInstanceUID="1.2.3.17")))

    bad = folder / "bad"
    bad.mkdir()
    (bad / "other-pixels.dcm").write_bytes(content[:-2] + b"\1\2")
    (bad / "empty.dcm").touch()
    (bad / "cut-in-meta.dcm").write_bytes(content[:200])
    (bad / "cut-in-header.dcm").write_bytes(content[:900])
    (bad / "cut-in-pixels.dcm").write_bytes(ct.paths[1].read_bytes()[:-100])
    (bad / "no-instance-uid.dcm").write_bytes(written(instance(SOPInstanceUID=None), preamble=False))
    (bad / "no-study-uid.dcm").write_bytes(written(instance(StudyInstanceUID=None)))
    (bad / "letters-in-uid.dcm").write_bytes(written(instance(SeriesInstanceUID="1.2.abc")))
    (bad / "noise-behind-magic.dcm").write_bytes(b"\0" * 128 + b"DICM" + bytes(range(256)) * 4)

    (bad / "path-as-uid.dcm").write_bytes(written(instance(StudyInstanceUID="../../etc")))
    for greedy in GREEDY:
        CASES[greedy].write(bad / greedy, False)

    other = folder / "other"
    other.mkdir()
    shutil.copy(real_file("dicomdirtests") / "DICOMDIR", other)
    shutil.copy(real_file("dicomdirtests") / "DICOMDIR-bigEnd", other)
    (other / "notes.txt").write_text("Call the ward.")
    (other / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 300)
    (other / "archive.zip").write_bytes(b"PK\3\4" + b"\1" * 300)
    os.mkfifo(other / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(other)  # the address of a socket may have no more than 108 bytes
        listener.bind("socket")
        os.chdir(here)
    (other / "device").symlink_to("/dev/zero")
    (other / "dangling").symlink_to("nowhere")
    (other / "itself").symlink_to("itself")
    (other / "up").symlink_to(folder)
    (other / "linked.dcm").symlink_to(ct.paths[2])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Said]:
    """The folder, its home, and what the run over it said."""
    folder = tmp_path_factory.mktemp("hostile")
    write_hostile(folder / "scans")
    return (
        folder / "scans",
        folder / "home",
        hilum("run", folder / "scans", "--json", home=folder / "home", code=1),
    )


def objects(folder: Path) -> int:
    """How many things lie below, links to folders aside."""
    return sum(
        len(files) + sum(os.path.islink(os.path.join(at, d)) for d in ()) for at, _, files in os.walk(folder)
    )


def test_every_object_has_one_outcome_and_its_own_reason(hostile: tuple[Path, Path, Said]) -> None:
    scans, home, said = hostile
    rows = here("query", "SELECT outcome, reason FROM arrivals", "--json", home=home).rows
    assert Counter((row["outcome"], row["reason"] or None) for row in rows) == EXPECTED
    arrivals = said.json["arrivals"]
    assert sum(arrivals.values()) == len(rows) == objects(scans)
    assert set(arrivals) == {"accepted", "duplicate", "ignored", "quarantined"}


def test_the_ledger_holds_the_same_sum(hostile: tuple[Path, Path, Said]) -> None:
    _, home, said = hostile
    status = here("status", "--json", home=home).json
    assert status["arrivals"] == said.json["arrivals"]
    assert sum(status["quarantine"].values()) == status["arrivals"]["quarantined"]


def test_what_is_sound_is_processed_whatever_lies_beside_it(hostile: tuple[Path, Path, Said]) -> None:
    _, home, said = hostile
    assert said.json["failures"] == []
    sql = "SELECT state, count(*) AS n FROM runs GROUP BY 1"
    assert here("query", sql, "--json", home=home).rows == [{"state": "succeeded", "n": 1}]


def test_a_second_run_finds_all_of_it_unchanged(hostile: tuple[Path, Path, Said]) -> None:
    scans, home, said = hostile
    again = hilum("run", scans, "--json", home=home).json
    assert again["arrivals"] == {"unchanged": sum(said.json["arrivals"].values())}


def test_the_quarantine_can_be_listed_and_shown(hostile: tuple[Path, Path, Said]) -> None:
    _, home, _ = hostile
    entries = here("quarantine", "list", "--json", home=home).json
    assert len(here("quarantine", "list", home=home).out.splitlines()) == len(entries) + 1
    for entry in entries[:3]:
        assert entry["reason"] in here("quarantine", "show", entry["id"], home=home).out


def test_what_may_not_be_read_is_told_and_is_read_once_it_may(tmp_path: Path) -> None:
    scans, home = tmp_path / "scans", tmp_path / "home"
    path = chest_ct(scans / "ct", slices=3, rows=16, columns=16).paths[0]
    locked = chest_ct(scans / "locked", slices=2, rows=16, columns=16, seed=2).paths[0].parent
    path.chmod(0)
    locked.chmod(0)
    said = hilum("run", scans, "--json", home=home, code=1, before=BOUND_BY_PERMISSIONS)
    assert said.json["arrivals"] == {"accepted": 2, "quarantined": 2}
    entries = here("quarantine", "list", "--json", home=home).json
    assert [entry["reason"] for entry in entries] == ["unreadable", "unreadable"]
    path.chmod(0o644)
    locked.chmod(0o755)
    said = hilum("run", scans, "--json", home=home, code=None, before=BOUND_BY_PERMISSIONS)
    assert said.json["arrivals"] == {"unchanged": 2, "accepted": 3}
    waiting = here("quarantine", "list", "--json", home=home).json
    assert [entry["uri"] for entry in waiting] == [
        locked.as_uri()
    ]  # nothing arrives from a folder that can be listed
