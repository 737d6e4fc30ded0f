"""The ledger's port, runs: made once, superseded, made current again, and moved on by their tasks."""

from dataclasses import replace

import pytest

from beds.ledgers import (
    AGAIN,
    DEAD,
    LEASE,
    NOW,
    OK,
    claim_one,
    find,
    finish,
    later,
    plan_of,
    posted,
    received,
    settle,
    settled,
    start,
)
from hilum.ledger.interface import NewRun
from hilum.model.work import RunState, TaskState


def states(ledger, run_id):
    return {task.step: task.state.value for task in ledger.tasks([run_id])}


def run_of(ledger, run_id):
    (info,) = ledger.runs(ids=[run_id])
    return info


@pytest.fixture
def subject(ledger):
    return settled(ledger)


class TestCreation:
    def test_a_run_is_made_with_its_tasks_and_says_so(self, ledger, subject):
        plan = plan_of({"a": (), "b": ["a"]})
        posted(ledger)
        (run_id,) = ledger.create_runs([NewRun(plan, subject.id, subject.revision)], [], NOW)
        info = run_of(ledger, run_id)
        assert (info.state, info.current, info.created_at) == (RunState.RUNNING, True, NOW)
        assert (info.subject_uid, info.study_uid) == (subject.uid, subject.study_uid)
        assert states(ledger, run_id) == {"a": "waiting", "b": "waiting"}
        assert ledger.current_runs([subject.id]) == {("p", subject.id): (info, plan)}
        (row,) = posted(ledger)["runs"]
        assert (row["run_id"], row["state"], row["current"]) == (run_id, "running", True)

    def test_the_same_run_is_made_once(self, ledger, subject):
        new = NewRun(plan_of(), subject.id, subject.revision)
        (run_id,) = ledger.create_runs([new, new], [], NOW)
        posted(ledger)
        assert ledger.create_runs([new], [], later(1)) == []
        assert [info.id for info in ledger.runs()] == [run_id]
        assert posted(ledger) == {}

    def test_many_runs_are_made_at_once(self, ledger):
        plan = plan_of({"a": (), "b": ["a"]})
        subjects = [settled(ledger, number) for number in range(5)]
        new = [NewRun(plan, each.id, each.revision) for each in subjects]
        made = ledger.create_runs(new, [(each.id, each.revision) for each in subjects], NOW)
        assert {info.id for info in ledger.runs()} == set(made)
        assert len(ledger.tasks(made)) == 10
        assert ledger.subjects(unplanned=True) == []
        assert ledger.unfinished() == 5
        assert ledger.unfinished([subjects[0].id, subjects[1].id]) == 2

    def test_pipelines_do_not_supersede_each_other(self, ledger, subject):
        new = [NewRun(plan_of(pipeline=name), subject.id, subject.revision) for name in ("p", "q")]
        assert len(ledger.create_runs(new, [], NOW)) == 2
        assert all(info.current for info in ledger.runs())


class TestSuperseding:
    def test_a_newer_run_takes_the_place_of_one_at_work(self, ledger, subject):
        (old,) = ledger.create_runs(
            [NewRun(plan_of({"a": (), "b": ["a"]}, spec="A"), subject.id, subject.revision)], [], NOW
        )
        finish(ledger, claim_one(ledger))
        posted(ledger)
        (new,) = ledger.create_runs([NewRun(plan_of(spec="B"), subject.id, subject.revision)], [], later(5))
        before, after = run_of(ledger, old), run_of(ledger, new)
        assert (before.state, before.current, before.finished_at) == (RunState.SUPERSEDED, False, later(5))
        assert (after.state, after.current, after.supersedes) == (RunState.RUNNING, True, old)
        assert states(ledger, old) == {"a": "succeeded", "b": "cancelled"}
        assert [claim.run.id for claim in ledger.claim("here/1", 9, later(5), LEASE)] == [new]
        rows = posted(ledger)
        assert {(row["run_id"], row["state"]) for row in rows["runs"]} == {
            (old, "superseded"),
            (new, "running"),
        }
        assert [(row["step"], row["state"]) for row in rows["tasks"]] == [("b", "cancelled")]
        assert ledger.summary().superseded == 1

    def test_a_run_that_succeeded_keeps_its_state_but_is_not_current(self, ledger, subject):
        (old,) = ledger.create_runs([NewRun(plan_of(spec="A"), subject.id, subject.revision)], [], NOW)
        finish(ledger, claim_one(ledger))
        ledger.create_runs([NewRun(plan_of(spec="B"), subject.id, subject.revision)], [], later(5))
        assert (run_of(ledger, old).state, run_of(ledger, old).current) == (RunState.SUCCEEDED, False)

    def test_a_run_becomes_current_again_with_nothing_to_do_when_it_had_succeeded(self, ledger, subject):
        first, second = (NewRun(plan_of(spec=spec), subject.id, subject.revision) for spec in "AB")
        (old,) = ledger.create_runs([first], [], NOW)
        finish(ledger, claim_one(ledger))
        (new,) = ledger.create_runs([second], [], later(1))
        posted(ledger)
        assert ledger.create_runs([first], [], later(2)) == []
        assert (run_of(ledger, old).current, run_of(ledger, old).supersedes) == (True, new)
        assert not run_of(ledger, new).current
        assert {(row["run_id"], row["state"], row["current"]) for row in posted(ledger)["runs"]} == {
            (old, "succeeded", True),
            (new, "superseded", False),
        }
        assert ledger.unfinished() == 0

    def test_a_superseded_run_goes_on_where_it_was_when_it_becomes_current_again(self, ledger, subject):
        plan = plan_of({"a": (), "b": ["a"]}, spec="A")
        first = NewRun(plan, subject.id, subject.revision)
        (old,) = ledger.create_runs([first], [], NOW)
        finish(ledger, claim_one(ledger))
        ledger.create_runs([NewRun(plan_of(spec="B"), subject.id, subject.revision)], [], later(1))
        posted(ledger)
        assert ledger.create_runs([first], [], later(2)) == [old]
        assert states(ledger, old) == {"a": "succeeded", "b": "waiting"}
        rows = [row for row in posted(ledger)["runs"] if row["run_id"] == old]
        assert [(row["state"], row["current"]) for row in rows] == [("running", True)]
        claim = claim_one(ledger, now=later(2))
        assert claim.steps == ("b",)
        finish(ledger, claim)
        assert run_of(ledger, old).state is RunState.SUCCEEDED

    def test_an_attempt_at_work_is_given_up_when_its_run_is_superseded_and_comes_back(self, ledger, subject):
        first, second = (NewRun(plan_of(spec=spec), subject.id, subject.revision) for spec in "AB")
        ledger.create_runs([first], [], NOW)
        stale = claim_one(ledger)
        ledger.create_runs([second], [], later(1))
        posted(ledger)
        (old,) = ledger.create_runs([first], [], later(2))
        (row,) = posted(ledger)["attempts"]
        assert (row["attempt_id"], row["outcome"]) == (stale.attempt_id, "cancelled")
        fresh = claim_one(ledger, now=later(2))
        assert (fresh.run.id, fresh.number) == (old, 2)
        assert not finish(ledger, stale)
        assert finish(ledger, fresh)

    def test_a_plan_that_differs_only_in_how_it_travels_does_not_confuse_a_run(self, ledger, subject):
        shape = {"a": (), "b": ["a"]}
        apart = NewRun(plan_of(shape, spec="A"), subject.id, subject.revision)
        together = NewRun(plan_of(shape, [("a", "b")], spec="A"), subject.id, subject.revision)
        (old,) = ledger.create_runs([apart], [], NOW)
        ledger.create_runs([NewRun(plan_of(spec="B"), subject.id, subject.revision)], [], NOW)
        assert ledger.create_runs([together], [], NOW) == [old]
        for _ in range(2):
            finish(ledger, claim_one(ledger))
        assert run_of(ledger, old).state is RunState.SUCCEEDED

    def test_a_run_that_becomes_current_again_has_the_limits_of_the_plan_that_made_it_so(
        self, ledger, subject
    ):
        slow = plan_of(spec="A")
        quick = replace(slow, steps=tuple(replace(step, timeout=7.0) for step in slow.steps))
        for plan in (slow, plan_of(spec="B"), quick):
            ledger.create_runs([NewRun(plan, subject.id, subject.revision)], [], NOW)
        assert [step.timeout for step in claim_one(ledger).plan.steps] == [7.0]

    def test_a_late_arrival_supersedes_the_run_on_the_older_revision(self, ledger):
        old = start(ledger, plan_of())
        ledger.record_arrivals([received(5000, series="1.2.1.1", study="1.2.1")], later(1))
        revision = settle(ledger, find(ledger, "1.2.1.1"), later(1))
        subject = find(ledger, "1.2.1.1")
        (new,) = ledger.create_runs([NewRun(plan_of(), subject.id, revision.digest)], [], later(1))
        assert run_of(ledger, new).supersedes == old


class TestProgress:
    def test_a_run_succeeds_when_all_of_its_tasks_have(self, ledger):
        run_id = start(ledger, plan_of({"a": (), "b": ["a"]}, [("a", "b")]))
        posted(ledger)
        finish(ledger, claim_one(ledger), now=later(3))
        info = run_of(ledger, run_id)
        assert (info.state, info.finished_at, info.reason) == (RunState.SUCCEEDED, later(3), "")
        rows = posted(ledger)
        assert [(row["step"], row["state"]) for row in rows["tasks"]] == [
            ("a", "succeeded"),
            ("b", "succeeded"),
        ]
        assert [row["state"] for row in rows["runs"]] == ["succeeded"]
        assert [row["outcome"] for row in rows["attempts"]] == ["succeeded"]
        assert all(task.task_key for task in ledger.tasks([run_id]))

    def test_a_step_may_start_when_all_that_it_needs_has_ended(self, ledger):
        start(ledger, plan_of({"a": (), "b": (), "c": ["a", "b"]}))
        first, second = ledger.claim("here/1", 9, NOW, LEASE)
        finish(ledger, first)
        assert ledger.claim("here/1", 9, NOW, LEASE) == []
        finish(ledger, second)
        claim = claim_one(ledger)
        assert claim.steps == ("c",)
        assert set(claim.keys) == {"a", "b"}

    def test_two_needs_that_end_in_one_batch_open_what_needs_both(self, ledger):
        from beds.ledgers import ended

        run_id = start(ledger, plan_of({"a": (), "b": (), "c": ["a", "b"]}))
        claims = ledger.claim("here/1", 9, NOW, LEASE)
        assert ledger.finish("here/1", [ended(claim) for claim in claims], NOW) == [True, True]
        finish(ledger, claim_one(ledger))
        assert run_of(ledger, run_id).state is RunState.SUCCEEDED

    def test_a_dead_task_blocks_all_below_it_and_fails_the_run_when_the_rest_has_ended(self, ledger):
        run_id = start(ledger, plan_of({"a": (), "b": ["a"], "c": ["b"], "other": ()}))
        first, other = ledger.claim("here/1", 9, NOW, LEASE)
        posted(ledger)
        finish(ledger, first, DEAD, reason="no-pixels")
        assert states(ledger, run_id) == {
            "a": "dead",
            "b": "blocked",
            "c": "blocked",
            "other": "waiting",
        }
        assert {(row["step"], row["state"], row["reason"]) for row in posted(ledger)["tasks"]} == {
            ("a", "dead", "no-pixels"),
            ("b", "blocked", "need-failed"),
            ("c", "blocked", "need-failed"),
        }
        assert run_of(ledger, run_id).state is RunState.RUNNING
        finish(ledger, other)
        info = run_of(ledger, run_id)
        assert (info.state, info.reason) == (RunState.FAILED, "no-pixels")
        (failure,) = ledger.summary().failures
        assert (failure.run_id, failure.step, failure.reason) == (run_id, "a", "no-pixels")

    def test_a_skipped_step_is_no_failure(self, ledger):
        run_id = start(ledger, plan_of({"a": (), "b": ["a"]}, [("a", "b")]))
        finish(ledger, claim_one(ledger), {"a": OK, "b": TaskState.SKIPPED})
        assert run_of(ledger, run_id).state is RunState.SUCCEEDED

    def test_part_of_a_segment_is_tried_again_when_it_may_be(self, ledger):
        start(ledger, plan_of({"a": (), "b": ["a"]}, [("a", "b")]))
        finish(ledger, claim_one(ledger), {"a": OK, "b": AGAIN}, not_before=later(30), memory=1 << 30)
        assert ledger.claim("here/1", 9, later(29), LEASE) == []
        assert ledger.next_ready() == later(30)
        claim = claim_one(ledger, now=later(30))
        assert (claim.number, claim.steps) == (2, ("b",))
        assert claim.failures["b"] == 1
        assert claim.failures["a"] == 0
        assert claim.memory == {"b": 1 << 30} or claim.memory == {"a": 1 << 30, "b": 1 << 30}


class TestRetry:
    def failed(self, ledger, number=1):
        run_id = start(ledger, plan_of({"a": (), "b": ["a"], "c": ()}), number)
        for claim in ledger.claim("here/1", 9, NOW, LEASE):
            finish(ledger, claim, DEAD if claim.steps == ("a",) else OK)
        assert run_of(ledger, run_id).state is RunState.FAILED
        return run_id

    def test_a_failed_run_is_brought_back_from_its_first_attempt(self, ledger):
        run_id = self.failed(ledger)
        posted(ledger)
        assert ledger.retry([run_id], later(9)) == [run_id]
        assert states(ledger, run_id) == {"a": "waiting", "b": "waiting", "c": "succeeded"}
        info = run_of(ledger, run_id)
        assert (info.state, info.finished_at, info.reason) == (RunState.RUNNING, None, "")
        (row,) = posted(ledger)["runs"]
        assert row["state"] == "running"
        claim = claim_one(ledger, now=later(9))
        assert (claim.steps, claim.failures["a"], claim.number) == (("a",), 0, 2)
        finish(ledger, claim)
        finish(ledger, claim_one(ledger, now=later(9)))
        assert run_of(ledger, run_id).state is RunState.SUCCEEDED

    def test_a_run_that_is_brought_back_takes_the_limits_that_its_pipeline_gives_now(self, ledger):
        run_id = self.failed(ledger)
        shape = plan_of({"a": (), "b": ["a"], "c": ()}, [("a", "b"), ("c",)])
        newer = replace(
            shape, steps=tuple(replace(step, timeout=7.0, memory=9 << 30) for step in shape.steps)
        )
        assert ledger.retry([run_id], later(9), [plan_of(spec="other"), newer]) == [run_id]
        claim = claim_one(ledger, now=later(9))
        assert (claim.steps, claim.plan.segments) == (("a",), (("a",), ("b",), ("c",)))
        assert [(step.timeout, step.memory) for step in claim.plan.steps] == [(7.0, 9 << 30)] * 3

    def test_without_names_all_current_failed_runs_come_back(self, ledger):
        failed = {self.failed(ledger, number) for number in (1, 2)}
        start(ledger, plan_of(), 3)
        assert set(ledger.retry(None, NOW)) == failed
        assert ledger.retry(None, NOW) == []

    def test_a_run_that_did_not_fail_or_was_superseded_is_left_alone(self, ledger):
        failed = self.failed(ledger)
        info = run_of(ledger, failed)
        (newer,) = ledger.create_runs([NewRun(plan_of(spec="B"), info.subject_id, info.revision)], [], NOW)
        assert ledger.retry([failed, newer], NOW) == []


def test_runs_are_listed_newest_first_and_by_state(ledger):
    first, second = start(ledger, plan_of(), 1, now=NOW), start(ledger, plan_of(), 2, now=later(5))
    finish(ledger, claim_one(ledger, now=NOW), now=later(6))
    assert [info.id for info in ledger.runs()] == [second, first]
    assert [info.id for info in ledger.runs(limit=1)] == [second]
    assert [info.id for info in ledger.runs(state=RunState.SUCCEEDED)] == [first]
    assert ledger.runs(ids=["r-0000000000000000"]) == []
