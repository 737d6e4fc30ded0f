"""What processes do to a ledger at the same time: functions for children, named so that they can be sent there.

``python -m beds.ledger_workers NAME URL [ARGUMENT...]`` runs one that is going to be killed.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from beds.ledgers import AGAIN, DEAD, LEASE, OK, ended, later, plan_of, received, unreadable
from hilum.ledger import open_ledger
from hilum.ledger.interface import NewRun


def opened(url: str, at: float) -> list[str]:
    """Open the ledger at a certain moment; what is wrong with it."""
    time.sleep(max(0.0, at - time.time()))
    ledger = open_ledger(url)
    try:
        return ledger.check()
    finally:
        ledger.close()


def drained(url: str, owner: str) -> list[str]:
    """Claim and finish until no run is left; the attempts that were this owner's."""
    ledger, mine = open_ledger(url), []
    while ledger.unfinished():
        claims = ledger.claim(owner, 3, later(9), LEASE)
        mine += [claim.attempt_id for claim in claims]
        assert all(ledger.finish(owner, [ended(claim) for claim in claims], later(9)))
    ledger.close()
    return mine


def alone(url: str, owner: str, folder: str) -> int:
    """Work off a pipeline with a limit of one; how often another was at it at the same time."""
    ledger, met, place = open_ledger(url), 0, Path(folder) / "at-work"
    while ledger.unfinished():
        for claim in ledger.claim(owner, 3, later(9), LEASE, {"p": 1}):
            try:
                place.touch(exist_ok=False)
            except FileExistsError:
                met += 1
            time.sleep(0.002)
            place.unlink(missing_ok=True)
            ledger.finish(owner, [ended(claim)], later(9))
    ledger.close()
    return met


def taken_in(url: str, seed: int, numbers: int) -> dict[str, int]:
    """Record the same arrivals as everybody else, in an order of one's own."""
    rng, ledger = random.Random(seed), open_ledger(url)
    arrivals = [received(number) for number in range(numbers)] + [unreadable(number) for number in range(9)]
    arrivals += [received(number, content="other", uri=f"file:///o/{number}") for number in range(9)]
    rng.shuffle(arrivals)
    outcomes: dict[str, int] = {}
    for first in range(0, len(arrivals), 7):
        for outcome in ledger.record_arrivals(arrivals[first : first + 7], later(1)):
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
    ledger.close()
    return outcomes


def meddled(url: str, owner: str, seed: int, rounds: int) -> int:
    """Do anything an engine may do, at random; how many attempts were ended."""
    rng, ledger, kept = random.Random(seed), open_ledger(url), 0
    for _ in range(rounds):
        match rng.randrange(6):
            case 0 | 1:
                claims = ledger.claim(owner, rng.randint(1, 4), later(9), LEASE)
                ends = [ended(claim, rng.choice((OK, DEAD, AGAIN))) for claim in claims]
                rng.shuffle(ends)
                kept += sum(ledger.finish(owner, ends, later(9)))
            case 2:
                subjects = rng.sample(ledger.subjects(), 3)
                plan = plan_of({"a": (), "b": ["a"], "c": ["a"]}, spec=rng.choice("AB"))
                new = [NewRun(plan, subject.id, subject.revision) for subject in subjects]
                ledger.create_runs(new, [], later(9))
            case 3:
                ledger.retry(None, later(9))
            case 4:
                ledger.claim(owner, 2, later(9), LEASE)
                ledger.reclaim(later(9), gone=[owner])
            case 5:
                held = [claim.segment_id for claim in ledger.claim(owner, 2, later(9), LEASE)]
                ledger.heartbeat(owner, held, later(9), LEASE)
    ledger.reclaim(later(9), gone=[owner])
    ledger.close()
    return kept


def killed_at(url: str, statement: str, times: str = "1", action: str = "open") -> None:
    """Be killed just after a statement that begins like this was executed for the n-th time."""
    left = int(times)

    def kill(_connection: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        nonlocal left
        left -= text.lstrip().lower().startswith(statement.lower())
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "after_cursor_execute", kill)
    ledger = open_ledger(url)
    if action == "intake":
        ledger.record_arrivals([received(1), received(2), unreadable(1)], later(1))
    elif action == "finish":
        ledger.finish(
            "here/1", [ended(claim) for claim in ledger.claim("here/1", 9, later(1), LEASE)], later(1)
        )


def at_it_for_ever(url: str, *_: str) -> None:
    """Everything that an engine does, until killed."""
    ledger = open_ledger(url)
    rng = random.Random()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        number = rng.randrange(50)
        ledger.record_arrivals(
            [received(number, version=str(rng.randrange(99))), unreadable(number)], later(1)
        )
        meddled(url, f"here/{os.getpid()}", rng.randrange(1 << 30), 5)
        if batch := ledger.take_outbox(20):
            ledger.outbox_done(batch.number)


if __name__ == "__main__":
    {"killed_at": killed_at, "at_it_for_ever": at_it_for_ever}[sys.argv[1]](*sys.argv[2:])
