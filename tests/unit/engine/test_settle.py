"""When a subject is complete: each rule alone, with the time handed in."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beds.ledgers import NOW, received
from hilum.engine.settle import Patience, Settler, complete_by, expected_instances, write_members
from hilum.kernel.clock import ManualClock
from hilum.ledger import open_ledger
from hilum.model.keys import revision_object
from hilum.model.subject import Member, Scope, Subject
from hilum.storage.local import LocalStorage

START = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = Patience(quiet=60, at_most=5400)


def subject(
    instances: int = 3, *, first: float = 0, last: float = 10, scope: Scope = Scope.SERIES, **more: Any
) -> Subject:
    """A series whose instances arrived so many seconds after START."""
    return Subject(
        id="s-0123456789abcdef",
        scope=scope,
        uid="1.2.3",
        study_uid="1.2",
        instances=instances,
        first_arrival=START + timedelta(seconds=first),
        last_arrival=START + timedelta(seconds=last),
        **more,
    )


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_series_is_open_until_it_was_quiet_for_long_enough() -> None:
    assert complete_by(subject(last=10), PATIENCE, at(69.9)) is None
    assert complete_by(subject(last=10), PATIENCE, at(70)) == "quiet"


def test_a_late_instance_starts_the_quiet_period_again() -> None:
    assert complete_by(subject(last=65), PATIENCE, at(70)) is None


def test_a_series_that_never_falls_quiet_is_complete_after_at_most_so_long() -> None:
    assert complete_by(subject(last=5399), PATIENCE, at(5399.5)) is None
    assert complete_by(subject(last=5399), PATIENCE, at(5400)) == "at-most"


def test_a_count_in_the_headers_completes_a_series_at_once() -> None:
    facts = {"NumberOfSeriesRelatedInstances": 3}
    assert complete_by(subject(3, facts=facts), PATIENCE, at(10)) == "counted"


def test_quiet_does_not_complete_a_series_of_which_the_headers_say_that_some_are_missing() -> None:
    facts = {"NumberOfSeriesRelatedInstances": 4}
    assert complete_by(subject(3, facts=facts), PATIENCE, at(600)) is None
    assert complete_by(subject(3, facts=facts), PATIENCE, at(5400)) == "at-most"


def test_a_study_counts_by_its_own_number() -> None:
    facts = {"NumberOfSeriesRelatedInstances": 3, "NumberOfStudyRelatedInstances": 9}
    assert complete_by(subject(3, scope=Scope.STUDY, facts=facts), PATIENCE, at(600)) is None
    assert complete_by(subject(9, scope=Scope.STUDY, facts=facts), PATIENCE, at(10)) == "counted"


def test_what_somebody_closes_is_complete_at_once_whatever_is_missing() -> None:
    facts = {"NumberOfSeriesRelatedInstances": 400}
    assert complete_by(subject(3, closing=True, facts=facts), PATIENCE, at(10)) == "closed"


def test_a_subject_that_lost_all_its_instances_is_never_complete() -> None:
    assert complete_by(subject(0, closing=True), PATIENCE, at(99999)) is None


def test_a_clock_that_jumped_back_only_makes_it_wait() -> None:
    assert complete_by(subject(first=7200, last=7300), PATIENCE, at(0)) is None


@pytest.mark.parametrize("value", [0, -3, True, "12", 2.5, None])
def test_a_count_that_makes_no_sense_counts_for_nothing(value: object) -> None:
    assert expected_instances(subject(facts={"NumberOfSeriesRelatedInstances": value})) is None


@given(st.floats(0, 10_000), st.floats(0, 10_000))
def test_once_complete_it_stays_complete_while_nothing_arrives(moment: float, more: float) -> None:
    if complete_by(subject(), PATIENCE, at(moment)) is not None:
        assert complete_by(subject(), PATIENCE, at(moment + more)) is not None


class AnswersTwoAtOnce(LocalStorage):
    """A folder that takes an object only while another is offered as well."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._two = threading.Barrier(2, timeout=30)

    def create(self, name: str, data: bytes) -> bool:
        self._two.wait()
        return super().create(name, data)


def test_subjects_are_pinned_without_waiting_for_storage_one_after_another(tmp_path: Path) -> None:
    storage = AnswersTwoAtOnce(tmp_path / "store")
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    ledger.record_arrivals(
        [received(number, series=f"5.{number}", study=f"6.{number // 2}") for number in range(4)], NOW
    )
    ledger.close_subjects(subject.id for subject in ledger.open_subjects())
    assert Settler(ledger, storage, ManualClock(NOW), lambda subject: PATIENCE).settle() == 6
    assert not ledger.open_subjects()
    for subject in ledger.subjects():
        assert len(storage.read(revision_object(subject.revision)).splitlines()) == subject.instances
    ledger.close()


class TakenAway(LocalStorage):
    """A folder from which somebody removes an object between two looks at it, once."""

    gone = False

    def read(self, name: str) -> bytes:
        if not self.gone:
            self.gone = True
            self.delete(name)
        return super().read(name)


def test_members_are_written_whoever_writes_or_removes_them_meanwhile(tmp_path: Path) -> None:
    storage = TakenAway(tmp_path)
    old, new = (Member("1.2", "d" * 64, uri, 1, "v", "1") for uri in ("file:///old", "file:///new"))
    write_members(LocalStorage(tmp_path), "r" * 64, [old])
    write_members(storage, "r" * 64, [new])
    assert b"new" in storage.read(revision_object("r" * 64))
