"""The ledger's port, settling: what a subject holds, and how its content is pinned as a revision."""

from dataclasses import replace

from beds.ledgers import NOW, find, later, posted, received, settle
from hilum.model.subject import Revision, Scope, revision_digest


def test_instances_are_counted_into_their_series_and_study(ledger):
    items = [received(1), received(2), received(3, series="1.2.2"), received(4, series="7.1", study="7")]
    ledger.record_arrivals(items[:2], NOW)
    ledger.record_arrivals(items[2:], later(5))
    counts = {(each.scope, each.uid): each.instances for each in ledger.open_subjects()}
    series, study = Scope.SERIES, Scope.STUDY
    assert counts == {
        (series, "1.2.1"): 2,
        (series, "1.2.2"): 1,
        (series, "7.1"): 1,
        (study, "1.2"): 3,
        (study, "7"): 1,
    }
    assert ledger.summary().subjects == {"series": 3, "study": 2}


def test_a_subject_knows_when_its_first_and_last_instance_arrived(ledger):
    ledger.record_arrivals([received(2, at=later(20)), received(1, at=later(10))], later(20))
    ledger.record_arrivals([received(3, at=later(5))], later(30))
    subject = find(ledger)
    assert (subject.first_arrival, subject.last_arrival) == (later(5), later(20))
    assert ledger.summary().oldest_open == later(5)


def test_facts_are_those_of_the_instance_with_the_smallest_digest(ledger):
    items = sorted((received(number) for number in range(5)), key=lambda item: item.digest)
    for item in (items[3], items[0], items[4]):
        ledger.record_arrivals([item], NOW)
    assert find(ledger).facts == items[0].facts


def test_open_subjects_come_in_pages(ledger):
    ledger.record_arrivals(
        [received(number, series=f"5.{number}", study=f"6.{number}") for number in range(7)], NOW
    )
    found, after = [], ""
    while page := ledger.open_subjects(after, limit=4):
        assert len(page) <= 4
        found += page
        after = page[-1].id
    assert [subject.id for subject in found] == sorted(subject.id for subject in found)
    assert len(found) == 14


def test_settling_pins_the_content_and_closes_the_subject(ledger):
    ledger.record_arrivals([received(1), received(2)], NOW)
    revision = settle(ledger, find(ledger))
    subject = find(ledger)
    assert (subject.open, subject.revision) == (False, revision.digest)
    assert [each.uid for each in ledger.open_subjects()] == ["1.2"]
    assert ledger.subjects() == [subject]


def test_the_warehouse_learns_which_instances_make_up_a_revision_once(ledger):
    ledger.record_arrivals([received(1), received(2)], NOW)
    posted(ledger)
    revision = settle(ledger, find(ledger))
    rows = posted(ledger)
    assert set(rows) == {"revisions"}
    assert {row["SOPInstanceUID"] for row in rows["revisions"]} == {"1.2.3.1", "1.2.3.2"}
    assert {row["revision"] for row in rows["revisions"]} == {revision.digest}


def test_a_subject_that_moved_since_it_was_read_is_not_settled(ledger):
    ledger.record_arrivals([received(1)], NOW)
    seen = find(ledger)
    members = ledger.members(seen)
    ledger.record_arrivals([received(2)], NOW)
    posted(ledger)
    revision = Revision(seen.id, revision_digest([each.digest for each in members]), 1, NOW, "quiet")
    assert not ledger.settle(seen, revision, members)
    assert find(ledger).open
    assert posted(ledger) == {}


def test_a_subject_is_settled_by_one_of_two_who_try(ledger):
    ledger.record_arrivals([received(1)], NOW)
    seen = find(ledger)
    members = ledger.members(seen)
    revision = Revision(seen.id, revision_digest([each.digest for each in members]), 1, NOW, "quiet")
    assert ledger.settle(seen, revision, members)
    assert not ledger.settle(seen, revision, members)
    assert len([*posted(ledger)["revisions"]]) == 1


def test_a_late_arrival_opens_the_subject_and_makes_a_new_revision(ledger):
    ledger.record_arrivals([received(1)], NOW)
    first = settle(ledger, find(ledger))
    assert ledger.summary().late == 0
    ledger.record_arrivals([received(2)], later(100))
    assert find(ledger).open
    second = settle(ledger, find(ledger))
    assert first.digest != second.digest
    assert ledger.summary().late == 1


def test_content_that_returns_is_the_earlier_revision_and_is_posted_no_second_time(ledger):
    ledger.record_arrivals([received(1)], NOW)
    first = settle(ledger, find(ledger))
    ledger.create_runs([], [(find(ledger).id, first.digest)], NOW)
    for content in ("other", ""):
        again = received(1, content=content, uri=f"file:///{content or 'back'}.dcm")
        ledger.record_arrivals([again], NOW)
        (entry,) = ledger.quarantine()
        ledger.release(entry.id, "new", NOW)
        posted(ledger)
        revision = settle(ledger, find(ledger))
        ledger.create_runs([], [(find(ledger).id, revision.digest)] if content else [], NOW)
    assert revision.digest == first.digest
    assert "revisions" not in posted(ledger)
    assert [each.uid for each in ledger.subjects(unplanned=True)] == ["1.2.1"]


def test_closing_marks_open_subjects_until_something_new_arrives(ledger):
    ledger.record_arrivals([received(1)], NOW)
    ledger.close_subjects([find(ledger).id, "s-0000000000000000"])
    assert find(ledger).closing
    ledger.record_arrivals([received(2)], NOW)
    assert not find(ledger).closing
    settle(ledger, find(ledger))
    ledger.close_subjects([find(ledger).id])
    assert not find(ledger).closing


def test_members_are_those_of_the_series_or_of_the_whole_study_by_digest(ledger):
    ledger.record_arrivals([received(1), received(2), received(3, series="1.2.2")], NOW)
    of_study = ledger.members(find(ledger, "1.2", Scope.STUDY))
    assert [each.digest for each in of_study] == sorted(each.digest for each in of_study)
    assert {each.series_instance_uid for each in of_study} == {"1.2.1", "1.2.2"}
    assert len(ledger.members(find(ledger))) == 2


def test_a_settled_subject_waits_for_planning_until_its_revision_is_planned(ledger):
    ledger.record_arrivals([received(1)], NOW)
    revision = settle(ledger, find(ledger))
    subject = find(ledger)
    assert ledger.subjects(unplanned=True) == [subject]
    ledger.create_runs([], [(subject.id, "of an older revision")], NOW)
    assert ledger.subjects(unplanned=True) == [subject]
    ledger.create_runs([], [(subject.id, revision.digest)], NOW)
    assert ledger.subjects(unplanned=True) == []
    assert ledger.subjects(["s-0000000000000000"]) == []


class TestDerived:
    """What a task made is a series of its own, and no part of the study that it is about."""

    def made(self, ledger, *, series, study="1.2", number=50):
        item = received(number, series=series, study=study)
        item = replace(item, arrival=replace(item.arrival, source=f"task:{'f' * 64}"))
        ledger.record_arrivals([item], NOW)
        return item

    def test_it_opens_its_series_and_leaves_the_study_alone(self, ledger):
        ledger.record_arrivals([received(1), received(2)], NOW)
        before = find(ledger, "1.2", Scope.STUDY)
        self.made(ledger, series="1.2.9")
        after = find(ledger, "1.2", Scope.STUDY)
        assert (after.instances, after.changes) == (before.instances, before.changes)
        assert len(ledger.members(after)) == 2
        assert [member.sop_instance_uid for member in ledger.members(find(ledger, "1.2.9"))] == ["1.2.3.50"]

    def test_a_study_of_which_nothing_else_is_known_is_no_subject(self, ledger):
        self.made(ledger, series="1.2.9", study="1.5")
        assert [subject.scope for subject in ledger.open_subjects()] == [Scope.SERIES]
