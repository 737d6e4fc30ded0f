"""The ledger's port under contention: real processes on one ledger at the same time, and some that are killed."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from beds import ledger_workers as workers
from beds.ledgers import LEASE, NOW, later, plan_of, posted, settled, start_many
from hilum.ledger import open_ledger
from hilum.ledger.interface import NewRun

pytestmark = pytest.mark.slow
TESTS = Path(workers.__file__).parent.parent


@pytest.fixture(scope="module")
def pool():
    """Two processes, started once."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        yield pool


def child(*arguments: object) -> "subprocess.Popen[str]":
    """A process of its own, to be killed."""
    command = [sys.executable, "-m", "beds.ledger_workers", *map(str, arguments)]
    return subprocess.Popen(command, cwd=TESTS, stdout=subprocess.PIPE, text=True)


def test_two_who_open_a_new_ledger_at_once_both_find_it_sound(pool, empty_url):
    at = time.time() + 0.5
    found = [pool.submit(workers.opened, empty_url, at) for _ in range(2)]
    assert [each.result() for each in found] == [[], []]


def test_no_segment_is_ever_given_to_two(pool, ledger, ledger_url):
    runs = start_many(ledger, plan_of({"a": (), "b": ["a"], "c": ["a"]}), range(12))
    found = [pool.submit(workers.drained, ledger_url, owner) for owner in ("here/1", "there/2")]
    attempts = [attempt for each in found for attempt in each.result()]
    assert sorted(attempts) == sorted(f"{run}.{index}.1" for run in runs for index in range(3))
    assert len(posted(ledger)["attempts"]) == 36
    assert ledger.check() == []


def test_a_limit_holds_between_engines_that_claim_at_the_same_moment(pool, ledger, ledger_url, tmp_path):
    start_many(ledger, plan_of(), range(30))
    found = [pool.submit(workers.alone, ledger_url, owner, str(tmp_path)) for owner in ("here/1", "there/2")]
    assert [each.result() for each in found] == [0, 0]


def test_the_same_arrivals_taken_in_by_two_count_once(pool, ledger, ledger_url):
    found = [pool.submit(workers.taken_in, ledger_url, seed, 60) for seed in (1, 2)]
    sums = [Counter(each.result()) for each in found]
    summary = ledger.summary()
    assert sum(summary.arrivals.values()) == 60 + 9 + 9
    assert summary.arrivals["accepted"] == 60
    assert all(sum(each.values()) == 78 for each in sums)
    assert len(posted(ledger)["arrivals"]) == 78
    assert ledger.check() == []


def test_engines_that_do_everything_at_once_leave_a_sound_ledger(pool, ledger, ledger_url):
    for number in range(6):
        settled(ledger, number)
    found = [
        pool.submit(workers.meddled, ledger_url, owner, seed, 60)
        for seed, owner in enumerate(("here/1", "there/2"))
    ]
    kept = sum(each.result() for each in found)
    assert ledger.check() == []
    attempts = [row for row in posted(ledger)["attempts"] if row["outcome"] in ("succeeded", "failed")]
    assert len(attempts) == kept > 0
    assert len({row["attempt_id"] for row in attempts}) == kept


@pytest.mark.parametrize("statement", ["insert into arrivals", "insert into subjects", "insert into outbox"])
def test_a_process_killed_while_it_takes_in_leaves_nothing_half_done(ledger, ledger_url, statement):
    victim = child("killed_at", ledger_url, statement, 1, "intake")
    assert victim.wait(60) == -signal.SIGKILL
    assert ledger.summary().arrivals == {}
    assert posted(ledger) == {}
    assert ledger.check() == []
    settled(ledger)
    assert ledger.check() == []


@pytest.mark.parametrize("statement", ["update segments", "update tasks", "insert into outbox"])
def test_a_process_killed_while_it_ends_attempts_leaves_nothing_half_done(ledger, ledger_url, statement):
    subjects = [settled(ledger, number) for number in range(3)]
    plan = plan_of({"a": (), "b": ["a"]})
    ledger.create_runs([NewRun(plan, each.id, each.revision) for each in subjects], [], NOW)
    posted(ledger)
    victim = child("killed_at", ledger_url, statement, 2 if statement == "update segments" else 1, "finish")
    assert victim.wait(60) == -signal.SIGKILL
    assert posted(ledger) == {}
    assert {task.state.value for task in ledger.tasks(run.id for run in ledger.runs())} == {"waiting"}
    assert ledger.owners() == ["here/1"]
    assert ledger.reclaim(later(2), gone=["here/1"]) == 3
    assert len(ledger.claim("there/2", 9, later(2), LEASE)) == 3
    assert ledger.check() == []


def test_an_engine_killed_at_any_moment_leaves_a_sound_ledger(ledger, ledger_url):
    for number in range(100, 106):
        settled(ledger, number)
    for turn in range(int(os.environ.get("HILUM_KILLS", "6"))):
        victim = child("at_it_for_ever", ledger_url)
        assert victim.stdout is not None
        assert victim.stdout.readline() == "ready\n"
        time.sleep(0.05 + 0.07 * turn)
        victim.kill()
        victim.wait()
        again = open_ledger(ledger_url)
        assert again.check() == []
        for owner in again.owners():
            again.reclaim(later(9), gone=[owner])
        assert again.check() == []
        again.close()
    assert ledger.summary().arrivals
