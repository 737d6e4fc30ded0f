"""Of several engines on one ledger one leads, and the others stand by to take its place: a lease in the ledger says
who. An engine that loses the lease ends itself, since somebody else goes on with its attempts by then.
"""

from __future__ import annotations

from hilum.errors import TransientError
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.ledger.interface import Ledger

ROLE = "engine"
LEASE = 6.0
"""Seconds; a third of it is how often a leader renews, and how often the others ask."""

log = get_logger(__name__)


class LeadershipLost(TransientError):
    """Another engine leads now: this one was away for longer than its lease."""

    reason = "leadership-lost"


class Leadership:
    """This engine's part in who leads.

    Args:
        owner: this engine.
        lease: seconds for which a leader that says nothing stays one.
    """

    def __init__(self, ledger: Ledger, clock: Clock, owner: str, lease: float = LEASE) -> None:
        self._ledger = ledger
        self._clock = clock
        self._owner = owner
        self._lease = lease
        self._asked = float("-inf")
        self.leads = False

    def renew(self) -> bool:
        """Whether this engine leads; LeadershipLost when it did and does no more."""
        now = self._clock.monotonic()
        if now - self._asked < self._lease / 3:
            return self.leads
        self._asked = now
        leads = self._ledger.acquire_role(ROLE, self._owner, self._clock.now(), self._lease)
        if self.leads and not leads:
            raise LeadershipLost("another engine leads now", hint="start this one again, and it stands by")
        if leads and not self.leads:
            log.info("leading")
        self.leads = leads
        return leads

    def give_up(self) -> None:
        """Let another one lead at once."""
        self._ledger.release_role(ROLE, self._owner)
        self.leads = False
