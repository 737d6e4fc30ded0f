"""A ledger whose file was damaged is refused with a clear word and a hint, never with a traceback."""

import os
import random
import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beds.ledgers import LEASE, NOW, find, finish, later, plan_of, received, settle, start_many, unreadable
from hilum.ledger import open_ledger
from hilum.ledger.interface import LedgerBusy, LedgerDamaged

PAGE = 4096


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    """The file of a closed ledger with something in every table, some 100 pages long."""
    path = tmp_path_factory.mktemp("sound") / "ledger.sqlite"
    ledger = open_ledger(f"sqlite:///{path}")
    ledger.record_arrivals([received(number, Note="x" * 500) for number in range(300)], NOW)
    ledger.record_arrivals([unreadable(number) for number in range(40)], NOW)
    settle(ledger, find(ledger))
    start_many(ledger, plan_of({"a": (), "b": ["a"]}), range(10, 30))
    for claim in ledger.claim("here/1", 10, later(1), LEASE)[:5]:
        finish(ledger, claim)
    ledger.acquire_role("recorder", "here/1", NOW, LEASE)
    ledger.take_outbox(1)
    ledger.close()
    return path


@pytest.fixture
def copy(sound, tmp_path) -> Path:
    return Path(shutil.copy(sound, tmp_path))


def overwrite(path: Path, first: int, pages: int, noise: bytes = b"") -> None:
    with path.open("r+b") as file:
        file.seek(first * PAGE)
        file.write(noise or random.Random(first).randbytes(pages * PAGE))


def use(path: Path) -> list[str]:
    """Everything that may touch a page; what the check says."""
    ledger = open_ledger(f"sqlite:///{path}")
    try:
        ledger.summary()
        subjects = ledger.subjects() + ledger.open_subjects()
        for subject in subjects:
            ledger.members(subject)
        ledger.current_runs([subject.id for subject in subjects])
        ledger.tasks([run.id for run in ledger.runs()])
        ledger.quarantine(released=True)
        ledger.known([f"file:///inbox/{number}.dcm" for number in range(300)])
        for claim in ledger.claim("here/1", 20, later(2), LEASE):
            finish(ledger, claim)
        while batch := ledger.take_outbox():
            ledger.outbox_done(batch.number)
        ledger.record_arrivals([received(number) for number in range(300, 330)], NOW)
        return ledger.check()
    finally:
        ledger.close()


def test_a_ledger_with_its_middle_overwritten_is_refused(copy):
    pages = copy.stat().st_size // PAGE
    overwrite(copy, pages // 3, pages // 3)
    with pytest.raises(LedgerDamaged) as caught:
        use(copy)
    assert caught.value.reason == "ledger-damaged"
    assert "hilum doctor" in caught.value.hint


def test_the_check_explains_what_is_wrong(copy):
    ledger = open_ledger(f"sqlite:///{copy}")
    pages = copy.stat().st_size // PAGE
    overwrite(copy, pages // 3, pages // 3)
    found = ledger.check()
    ledger.close()
    assert found
    assert any("page" in line.lower() or "damaged" in line for line in found), found


def test_rows_that_do_not_agree_are_found_although_every_page_is_sound(copy):
    with sqlite3.connect(copy) as connection:
        connection.execute("DELETE FROM segments")
        connection.execute("UPDATE subjects SET instances = instances + 1 WHERE scope = 'study'")
        connection.execute("DELETE FROM instances WHERE sop_instance_uid = '1.2.3.7'")
    connection.close()
    ledger = open_ledger(f"sqlite:///{copy}")
    found = ledger.check()
    ledger.close()
    assert sum("nothing of it can start" in line for line in found) == 10
    assert sum("does not count its instances right" in line for line in found) == 11
    assert sum("arrivals were accepted" in line for line in found) == 1


def test_a_missing_table_is_named(copy):
    with sqlite3.connect(copy) as connection:
        connection.execute("DROP TABLE quarantine")
    connection.close()
    ledger = open_ledger(f"sqlite:///{copy}")
    assert ledger.check() == ["table quarantine is missing"]
    with pytest.raises(LedgerDamaged):
        ledger.quarantine()
    ledger.close()


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be read" * 9, b"\0" * PAGE])
def test_a_file_that_is_no_database_is_refused(tmp_path, content):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(LedgerDamaged):
        open_ledger(f"sqlite:///{path}")
    assert path.read_bytes() == content


def test_a_ledger_cut_short_is_refused(copy):
    os.truncate(copy, copy.stat().st_size // PAGE // 2 * PAGE)
    with pytest.raises(LedgerDamaged):
        use(copy)


def test_a_folder_that_is_not_there_may_be_there_later(tmp_path):
    with pytest.raises(LedgerBusy) as caught:
        open_ledger(f"sqlite:///{tmp_path}/missing/ledger.sqlite")
    assert caught.value.hint


@pytest.mark.slow
@given(st.integers(0, 10_000), st.integers(1, 4), st.binary(min_size=1, max_size=200) | st.just(b""))
@settings(max_examples=20)
def test_no_damage_anywhere_shows_as_anything_but_a_damaged_ledger(sound, place, pages, noise):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(sound, folder))
        overwrite(path, place % (path.stat().st_size // PAGE), pages, noise)
        with suppress(LedgerDamaged):
            use(path)
