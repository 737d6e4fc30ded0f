"""Files of a home that are not what was written: it is noticed, named and refused, `doctor` says what to do, and
doing that brings everything back.
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

import hilum
from beds.engines import Yard
from beds.homes import Snapshot, differences, faults, snapshot
from beds.hospital import write_hospital
from hilum.ledger import open_ledger
from hilum.ledger.interface import LedgerDamaged
from hilum.warehouse.files import listing

PIPELINE = ("--pipeline", Path(__file__).parent / "study.yaml")
PAGE = 4096
EVERY = 3
"""Every so manieth page of the ledger is damaged in turn."""
LEDGER = ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Snapshot]:
    """A folder, a home in which it was processed, and what that holds."""
    folder = tmp_path_factory.mktemp("damage")
    hospital = write_hospital(folder / "hospital")
    home = folder / "home"
    code, said = Yard(home, [hospital, *PIPELINE]).start().finish()
    assert code == 1, said  # three objects are in quarantine
    assert faults(home) == []
    return hospital, home, snapshot(home)


@pytest.fixture
def yard(finished: tuple[Path, Path, Snapshot], tmp_path: Path) -> Yard:
    """A copy of that home, to be damaged."""
    hospital, home, _ = finished
    shutil.copytree(home, tmp_path / "home", symlinks=True)
    return Yard(tmp_path / "home", [hospital, *PIPELINE])


@pytest.fixture
def intact(finished: tuple[Path, Path, Snapshot]) -> Snapshot:
    return finished[2]


def test_a_ledger_with_a_page_of_garbage_is_refused_in_one_line_and_rebuilt_as_doctor_says(
    yard: Yard, intact: Snapshot
) -> None:
    _garble(yard.home / "ledger.sqlite", 0)
    for command in (["status"], ["run", *yard.arguments], ["plan"], ["retry"]):
        code, said = yard.command(*command).finish()
        assert code == 1
        assert said.splitlines()[0].startswith("hilum: the ledger's database ")
        assert "doctor" in said.splitlines()[1]
        assert len(said.splitlines()) == 2
    code, said = yard.command("doctor", "--json").finish()
    findings = {found["check"]: found for found in json.loads(said)}
    assert code == 1
    assert findings["ledger"]["health"] == "error"
    assert "move all four away" in findings["ledger"]["mend"]
    assert {name for name, found in findings.items() if found["health"] == "error"} == {"ledger"}

    for name in (*LEDGER, "warehouse"):
        if (yard.home / name).exists():
            (yard.home / name).rename(yard.home.parent / name)
    code, said = yard.start().finish()

    assert code == 1, said
    assert differences(intact, snapshot(yard.home)) == []
    assert faults(yard.home) == []
    assert json.loads(yard.command("query", "--format", "jsonl", REUSED).finish()[1]) == {"n": 0}


REUSED = "SELECT count(*) AS n FROM tasks WHERE state = 'succeeded' AND NOT reused"


def test_whichever_page_of_the_ledger_is_garbage_it_is_found_and_nothing_else_breaks(yard: Yard) -> None:
    whole = yard.home / "whole.sqlite"
    ledger = yard.home / "ledger.sqlite"
    shutil.copy(ledger, whole)
    rows = _rows(whole)
    for page in range(0, whole.stat().st_size // PAGE, EVERY):
        shutil.copy(whole, ledger)
        _garble(ledger, page)
        assert _check(yard.home) or _rows(ledger) == rows, f"garbage in page {page} is not found"
        with hilum.open(yard.home) as home, suppress(LedgerDamaged):
            home.status()
            home.run(yard.arguments[0], pipelines=[PIPELINE[1]])


@pytest.mark.parametrize(
    ("table", "how"), [("dicom_metadata", "garbled"), ("artifacts", "cut off"), ("artifacts", "empty")]
)
def test_a_damaged_file_of_the_warehouse_is_named_and_other_tables_still_answer(
    yard: Yard, table: str, how: str
) -> None:
    path = listing(yard.home / "warehouse" / table)[0][0].path  # others may have been compacted already
    DAMAGE[how](path)
    code, said = yard.command("query", f"SELECT * FROM {table}").finish()
    assert code == 1
    assert f"warehouse/{table}/{path.name}" in said
    assert len(said.splitlines()) == 2
    assert yard.command("query", "SELECT count(*) FROM runs").finish()[0] == 0
    (yard.arguments[0] / "new.txt").write_text("what arrives later is recorded all the same")
    code, said = yard.start().finish()
    assert code == 0, said
    (yard.arguments[0] / "new.txt").unlink()
    with hilum.open(yard.home) as home:
        assert home.status().outbox == 0
    findings = {found["check"]: found for found in json.loads(yard.command("doctor", "--json").finish()[1])}
    assert findings["warehouse"]["health"] == "error"
    assert path.name in findings["warehouse"]["message"]


@pytest.mark.parametrize("how", ["cut off", "other json", "gone"])
def test_a_damaged_manifest_is_found_and_computed_again(yard: Yard, intact: Snapshot, how: str) -> None:
    path = next(yard.home.glob("store/tasks/*/*/manifest.json"))
    path.chmod(0o644)
    DAMAGE[how](path)
    _mend(yard, "results")
    assert yard.start().finish()[0] == 0
    assert differences(intact, snapshot(yard.home)) == []
    assert faults(yard.home) == []


@pytest.mark.parametrize("how", ["garbled", "gone"])
def test_a_damaged_artifact_is_found_and_computed_again(yard: Yard, intact: Snapshot, how: str) -> None:
    path = next(yard.home.glob("store/tasks/*/*/r-*/list.txt"))
    path.chmod(0o644)
    DAMAGE[how](path)
    _mend(yard, "results")
    assert yard.start().finish()[0] == 0
    assert differences(intact, snapshot(yard.home)) == []
    assert faults(yard.home) == []


def test_links_for_people_that_were_removed_come_back_when_mended(yard: Yard, intact: Snapshot) -> None:
    shutil.rmtree(yard.home / "results")
    code, said = yard.command("doctor", "--mend").finish()
    assert code == 0, said
    assert differences(intact, snapshot(yard.home)) == []


def _mend(yard: Yard, check: str) -> None:
    """Doctor sees it, and mends it."""
    findings = {f["check"]: f for f in json.loads(yard.command("doctor", "--deep", "--json").finish()[1])}
    assert findings[check]["health"] == "error"
    assert "--mend" in findings[check]["mend"]
    assert {name for name, found in findings.items() if found["health"] == "error"} == {check}
    code, said = yard.command("doctor", "--mend").finish()
    assert code == 0, said


def _check(root: Path) -> list[str]:
    try:
        ledger = open_ledger(f"sqlite:///{root / 'ledger.sqlite'}")
    except LedgerDamaged as error:
        return [error.message]
    try:
        return ledger.check()
    finally:
        ledger.close()


def _rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def _garble(path: Path, page: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(page * PAGE)
        stream.write(random.Random(page).randbytes(PAGE))


def _cut(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size // 2)


def _scramble(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as stream:
        stream.write(random.Random(1).randbytes(size))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut off": _cut,
    "garbled": _scramble,
    "empty": lambda path: path.write_bytes(b""),
    "other json": lambda path: path.write_text("[1, 2]"),
    "gone": lambda path: path.unlink(),
}
