"""The ledger's port, dispatch: who may attempt what, in which order, and what becomes of those who vanish."""

import pytest

from beds.ledgers import (
    AGAIN,
    DEAD,
    LEASE,
    NOW,
    claim_one,
    ended,
    finish,
    later,
    plan_of,
    posted,
    settled,
    start,
    start_many,
)
from hilum.ledger.interface import NewRun
from hilum.model.work import RunState

ME, OTHER = "here/1", "there/2"
HOUR = 3600


def overtake(ledger, claim, now=NOW):
    """A newer run takes the place of a claim's."""
    new = NewRun(
        plan_of(spec="newer", pipeline=claim.plan.pipeline), claim.run.subject_id, claim.run.revision
    )
    (run_id,) = ledger.create_runs([new], [], now)
    return run_id


class TestClaiming:
    def test_a_claim_says_all_that_an_attempt_needs(self, ledger):
        plan = plan_of({"a": (), "b": ["a"], "c": ["b"]}, [("a", "b"), ("c",)])
        run_id = start(ledger, plan)
        claim = claim_one(ledger)
        assert (claim.segment_id, claim.number, claim.attempt_id) == (f"{run_id}.0", 1, f"{run_id}.0.1")
        assert (claim.run, claim.plan, claim.index) == (ledger.runs()[0], plan, 0)
        assert claim.steps == ("a", "b")
        assert set(claim.states) == {"a", "b", "c"}
        assert claim.keys == {}

    def test_a_segment_is_given_to_one_only(self, ledger):
        start(ledger, plan_of())
        assert len(ledger.claim(ME, 9, NOW, LEASE)) == 1
        assert ledger.claim(ME, 9, NOW, LEASE) == []
        assert ledger.claim(OTHER, 9, NOW, LEASE) == []
        assert ledger.owners() == [ME]

    def test_who_holds_something_is_known_also_when_the_lease_is_over(self, ledger):
        start(ledger, plan_of())
        ledger.claim(ME, 1, NOW, LEASE)
        ledger.acquire_role("role", OTHER, NOW, 2 * LEASE)
        assert ledger.owners() == ledger.owners(NOW) == sorted([ME, OTHER])
        assert ledger.owners(later(LEASE + 1)) == [OTHER]
        assert ledger.owners(later(2 * LEASE + 1)) == []

    def test_no_more_are_given_than_asked_for(self, ledger):
        start_many(ledger, plan_of(), range(5))
        assert len(ledger.claim(ME, 3, later(1), LEASE)) == 3
        assert len(ledger.claim(ME, 3, later(1), LEASE)) == 2

    def test_what_waited_longest_comes_first(self, ledger):
        made = start_many(ledger, plan_of(), range(4))
        assert [claim.run.id for claim in ledger.claim(ME, 4, later(1), LEASE)] == made

    def test_higher_priority_comes_first(self, ledger):
        start_many(ledger, plan_of(pipeline="backfill"), range(6), priority=10)
        urgent = start(ledger, plan_of(pipeline="live"), 100, now=later(0.5))
        assert [claim.run.id for claim in ledger.claim(ME, 1, later(1), LEASE)] == [urgent]

    def test_priority_counts_within_a_pipeline_too(self, ledger):
        start_many(ledger, plan_of(), range(6), priority=10)
        urgent = start(ledger, plan_of(), 100, priority=100, now=later(0.5))
        assert [claim.run.id for claim in ledger.claim(ME, 1, later(1), LEASE)] == [urgent]

    def test_pipelines_of_one_priority_share_evenly_whatever_their_backlog(self, ledger):
        start_many(ledger, plan_of(pipeline="large"), range(9))
        start_many(ledger, plan_of(pipeline="small"), range(20, 23))
        claims = ledger.claim(ME, 4, later(1), LEASE)
        assert sorted(claim.run.pipeline for claim in claims) == ["large", "large", "small", "small"]

    def test_the_pipeline_with_less_at_work_is_served_next(self, ledger):
        start_many(ledger, plan_of(pipeline="large"), range(5))
        assert len(ledger.claim(ME, 3, later(1), LEASE)) == 3
        start_many(ledger, plan_of(pipeline="small"), range(20, 24))
        claims = ledger.claim(ME, 3, later(1), LEASE)
        assert [claim.run.pipeline for claim in claims] == ["small"] * 3

    def test_a_pipeline_that_keeps_failing_does_not_starve_what_arrives(self, ledger):
        start_many(ledger, plan_of(pipeline="broken"), range(8))
        for moment in range(1, 4):
            for claim in ledger.claim(ME, 8, later(moment), LEASE):
                finish(ledger, claim, AGAIN, not_before=later(moment))
        start(ledger, plan_of(pipeline="fresh"), 50, now=later(3.5))
        claims = ledger.claim(ME, 2, later(4), LEASE)
        assert sorted(claim.run.pipeline for claim in claims) == ["broken", "fresh"]

    def test_a_limit_holds_whoever_has_the_running_ones(self, ledger):
        start_many(ledger, plan_of(pipeline="heavy"), range(5))
        start_many(ledger, plan_of(pipeline="light"), range(10, 13))
        limits = {"heavy": 2}
        mine = ledger.claim(ME, 9, later(1), LEASE, limits)
        assert sorted(claim.run.pipeline for claim in mine) == ["heavy"] * 2 + ["light"] * 3
        assert ledger.claim(OTHER, 9, later(1), LEASE, limits) == []
        finish(ledger, next(claim for claim in mine if claim.run.pipeline == "heavy"))
        assert [each.run.pipeline for each in ledger.claim(OTHER, 9, later(1), LEASE, limits)] == ["heavy"]

    def test_a_limit_of_none_at_all_stops_a_pipeline(self, ledger):
        start(ledger, plan_of())
        assert ledger.claim(ME, 9, NOW, LEASE, {"p": 0}) == []

    def test_a_retry_waits_until_its_time(self, ledger):
        start(ledger, plan_of())
        assert ledger.next_ready() == NOW
        finish(ledger, claim_one(ledger), AGAIN, not_before=later(10))
        assert ledger.next_ready() == later(10)
        assert ledger.claim(ME, 1, later(9.999), LEASE) == []
        assert claim_one(ledger, now=later(10)).failures == {"a": 1}
        assert ledger.next_ready() is None


class TestLeases:
    def test_a_heartbeat_keeps_a_claim_alive(self, ledger):
        start(ledger, plan_of())
        claim = claim_one(ledger)
        assert ledger.heartbeat(ME, [claim.segment_id], later(LEASE), LEASE) == []
        assert ledger.reclaim(later(2 * LEASE)) == 0
        assert finish(ledger, claim)

    def test_a_heartbeat_lets_go_of_what_its_owner_does_not_name(self, ledger):
        start_many(ledger, plan_of(), range(2))
        held, forgotten = ledger.claim(ME, 2, later(1), LEASE)
        assert ledger.heartbeat(ME, [held.segment_id], later(LEASE), LEASE) == []
        assert ledger.reclaim(later(1.5 * LEASE)) == 1
        assert claim_one(ledger, OTHER, later(1.5 * LEASE)).segment_id == forgotten.segment_id
        assert finish(ledger, held)

    def test_a_heartbeat_extends_many_claims_and_none_of_another(self, ledger):
        start_many(ledger, plan_of(), range(4))
        mine, others = ledger.claim(ME, 2, later(1), LEASE), ledger.claim(OTHER, 2, later(1), LEASE)
        named = [claim.segment_id for claim in (*mine, *others)] + ["r-unknown.0"] * 1200
        assert ledger.heartbeat(ME, named, later(LEASE), LEASE) == []
        assert ledger.reclaim(later(1.5 * LEASE)) == 2
        assert [finish(ledger, claim) for claim in mine] == [True, True]

    def test_a_lease_that_ran_out_is_a_lost_attempt_and_counts_for_nothing(self, ledger):
        start(ledger, plan_of())
        lost = claim_one(ledger)
        posted(ledger)
        assert ledger.reclaim(later(LEASE)) == 0
        assert ledger.reclaim(later(LEASE + 1)) == 1
        (row,) = posted(ledger)["attempts"]
        assert (row["attempt_id"], row["outcome"], row["machine"]) == (lost.attempt_id, "lost", "here")
        assert row["started_at"] == NOW.isoformat()
        again = claim_one(ledger, OTHER, later(LEASE + 1))
        assert (again.segment_id, again.number, again.failures) == (lost.segment_id, 2, {"a": 0})

    def test_an_owner_known_to_be_gone_loses_its_claims_at_once(self, ledger):
        start_many(ledger, plan_of(), range(3))
        ledger.claim(ME, 2, later(1), LEASE)
        ledger.claim(OTHER, 1, later(1), LEASE)
        assert ledger.reclaim(later(1), gone=[ME, "never/seen"]) == 2
        assert ledger.owners() == [OTHER]

    @pytest.mark.parametrize("back", [HOUR, 30 * HOUR])
    def test_nothing_waits_for_a_time_that_the_clock_was_set_back_from(self, ledger, back):
        start(ledger, plan_of())
        claim = claim_one(ledger, now=later(-back))
        assert finish(ledger, claim, AGAIN, not_before=later(10))
        assert ledger.claim(ME, 1, later(9), LEASE) == []
        assert claim_one(ledger, now=later(10 - back)).number == 2

    def test_a_clock_that_jumps_back_loses_nothing(self, ledger):
        start(ledger, plan_of())
        claim = claim_one(ledger, now=later(3600))
        assert ledger.heartbeat(ME, [claim.segment_id], NOW, LEASE) == []
        assert ledger.reclaim(later(1)) == 0
        assert finish(ledger, claim, now=later(2))

    def test_a_heartbeat_tells_of_runs_that_were_superseded(self, ledger):
        start_many(ledger, plan_of(), range(2))
        stale, other = ledger.claim(ME, 2, later(1), LEASE)
        overtake(ledger, stale, later(1))
        held = [stale.segment_id, other.segment_id]
        assert ledger.heartbeat(ME, held, later(2), LEASE) == [stale.segment_id]
        assert ledger.heartbeat(OTHER, held, later(2), LEASE) == []

    def test_a_lost_attempt_of_a_superseded_run_is_not_tried_again(self, ledger):
        start(ledger, plan_of())
        stale = claim_one(ledger)
        newer = overtake(ledger, stale)
        assert ledger.reclaim(later(LEASE + 1)) == 1
        claims = ledger.claim(ME, 9, later(LEASE + 1), LEASE)
        assert [claim.run.id for claim in claims] == [newer]


class TestMemory:
    def found_wanting(self, ledger, number, memory):
        """A step ran out of memory on a series of one instance, and did it with more."""
        run = start(ledger, plan_of(), number)
        finish(ledger, claim_one(ledger), AGAIN, memory=memory)
        (claim,) = ledger.claim(ME, 1, later(HOUR), LEASE)
        assert claim.memory == {"a": memory}
        finish(ledger, claim)
        return run

    def test_what_a_step_needed_is_given_at_once_where_as_much_comes(self, ledger):
        self.found_wanting(ledger, 1, 8 << 30)
        start(ledger, plan_of(), 2)
        assert claim_one(ledger).memory == {"a": 8 << 30}

    def test_another_step_is_given_what_it_asks_for(self, ledger):
        self.found_wanting(ledger, 1, 8 << 30)
        start(ledger, plan_of("b", pipeline="other"), 2)
        assert claim_one(ledger).memory == {}


class TestTakingOver:
    def test_the_attempts_of_an_owner_that_is_gone_go_on_as_another_s(self, ledger):
        start_many(ledger, plan_of(), range(2))
        old = ledger.claim(OTHER, 2, later(2), LEASE)
        assert ledger.take_over(ME, later(3), LEASE) == []
        taken = ledger.take_over(ME, later(3), LEASE, gone=[OTHER])
        assert sorted(each.attempt_id for each in taken) == sorted(each.attempt_id for each in old)
        assert ledger.owners() == [ME]
        assert ledger.reclaim(later(3), gone=[OTHER]) == 0
        assert finish(ledger, old[0], owner=OTHER) is False
        assert finish(ledger, taken[0], owner=ME) is True

    def test_a_lease_that_ran_out_can_be_taken_over_once(self, ledger):
        start(ledger, plan_of())
        ledger.claim(OTHER, 1, NOW, LEASE)
        late = later(LEASE + 1)
        assert len(ledger.take_over(ME, late, LEASE)) == 1
        assert ledger.take_over("third/3", late, LEASE) == []
        assert ledger.reclaim(late) == 0

    def test_attempts_of_a_superseded_run_are_not_taken_over(self, ledger):
        start(ledger, plan_of())
        (claim,) = ledger.claim(OTHER, 1, NOW, LEASE)
        overtake(ledger, claim)
        assert ledger.take_over(ME, NOW, LEASE, gone=[OTHER]) == []
        assert ledger.reclaim(NOW, gone=[OTHER]) == 1


class TestFencing:
    @pytest.fixture
    def stale(self, ledger):
        start(ledger, plan_of())
        stale = claim_one(ledger)
        ledger.reclaim(NOW, gone=[ME])
        posted(ledger)
        return stale

    def test_the_end_of_a_lost_attempt_comes_too_late(self, ledger, stale):
        assert not finish(ledger, stale)
        assert ledger.tasks([stale.run.id])[0].state.value == "waiting"
        assert posted(ledger) == {}

    def test_even_when_its_owner_has_claimed_the_segment_again(self, ledger, stale):
        fresh = claim_one(ledger)
        assert not finish(ledger, stale)
        assert finish(ledger, fresh)

    def test_even_when_somebody_else_has_finished_it(self, ledger, stale):
        fresh = claim_one(ledger, OTHER)
        assert not finish(ledger, fresh, owner=ME)
        assert finish(ledger, fresh, owner=OTHER)
        assert not finish(ledger, stale, DEAD)
        assert ledger.runs()[0].state is RunState.SUCCEEDED

    def test_the_same_end_told_twice_counts_once(self, ledger):
        start(ledger, plan_of())
        claim = claim_one(ledger)
        assert ledger.finish(ME, [ended(claim), ended(claim)], NOW) == [True, False]
        assert len(posted(ledger)["attempts"]) == 1

    def test_in_one_batch_each_is_judged_on_its_own(self, ledger, stale):
        start_many(ledger, plan_of(), range(10, 12))
        fresh = ledger.claim(OTHER, 9, later(1), LEASE)
        kept = ledger.finish(OTHER, [ended(claim) for claim in (fresh[0], stale, *fresh[1:])], later(1))
        assert kept == [True, False, True, True]


def test_what_an_attempt_found_reaches_the_warehouse_with_its_end(ledger):
    start(ledger, plan_of())
    posted(ledger)
    finish(ledger, claim_one(ledger), rows={"measurements": [{"_row_id": "m-1", "value": 1.5}]})
    rows = posted(ledger)
    assert rows["measurements"] == [{"_row_id": "m-1", "value": 1.5}]
    assert set(rows) == {"attempts", "tasks", "runs", "measurements"}


def test_results_of_a_superseded_run_are_kept_but_change_no_task(ledger):
    start(ledger, plan_of())
    stale = claim_one(ledger)
    overtake(ledger, stale)
    posted(ledger)
    assert finish(ledger, stale, rows={"measurements": [{"_row_id": "m-1"}]})
    assert ledger.tasks([stale.run.id])[0].state.value == "cancelled"
    assert set(posted(ledger)) == {"attempts", "measurements"}


def test_many_attempts_end_in_one_transaction(ledger):
    start_many(ledger, plan_of({"a": (), "b": ["a"]}), range(8))
    for _ in range(2):
        claims = ledger.claim(ME, 16, later(1), LEASE)
        assert all(ledger.finish(ME, [ended(claim) for claim in claims], later(1)))
    assert {info.state for info in ledger.runs()} == {RunState.SUCCEEDED}
    assert ledger.unfinished() == 0


def test_a_lost_result_is_computed_again_by_the_current_runs_that_rely_on_it(ledger):
    first = start(ledger, plan_of({"a": (), "b": ["a"]}))
    other = start(ledger, plan_of(), 2)
    while claims := ledger.claim(ME, 9, NOW, LEASE):
        ledger.finish(ME, [ended(claim) for claim in claims], NOW)
    keys = {task.step: task.task_key for task in ledger.tasks([first])}
    assert ledger.redo([keys["a"], "0" * 64], later(1)) == [first]
    assert [task.state.value for task in ledger.tasks([first])] == ["waiting", "succeeded"]
    assert [claim.steps for claim in ledger.claim(ME, 9, later(1), LEASE)] == [("a",)]
    assert ledger.runs(ids=[other])[0].state is RunState.SUCCEEDED


def test_a_ledger_with_nothing_to_do_says_so(ledger):
    settled(ledger)
    assert ledger.claim(ME, 9, NOW, LEASE) == []
    assert ledger.finish(ME, [], NOW) == []
    assert (ledger.reclaim(NOW), ledger.owners(), ledger.next_ready(), ledger.unfinished()) == (
        0,
        [],
        None,
        0,
    )
