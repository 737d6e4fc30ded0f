"""The ledger's port, recording: what the warehouse is to learn comes in order, in bounded batches, until it has it.
And what people look at: roles, counts, the check."""

import json
import os
import zlib
from dataclasses import replace

import pytest
from sqlalchemy import insert

from beds.ledgers import (
    DEAD,
    LEASE,
    NEWER_ROW,
    NOW,
    OLDER_ROW,
    claim_one,
    find,
    finish,
    later,
    plan_of,
    posted,
    received,
    settle,
    start,
    unreadable,
)
from hilum.errors import UsageError
from hilum.ledger import open_ledger, schema
from hilum.ledger.interface import LedgerBusy

ME, OTHER = "here/1", "there/2"


class TestOutbox:
    def test_a_batch_comes_under_its_number_until_it_is_done(self, ledger):
        ledger.record_arrivals([received(1)], NOW)
        first = ledger.take_outbox()
        ledger.record_arrivals([received(2)], NOW)
        assert ledger.take_outbox() == first
        ledger.outbox_done(first.number)
        second = ledger.take_outbox()
        assert second.number > first.number
        assert [row["uri"] for row in second.rows["arrivals"]] == ["file:///inbox/2.dcm"]
        ledger.outbox_done(second.number)
        assert ledger.take_outbox() is None

    def test_a_batch_is_the_same_for_who_opens_the_ledger_next(self, ledger, ledger_url):
        ledger.record_arrivals([received(1)], NOW)
        batch = ledger.take_outbox()
        again = open_ledger(ledger_url)
        assert again.take_outbox() == batch
        again.close()

    def test_numbers_go_up_for_good(self, ledger):
        numbers = []
        for number in range(3):
            ledger.record_arrivals([received(number)], NOW)
            batch = ledger.take_outbox()
            ledger.outbox_done(batch.number)
            numbers.append(batch.number)
        assert numbers == sorted(set(numbers))
        assert numbers[0] >= 1

    def test_rows_come_in_the_order_in_which_they_became_true(self, ledger):
        for number in range(5):
            ledger.record_arrivals([received(number)], NOW)
        order = []
        while batch := ledger.take_outbox(limit=2):
            assert len(batch.rows["arrivals"]) <= 2
            order += [row["uri"] for row in batch.rows["arrivals"]]
            ledger.outbox_done(batch.number)
        assert order == [f"file:///inbox/{number}.dcm" for number in range(5)]

    def test_a_batch_stays_small_enough_to_hold_in_memory(self, ledger):
        for first in range(0, 80, 10):
            noise = os.urandom(40_000).hex()
            wide = [replace(received(first + place), row=f'{{"PatientID":"{noise}"}}') for place in range(10)]
            ledger.record_arrivals(wide, NOW)
        sizes = []
        while batch := ledger.take_outbox():
            sizes.append(sum(len(json.loads(line)["PatientID"]) for line in batch.headers.splitlines()))
            ledger.outbox_done(batch.number)
        assert sum(sizes) == 80 * 80_000
        assert len(sizes) > 1

    def test_entries_that_an_older_version_wrote_come_as_those_of_today(self, ledger):
        ledger.record_arrivals([received(1)], NOW)
        older = {"dicom_metadata": [{"_row_id": "i-1", **OLDER_ROW}], "arrivals": [{"_row_id": "e-1"}]}
        payload = zlib.compress(json.dumps(older).encode())
        ledger.database.write(
            lambda connection: connection.execute(insert(schema.outbox).values(rows=2, payload=payload))
        )
        rows = posted(ledger)
        assert [row["_row_id"] for row in rows["dicom_metadata"]][1:] == ["i-1"]
        assert rows["dicom_metadata"][1].items() >= NEWER_ROW.items()
        assert rows["arrivals"][1] == {"_row_id": "e-1"}

    def test_what_waits_is_counted(self, ledger):
        ledger.record_arrivals([received(1), unreadable(1)], NOW)
        assert ledger.summary().outbox == 4
        posted(ledger)
        assert ledger.summary().outbox == 0

    def test_what_failed_is_not_posted(self, ledger):
        ledger.record_arrivals([received(1)], NOW)
        ledger.record_arrivals([received(1, content="other", uri="file:///b")], NOW)
        posted(ledger)
        (entry,) = ledger.quarantine()
        with pytest.raises(UsageError):
            ledger.release(entry.id, "", NOW)
        assert posted(ledger) == {}


class TestRoles:
    def test_one_at_a_time_has_a_role(self, ledger):
        assert ledger.acquire_role("recorder", ME, NOW, LEASE)
        assert ledger.acquire_role("recorder", ME, later(1), LEASE)
        assert not ledger.acquire_role("recorder", OTHER, later(2), LEASE)
        assert ledger.acquire_role("settler", OTHER, later(2), LEASE)

    def test_a_role_is_free_when_its_lease_has_run_out(self, ledger):
        ledger.acquire_role("recorder", ME, NOW, LEASE)
        assert ledger.acquire_role("recorder", OTHER, later(LEASE + 1), LEASE)
        assert not ledger.acquire_role("recorder", ME, later(LEASE + 2), LEASE)

    def test_a_role_of_somebody_known_to_be_gone_is_free(self, ledger):
        ledger.acquire_role("recorder", ME, NOW, LEASE)
        assert ledger.owners() == [ME]
        assert ledger.reclaim(NOW, gone=[ME]) == 0
        assert ledger.owners() == []
        assert ledger.acquire_role("recorder", OTHER, NOW, LEASE)

    def test_nobody_waits_for_a_role_until_a_time_that_the_clock_was_set_back_from(self, ledger):
        ledger.acquire_role("recorder", ME, later(3600), LEASE)
        assert ledger.acquire_role("recorder", OTHER, NOW, LEASE)

    def test_a_role_is_given_back_only_by_who_has_it(self, ledger):
        ledger.acquire_role("recorder", ME, NOW, LEASE)
        ledger.release_role("recorder", OTHER)
        assert not ledger.acquire_role("recorder", OTHER, NOW, LEASE)
        ledger.release_role("recorder", ME)
        assert ledger.acquire_role("recorder", OTHER, NOW, LEASE)


def test_the_summary_counts_everything(ledger):
    ledger.record_arrivals([received(7000), unreadable(1), unreadable(2, "empty")], NOW)
    good, bad = start(ledger, plan_of(), 1), start(ledger, plan_of(pipeline="q"), 2)
    finish(ledger, claim_one(ledger, now=NOW))
    finish(ledger, claim_one(ledger, now=NOW), DEAD, reason="no-pixels")
    ledger.record_arrivals([received(8000, series="1.2.1.1", study="1.2.1")], NOW)
    settle(ledger, find(ledger, "1.2.1.1"))
    summary = ledger.summary()
    assert summary.arrivals == {"accepted": 4, "quarantined": 2}
    assert summary.quarantine == {"truncated": 1, "empty": 1}
    assert summary.subjects == {"series": 3, "study": 3}
    assert summary.open_subjects == 4
    assert sorted((pipeline, *states.items()) for pipeline, states in summary.runs.items()) in (
        [("p", ("succeeded", 1)), ("q", ("failed", 1))],
        [("p", ("failed", 1)), ("q", ("succeeded", 1))],
    )
    assert summary.tasks == {"succeeded": 1, "dead": 1}
    assert (summary.superseded, summary.late) == (0, 1)
    (failure,) = summary.failures
    assert (failure.reason, failure.run_id in (good, bad)) == ("no-pixels", True)


def test_a_sound_ledger_has_nothing_wrong_with_it(ledger):
    start(ledger, plan_of())
    assert ledger.check() == []


def test_a_ledger_stays_when_it_is_closed_and_opened(ledger, ledger_url):
    run_id = start(ledger, plan_of())
    before = ledger.summary()
    ledger.close()
    again = open_ledger(ledger_url)
    assert again.summary() == before
    assert claim_one(again).run.id == run_id
    again.close()


def test_an_address_of_another_kind_is_refused():
    with pytest.raises(UsageError) as caught:
        open_ledger("mysql://somewhere/db")
    assert "hilum.toml" in caught.value.hint


def test_a_server_that_does_not_answer_may_answer_later(tmp_path):
    with pytest.raises(LedgerBusy) as caught:
        open_ledger(f"postgresql://hilum@/db?host={tmp_path}")
    assert caught.value.transient


def test_a_password_is_never_told(tmp_path):
    with pytest.raises(LedgerBusy) as caught:
        open_ledger(f"postgresql://hilum:s3cret@/db?host={tmp_path}")
    assert "s3cret" not in str(caught.value)
