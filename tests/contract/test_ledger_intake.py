"""The ledger's port, intake: each arrival gets exactly one outcome, whatever comes and however often."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from beds.ledgers import NEWER_ROW, NOW, OLDER_ROW, find, later, posted, received, settle, unreadable
from hilum.errors import UsageError
from hilum.ledger import schema
from hilum.model.arrival import Outcome
from hilum.model.subject import Scope, subject_id

ACCEPTED, DUPLICATE, IGNORED, QUARANTINED = (
    Outcome.ACCEPTED,
    Outcome.DUPLICATE,
    Outcome.IGNORED,
    Outcome.QUARANTINED,
)


def places(ledger, *uids):
    """Where these instances are, by UID."""
    return {uid: place.uri for uid, place in ledger.places(uids).items()}


def test_each_arrival_gets_its_outcome_and_the_sum_holds(ledger):
    arrivals = [
        received(1),
        received(2),
        received(1, uri="file:///elsewhere/1.dcm"),
        received(2, content="other", uri="file:///elsewhere/2.dcm"),
        unreadable(1, "truncated"),
        unreadable(2, "not-dicom", ignored=True),
    ]
    outcomes = ledger.record_arrivals(arrivals, NOW)
    assert outcomes == [ACCEPTED, ACCEPTED, DUPLICATE, QUARANTINED, QUARANTINED, IGNORED]
    assert ledger.summary().arrivals == {"accepted": 2, "duplicate": 1, "ignored": 1, "quarantined": 2}
    assert ledger.summary().quarantine == {"conflicting-content": 1, "truncated": 1}


def test_the_warehouse_learns_of_every_arrival_and_of_each_accepted_header(ledger):
    ledger.record_arrivals([received(1), received(1, uri="file:///b"), unreadable(1)], NOW)
    rows = posted(ledger)
    assert [row["outcome"] for row in rows["arrivals"]] == ["accepted", "duplicate", "quarantined"]
    (header,) = rows["dicom_metadata"]
    assert header["SOPInstanceUID"] == "1.2.3.1"
    assert header["FileURI"] == "file:///inbox/1.dcm"
    assert header["FileSize"] == 1001
    (entry,) = rows["quarantine"]
    assert (entry["reason"], entry["released_at"]) == ("truncated", None)


def test_a_redelivery_changes_nothing(ledger):
    arrivals = [received(1), received(2, series="1.2.2"), unreadable(1), unreadable(2, ignored=True)]
    first = ledger.record_arrivals(arrivals, NOW)
    posted(ledger)
    before = (ledger.summary(), ledger.open_subjects(), ledger.quarantine())
    assert ledger.record_arrivals(list(reversed(arrivals)), later(60)) == first[::-1]
    assert (ledger.summary(), ledger.open_subjects(), ledger.quarantine()) == before
    assert posted(ledger) == {}


def test_the_same_delivery_twice_in_one_batch_counts_once(ledger):
    assert ledger.record_arrivals([received(1), received(1), unreadable(1), unreadable(1)], NOW) == [
        ACCEPTED,
        ACCEPTED,
        QUARANTINED,
        QUARANTINED,
    ]
    assert ledger.summary().arrivals == {"accepted": 1, "quarantined": 1}
    assert find(ledger).instances == 1


def test_the_same_bytes_from_another_path_are_a_duplicate_and_move_nothing(ledger):
    ledger.record_arrivals([received(1)], NOW)
    before = ledger.open_subjects()
    assert ledger.record_arrivals([received(1, uri="file:///copy.dcm")], later(5)) == [DUPLICATE]
    assert ledger.open_subjects() == before
    assert places(ledger, "1.2.3.1", "1.2.3.999") == {"1.2.3.1": "file:///inbox/1.dcm"}


def test_a_new_version_with_the_same_bytes_is_a_duplicate_and_is_known(ledger):
    ledger.record_arrivals([received(1)], NOW)
    assert ledger.record_arrivals([received(1, version="2")], NOW) == [DUPLICATE]
    known = ledger.known(["file:///inbox/1.dcm"])["file:///inbox/1.dcm"]
    assert (known.version, known.outcome) == ("2", DUPLICATE)


def test_what_is_known_of_an_address_is_its_newest_version_and_its_subjects(ledger):
    ledger.record_arrivals([received(1), unreadable(1)], NOW)
    known = ledger.known(["file:///inbox/1.dcm", "file:///inbox/bad-1", "file:///never/seen"])
    assert set(known) == {"file:///inbox/1.dcm", "file:///inbox/bad-1"}
    series, study = subject_id(Scope.SERIES, "1.2.1"), subject_id(Scope.STUDY, "1.2")
    assert set(known["file:///inbox/1.dcm"].subjects) == {series, study}
    assert known["file:///inbox/bad-1"].outcome is QUARANTINED
    assert known["file:///inbox/bad-1"].subjects == ()


def test_more_addresses_than_one_statement_takes_can_be_asked_for(ledger):
    ledger.record_arrivals([received(number) for number in range(1200)], NOW)
    assert len(ledger.known([f"file:///inbox/{number}.dcm" for number in range(1300)])) == 1200
    assert len(ledger.places([f"1.2.3.{number}" for number in range(1300)])) == 1200
    assert len(ledger.members(find(ledger))) == 1200


def test_other_bytes_under_a_known_uid_are_a_conflict_with_both_digests(ledger):
    old, new = received(1), received(1, content="other", uri="file:///other.dcm")
    ledger.record_arrivals([old], NOW)
    assert ledger.record_arrivals([new], NOW) == [QUARANTINED]
    (entry,) = ledger.quarantine()
    assert (entry.reason, entry.digest, entry.known_digest) == (
        "conflicting-content",
        new.digest,
        old.digest,
    )
    assert old.digest[:12] in entry.detail
    assert new.digest[:12] in entry.detail
    assert find(ledger).instances == 1


class TestRelease:
    def conflict(self, ledger):
        old, new = received(1), received(1, content="other", uri="file:///other.dcm")
        ledger.record_arrivals([old, received(2)], NOW)
        settle(ledger, find(ledger))
        ledger.record_arrivals([new], NOW)
        posted(ledger)
        (entry,) = ledger.quarantine()
        return old, new, entry

    def test_keeping_the_old_changes_no_subject(self, ledger):
        old, _, entry = self.conflict(ledger)
        released = ledger.release(entry.id, "old", later(9))
        assert (released.decision, released.released_at) == ("old", later(9))
        assert ledger.quarantine() == []
        assert ledger.quarantine(released=True) == [released]
        assert not find(ledger).open
        assert old.digest in {member.digest for member in ledger.members(find(ledger))}
        rows = posted(ledger)
        assert [row["decision"] for row in rows.pop("quarantine")] == ["old"]
        assert rows == {}

    def test_keeping_the_new_replaces_the_instance_and_opens_its_subjects(self, ledger):
        old, new, entry = self.conflict(ledger)
        before = find(ledger)
        ledger.release(entry.id, "new", later(9))
        after = find(ledger)
        assert after.open
        assert after.changes > before.changes
        assert after.instances == 2
        digests = {member.digest for member in ledger.members(after)}
        assert new.digest in digests
        assert old.digest not in digests
        assert settle(ledger, after).digest != before.revision
        assert places(ledger, "1.2.3.1") == {"1.2.3.1": "file:///other.dcm"}

    def test_keeping_the_new_posts_its_header_under_the_id_that_the_old_one_had(self, ledger):
        ledger.record_arrivals([received(1)], NOW)
        (before,) = posted(ledger)["dicom_metadata"]
        new = received(1, content="other", uri="file:///other.dcm")
        ledger.record_arrivals([new], NOW)
        (entry,) = ledger.quarantine()
        ledger.release(entry.id, "new", later(9))
        rows = posted(ledger)
        (header,) = rows["dicom_metadata"]
        assert header["FileSHA256"] == new.digest
        assert header["_row_id"] == before["_row_id"]
        assert [row["decision"] for row in rows["quarantine"]] == ["", "new"]
        assert "retractions" not in rows

    def test_keeping_the_new_retracts_a_header_that_an_older_version_named_otherwise(self, ledger):
        ledger.record_arrivals([received(1)], NOW)
        ledger.record_arrivals([received(1, content="other", uri="file:///other.dcm")], NOW)
        ledger.database.write(
            lambda connection: connection.execute(update(schema.instances).values(header_id="i-older"))
        )
        posted(ledger)
        (entry,) = ledger.quarantine()
        ledger.release(entry.id, "new", later(9))
        (retraction,) = posted(ledger)["retractions"]
        assert (retraction["table_name"], retraction["row_id"]) == ("dicom_metadata", "i-older")

    def test_keeping_new_content_that_an_older_version_put_into_quarantine_posts_its_header(self, ledger):
        _, _, entry = self.conflict(ledger)
        table = schema.quarantine

        def age(connection):
            kept = json.loads(connection.execute(select(table.c.received)).scalar_one())
            kept["row"] = OLDER_ROW
            connection.execute(update(table).values(received=json.dumps(kept)))

        ledger.database.write(age)
        ledger.release(entry.id, "new", later(9))
        (header,) = posted(ledger)["dicom_metadata"]
        assert header["FileURI"] == entry.uri
        assert {name: header[name] for name in NEWER_ROW} == NEWER_ROW

    def test_keeping_the_same_new_content_twice_does_not_retract_what_is_kept(self, ledger):
        _, new, entry = self.conflict(ledger)
        ledger.record_arrivals([replace(new, arrival=replace(new.arrival, uri="file:///third.dcm"))], NOW)
        (other,) = [each for each in ledger.quarantine() if each.id != entry.id]
        ledger.release(entry.id, "new", later(9))
        settle(ledger, find(ledger))
        posted(ledger)
        ledger.release(other.id, "new", later(10))
        assert set(posted(ledger)) == {"quarantine"}
        assert not find(ledger).open

    def test_an_instance_that_moves_to_another_series_is_counted_there_alone(self, ledger):
        ledger.record_arrivals([received(1), received(2)], NOW)
        moved = received(1, content="moved", series="1.2.9", uri="file:///moved.dcm")
        ledger.record_arrivals([moved], NOW)
        (entry,) = ledger.quarantine()
        ledger.release(entry.id, "new", NOW)
        assert find(ledger, "1.2.1").instances == 1
        assert find(ledger, "1.2.9").instances == 1
        assert find(ledger, "1.2", Scope.STUDY).instances == 2

    def test_a_series_that_lost_its_last_instance_is_not_settled_any_more(self, ledger):
        ledger.record_arrivals([received(1)], NOW)
        ledger.record_arrivals([received(1, content="moved", series="1.2.9", uri="file:///m.dcm")], NOW)
        (entry,) = ledger.quarantine()
        ledger.release(entry.id, "new", NOW)
        assert {subject.uid for subject in ledger.open_subjects()} == {"1.2.9", "1.2"}
        assert ledger.summary().open_subjects == 2

    def test_a_conflict_needs_a_decision(self, ledger):
        _, _, entry = self.conflict(ledger)
        with pytest.raises(UsageError) as caught:
            ledger.release(entry.id, "", NOW)
        assert caught.value.reason == "needs-decision"
        assert "--keep old or --keep new" in caught.value.hint
        assert ledger.quarantine() == [entry]

    def test_anything_else_takes_no_decision(self, ledger):
        ledger.record_arrivals([unreadable(1)], NOW)
        (entry,) = ledger.quarantine()
        with pytest.raises(UsageError):
            ledger.release(entry.id, "new", NOW)

    def test_what_is_not_there_or_already_settled_cannot_be_released(self, ledger):
        _, _, entry = self.conflict(ledger)
        ledger.release(entry.id, "old", NOW)
        for gone in (entry.id, "q-0000000000000000"):
            with pytest.raises(UsageError, match=gone):
                ledger.release(gone, "old", NOW)

    def test_anything_else_is_forgotten_and_read_afresh(self, ledger):
        ledger.record_arrivals([unreadable(1)], NOW)
        (entry,) = ledger.quarantine()
        assert ledger.release(entry.id, "", later(1)).decision == "again"
        assert ledger.known([entry.uri]) == {}
        assert ledger.record_arrivals([unreadable(1)], later(2)) == [QUARANTINED]
        (again,) = ledger.quarantine()
        assert again.quarantined_at == later(2)
        assert ledger.summary().arrivals == {"quarantined": 1}


class TestHalfWritten:
    """An object is seen before all of it is there, and again when it is."""

    whole = received(1, uri="file:///inbox/bad-1", version="2")

    def test_it_leaves_the_quarantine_by_itself_when_it_can_be_read(self, ledger):
        ledger.record_arrivals([unreadable(1)], NOW)
        posted(ledger)
        assert ledger.record_arrivals([self.whole], later(5)) == [ACCEPTED]
        assert ledger.quarantine() == []
        (entry,) = ledger.quarantine(released=True)
        assert (entry.decision, entry.released_at) == ("replaced", later(5))
        assert [row["decision"] for row in posted(ledger)["quarantine"]] == ["replaced"]

    def test_only_its_newest_version_waits_for_somebody(self, ledger):
        ledger.record_arrivals([unreadable(1), unreadable(1, version="2")], NOW)
        assert [entry.version for entry in ledger.quarantine()] == ["2"]
        ledger.record_arrivals([unreadable(1, version="3"), unreadable(2)], NOW)
        assert sorted(entry.version for entry in ledger.quarantine()) == ["1", "3"]

    def test_a_good_version_that_is_told_of_again_does_not_excuse_a_newer_bad_one(self, ledger):
        ledger.record_arrivals([self.whole], NOW)
        ledger.record_arrivals([unreadable(1, version="3"), self.whole], NOW)
        assert [entry.version for entry in ledger.quarantine()] == ["3"]

    def test_a_conflict_still_needs_somebody(self, ledger):
        ledger.record_arrivals([received(1), received(1, content="other", uri="file:///o")], NOW)
        ledger.record_arrivals([received(2, uri="file:///o", version="2")], NOW)
        assert [entry.reason for entry in ledger.quarantine()] == ["conflicting-content"]


def test_an_instance_that_was_moved_is_found_at_its_new_address(ledger):
    item = received(1)
    ledger.record_arrivals([item], NOW)
    ledger.relocate("1.2.3.1", item.digest, "file:///archive/1.dcm", 1001, "7")
    (member,) = ledger.members(find(ledger))
    assert (member.uri, member.version) == ("file:///archive/1.dcm", "7")


def test_other_bytes_are_never_put_in_the_place_of_known_ones(ledger):
    ledger.record_arrivals([received(1)], NOW)
    ledger.relocate("1.2.3.1", "0" * 64, "file:///elsewhere.dcm", 1, "7")
    assert places(ledger, "1.2.3.1") == {"1.2.3.1": "file:///inbox/1.dcm"}


def test_every_place_of_a_content_is_remembered_newest_first(ledger):
    item = received(1)
    ledger.record_arrivals([item, received(1, uri="file:///copy.dcm")], NOW)
    ledger.record_arrivals([received(1, content="other", uri="file:///other.dcm")], NOW)
    copies = ledger.copies("1.2.3.1", item.digest)
    assert [copy.uri for copy in copies] == ["file:///copy.dcm", "file:///inbox/1.dcm"]
    assert ledger.copies("1.2.3.1", "0" * 64) == []


def test_a_conflict_that_was_settled_waits_again_once_its_arrival_is_forgotten(ledger):
    new = received(1, content="other", uri="file:///other.dcm")
    ledger.record_arrivals([received(1), new], NOW)
    (entry,) = ledger.quarantine()
    ledger.release(entry.id, "old", later(1))
    assert ledger.record_arrivals([new], later(2)) == [QUARANTINED]
    assert ledger.quarantine() == []
    ledger.forget([(new.arrival.uri, new.arrival.version)])
    assert ledger.record_arrivals([new], later(3)) == [QUARANTINED]
    assert [again.id for again in ledger.quarantine()] == [entry.id]
    assert ledger.summary().arrivals == {"accepted": 1, "quarantined": 1}
