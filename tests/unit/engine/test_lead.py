"""Who leads is said by a lease in the ledger, which a thread renews whatever the engine is at."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from beds.engines import wait_until
from hilum.engine.lead import ROLE, Leadership, LeadershipLost
from hilum.kernel.clock import SystemClock
from hilum.ledger import open_ledger

LEASE = 0.3
CLOCK = SystemClock()


def test_a_leader_that_is_busy_for_longer_than_its_lease_leads_on(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    with Leadership(ledger, CLOCK, "here/1/a", LEASE) as first:
        assert wait_until(first.check)
        with Leadership(ledger, CLOCK, "there/2/b", LEASE) as second:
            time.sleep(4 * LEASE)
            assert (first.check(), second.check()) == (True, False)
    ledger.close()


def test_when_a_leader_ends_another_leads(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    with Leadership(ledger, CLOCK, "there/2/b", LEASE) as second:
        assert wait_until(second.check)
        with Leadership(ledger, CLOCK, "here/1/a", LEASE) as first:
            assert not first.check()
    with Leadership(ledger, CLOCK, "here/1/a", LEASE) as first:
        assert wait_until(first.check)
    ledger.close()


def test_a_leader_whose_role_was_taken_is_told_so(tmp_path: Path) -> None:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite")
    with Leadership(ledger, CLOCK, "here/1/a", LEASE) as first:
        assert wait_until(first.check)
        taken = False
        while not taken:  # it may renew in between
            ledger.release_role(ROLE, "here/1/a")
            taken = ledger.acquire_role(ROLE, "there/2/b", CLOCK.now(), LEASE)
        with pytest.raises(LeadershipLost):
            wait_until(lambda: not first.check(), patience=10.0)
    ledger.close()
