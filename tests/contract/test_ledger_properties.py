"""What holds for a ledger whatever happens to it and in whatever order: random histories, played on SQLite; the one
that revisions stand on is played on PostgreSQL too.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from beds.ledgers import (
    AGAIN,
    DEAD,
    LEASE,
    OK,
    ended,
    find,
    later,
    plan_of,
    posted,
    received,
    settle,
    settled,
)
from beds.postgresql import Cluster
from hilum.ledger import open_ledger
from hilum.ledger.interface import Claim, Ledger, NewRun
from hilum.model.arrival import Received
from hilum.model.subject import Revision, Subject, revision_digest
from hilum.model.work import TaskState

SUBJECTS = 2
OWNERS = st.sampled_from(["here/1", "there/2"])
Ends = tuple[TaskState, TaskState]
"""Of the two steps that a segment has at most."""
_state = st.sampled_from([OK, OK, DEAD, AGAIN])
ENDS = st.none() | st.tuples(_state, _state)
SHAPE = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}


@cache
def template() -> tempfile.TemporaryDirectory[str]:
    """A folder, gone at the end, with the file of a ledger with settled series, to be copied."""
    folder = tempfile.TemporaryDirectory(prefix="hilum-template-")
    with_settled_series(f"sqlite:///{folder.name}/ledger.sqlite")
    return folder


def with_settled_series(url: str) -> None:
    ledger = open_ledger(url)
    for number in range(1, SUBJECTS + 1):
        settled(ledger, number)
    posted(ledger)
    ledger.close()


@contextmanager
def copied() -> Iterator[Ledger]:
    """A ledger of one example's own."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = open_ledger(f"sqlite:///{shutil.copy(Path(template().name) / 'ledger.sqlite', folder)}")
        yield ledger
        ledger.close()


Copied = Callable[[], AbstractContextManager[Ledger]]


@pytest.fixture(scope="module")
def copied_in_postgresql(postgresql: Cluster) -> Iterator[Copied]:
    """As :func:`copied`, of a database of PostgreSQL."""
    original = postgresql.create()
    with_settled_series(postgresql.url(original))

    @contextmanager
    def copied() -> Iterator[Ledger]:
        database = postgresql.create(original)
        ledger = open_ledger(postgresql.url(database))
        yield ledger
        ledger.close()
        postgresql.drop(database)

    yield copied
    postgresql.drop(original)


def arrival_of(number: int, place: str) -> Received:
    """One of a few instances in two series of one study, at one of a few addresses."""
    return received(
        number,
        series=f"9.{number % 2}",
        study="9",
        uri=f"file:///{place}/{number}",
        at=later(number),
        Name=number,
    )


def told(ledger: Ledger) -> dict[str, tuple[object, ...]]:
    """What the ledger says of each subject, and the revision that follows from it."""
    found = {}
    for subject in ledger.open_subjects():
        digest = revision_digest([member.digest for member in ledger.members(subject)])
        times = subject.first_arrival, subject.last_arrival
        found[subject.id] = subject.instances, dict(subject.facts), times, digest
    return found


arrivals = st.lists(st.builds(arrival_of, st.integers(0, 9), st.sampled_from("xyz")), min_size=1, max_size=25)


def same_in_any_order(copied: Copied, items: list[Received], rng: Random, size: int) -> None:
    """Arrivals shuffled, doubled and interleaved give the same subjects and revisions."""
    with copied() as straight:
        straight.record_arrivals(items, later(0))
        expected = told(straight)
    again = items + rng.choices(items, k=len(items))
    rng.shuffle(again)
    with copied() as mixed:
        for first in range(0, len(again), size):
            mixed.record_arrivals(again[first : first + size], later(first))
        assert told(mixed) == expected
        distinct = {(item.arrival.uri, item.arrival.version) for item in items}
        assert sum(mixed.summary().arrivals.values()) == len(distinct) + SUBJECTS
        assert mixed.check() == []


@pytest.mark.slow
@given(arrivals, st.randoms(use_true_random=False), st.integers(1, 9))
@settings(max_examples=15)
def test_arrivals_shuffled_doubled_and_interleaved_give_the_same_subjects_and_revisions(items, rng, size):
    same_in_any_order(copied, items, rng, size)


@pytest.mark.slow
@given(items=arrivals, rng=st.randoms(use_true_random=False), size=st.integers(1, 9))
@settings(max_examples=10)
def test_arrivals_in_any_order_give_the_same_subjects_and_revisions_in_postgresql(
    copied_in_postgresql, items, rng, size
):
    same_in_any_order(copied_in_postgresql, items, rng, size)


@given(arrivals, st.data())
@settings(max_examples=10)
def test_a_subject_is_settled_exactly_on_what_it_holds(items, data):
    with copied() as ledger:
        for item in items:
            ledger.record_arrivals([item], later(0))
            if data.draw(st.booleans()):
                subject = find(ledger, item.instance.series_instance_uid)
                if subject.open:
                    settle(ledger, subject)
        for subject in ledger.subjects():
            if not subject.open:
                digests = [member.digest for member in ledger.members(subject)]
                assert subject.revision == revision_digest(digests)


class Engines(RuleBasedStateMachine):
    """Engines on one ledger claim, finish, vanish, supersede and retry; a model remembers who may finish what."""

    @initialize()
    def begin(self) -> None:
        self.copy = copied()
        self.ledger = self.copy.__enter__()
        self.subjects: list[Subject] = self.ledger.subjects()
        self.held: list[tuple[str, Claim]] = []
        """Attempts whose end was not told yet; those that still hold are in ``valid`` too, by segment."""
        self.valid: dict[str, tuple[str, Claim]] = {}
        self.failures: Counter[tuple[str, str]] = Counter()
        self.ended: Counter[str] = Counter()
        for place in range(SUBJECTS):
            self.plan(place, "A", False)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            rows = posted(self.ledger).get("attempts", [])
            outcomes = Counter(row["outcome"] for row in rows)
            assert outcomes == +self.ended
            assert len({row["attempt_id"] for row in rows}) == len(rows)
            self.copy.__exit__(None, None, None)

    def give_up(self, run_id: str) -> None:
        """A run starts again: its attempts are given up, its counts begin anew."""
        for segment in [each for each, (_, claim) in self.valid.items() if claim.run.id == run_id]:
            del self.valid[segment]
            self.ended["cancelled"] += 1
        for key in [key for key in self.failures if key[0] == run_id]:
            del self.failures[key]

    @rule(place=st.integers(0, SUBJECTS - 1), spec=st.sampled_from("AB"), fused=st.booleans())
    def plan(self, place: int, spec: str, fused: bool) -> None:
        subject = self.subjects[place]
        parts = [("a", "b"), ("c", "d")] if fused else ()
        new = NewRun(plan_of(SHAPE, parts, spec=spec), subject.id, subject.revision)
        for run_id in self.ledger.create_runs([new], [], later(1)):
            self.give_up(run_id)

    @rule(owner=OWNERS, ends=st.lists(ENDS, min_size=1, max_size=4), most=st.none() | st.integers(1, 4))
    def claim(self, owner: str, ends: list[Ends | None], most: int | None) -> None:
        """Claim as many as there are ends; end those at once that have one."""
        running = {} if most is None else {"p": most}
        claims = self.ledger.claim(owner, len(ends), later(1), LEASE, running)
        assert len(claims) <= len(ends)
        for claim in claims:
            assert claim.segment_id not in self.valid, "given to two"
            self.valid[claim.segment_id] = owner, claim
            for step in claim.steps:
                assert claim.failures[step] == self.failures[claim.run.id, step]
        assert not claims or most is None or len(self.valid) <= most
        for claim, states in zip(claims, ends, strict=False):
            if states is None:
                self.held.append((owner, claim))
            else:
                self.end(owner, claim, states)

    @rule(place=st.integers(0, 20), ends=ENDS.filter(bool))
    def finish(self, place: int, ends: Ends) -> None:
        """The end of an attempt that may have been lost or given up meanwhile."""
        if self.held:
            self.end(*self.held.pop(place % len(self.held)), ends)

    def end(self, owner: str, claim: Claim, ends: Ends) -> None:
        states = dict(zip(claim.steps, ends, strict=False))
        ours = self.valid.get(claim.segment_id) == (owner, claim)
        over = self.ledger.runs(ids=[claim.run.id])[0].state.value == "superseded"
        (kept,) = self.ledger.finish(owner, [ended(claim, states, not_before=later(1))], later(1))
        assert kept == ours
        if kept:
            del self.valid[claim.segment_id]
            good = all(state is OK for state in states.values())
            self.ended["succeeded" if good else "failed"] += 1
            for step, state in states.items():
                self.failures[claim.run.id, step] += state is not OK and not over

    @rule(owner=OWNERS)
    def vanish(self, owner: str) -> None:
        lost = [segment for segment, (who, _) in self.valid.items() if who == owner]
        assert self.ledger.reclaim(later(1), gone=[owner]) == len(lost)
        for segment in lost:
            del self.valid[segment]
            self.ended["lost"] += 1

    @rule()
    def retry(self) -> None:
        for run_id in self.ledger.retry(None, later(1)):
            self.give_up(run_id)

    @rule(place=st.integers(0, 9))
    def lose_a_result(self, place: int) -> None:
        tasks = self.ledger.tasks([run.id for run in self.ledger.runs()])
        keys = sorted({task.task_key for task in tasks if task.task_key})
        for run_id in self.ledger.redo(keys[place : place + 1], later(1)):
            self.give_up(run_id)

    @invariant()
    def all_agrees(self) -> None:
        if not hasattr(self, "ledger"):
            return
        assert self.ledger.check() == []
        assert self.ledger.owners() == sorted({owner for owner, _ in self.valid.values()})
        running = [run for run in self.ledger.runs() if run.state.value == "running"]
        assert self.ledger.unfinished() == len(running)


Engines.TestCase.settings = settings(max_examples=15, stateful_step_count=25)
TestEngines = pytest.mark.slow(Engines.TestCase)


def test_a_revision_of_a_moved_subject_is_refused_even_if_it_moved_back():
    with copied() as ledger:
        ledger.record_arrivals([received(1)], later(0))
        seen = find(ledger)
        members = ledger.members(seen)
        for content in ("other", ""):
            again = received(1, content=content, uri=f"file:///{content or 'back'}")
            ledger.record_arrivals([again], later(1))
            (entry,) = ledger.quarantine()
            ledger.release(entry.id, "new", later(1))
        revision = Revision(seen.id, revision_digest([each.digest for each in members]), 1, later(1), "quiet")
        assert not ledger.settle(seen, revision, members)
