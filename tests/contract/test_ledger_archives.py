"""The ledger's port, archives: what is known of their members, and when one is opened again."""

from __future__ import annotations

import json
from dataclasses import replace

from beds.ledgers import NOW, later, received, unreadable
from hilum.kernel.address import member_uri, member_version
from hilum.ledger.interface import Ledger
from hilum.model.arrival import Received
from hilum.model.subject import Scope, subject_id

ARCHIVE = "file:///inbox/a.zip"
SUBJECTS = {subject_id(Scope.SERIES, "1.2.1"), subject_id(Scope.STUDY, "1.2")}


def member(number: int, *, archive: str = ARCHIVE, version: str = "1-2", **about: str) -> Received:
    """An instance in an archive."""
    uri = member_uri(archive, f"{number}.dcm".encode())
    return received(number, uri=uri, version=member_version(version, f"{number}"), **about)


def whole(archive: str = ARCHIVE, version: str = "1-2") -> Received:
    """An archive's own outcome."""
    item = unreadable(1, "archive", ignored=True, version=version)
    return replace(item, arrival=replace(item.arrival, uri=archive))


def test_the_members_of_an_archive_are_known_by_number_and_subjects(ledger: Ledger) -> None:
    others = [
        received(7),
        member(8, archive="file:///inbox/a.zip.zip", series="1.2.8"),
        member(9, archive="file:///inbox/a", series="1.2.9"),
    ]
    bad = unreadable(5)
    bad = replace(bad, arrival=replace(bad.arrival, uri=f"{ARCHIVE}!/%C3%BC", version="1-2/5"))
    ledger.record_arrivals([member(1), member(2), member(3), bad, whole(), *others], NOW)
    assert ledger.contents({ARCHIVE: "1-2"}) == (4, SUBJECTS)
    assert ledger.contents({ARCHIVE: "1-2", "file:///inbox/a": "1-2"})[0] == 5
    assert ledger.contents({"file:///nowhere.zip": "1"}) == (0, set())


def test_members_of_another_state_of_the_archive_do_not_count(ledger: Ledger) -> None:
    ledger.record_arrivals([member(1), member(2), whole()], NOW)
    ledger.record_arrivals([member(1, version="1-23"), whole(version="1-23")], later(1))
    assert ledger.contents({ARCHIVE: "1-23"}) == (1, SUBJECTS)
    assert ledger.contents({ARCHIVE: "1-2"}) == (2, SUBJECTS)


def test_a_duplicate_in_an_archive_belongs_to_its_subjects(ledger: Ledger) -> None:
    ledger.record_arrivals([received(1), member(1), whole()], NOW)
    assert ledger.contents({ARCHIVE: "1-2"}) == (1, SUBJECTS)


def test_a_released_member_lets_its_archive_be_opened_again(ledger: Ledger) -> None:
    bad = unreadable(5)
    bad = replace(bad, arrival=replace(bad.arrival, uri=f"{ARCHIVE}!/5", version="1-2/5"))
    ledger.record_arrivals([bad, member(1), whole()], NOW)
    (entry,) = ledger.quarantine()
    ledger.release(entry.id, "", later(1))
    assert ledger.known([ARCHIVE, f"{ARCHIVE}!/5"]) == {}
    assert list(ledger.known([f"{ARCHIVE}!/1.dcm"])) == [f"{ARCHIVE}!/1.dcm"]


def test_rows_for_the_warehouse_name_members(ledger: Ledger) -> None:
    ledger.record_arrivals([member(1)], NOW)
    batch = ledger.take_outbox()
    assert batch is not None
    assert json.loads(batch.headers)["FileURI"] == f"{ARCHIVE}!/1.dcm"
