"""Of several engines on one ledger one leads, and the others stand by to take its place: a lease in the ledger says
who. An engine that loses the lease ends itself, since somebody else goes on with its attempts by then.
"""

from __future__ import annotations

import threading

from hilum.audit import Actor, audit
from hilum.errors import HilumError, TransientError
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
    """This engine's part in who leads, while the block runs; at its end another one may lead at once.

    A thread of its own renews the lease, because a turn of the engine may take longer than the lease holds: taking in
    a folder, merging large files, letting attempts end.

    Args:
        owner: this engine.
        lease: seconds for which a leader that says nothing stays one.
    """

    def __init__(self, ledger: Ledger, clock: Clock, owner: str, lease: float = LEASE) -> None:
        self._ledger = ledger
        self._clock = clock
        self._owner = owner
        self._lease = lease
        self._over = threading.Event()
        self._lost = False
        self._keeper = threading.Thread(target=self._keep, name="leadership", daemon=True)
        self.leads = False

    def __enter__(self) -> Leadership:
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._keeper.join()
        if self.leads:
            self._ledger.release_role(ROLE, self._owner)
            self.leads = False

    def check(self) -> bool:
        """Whether this engine leads; LeadershipLost when it did and does no more."""
        if self._lost:
            raise LeadershipLost("another engine leads now", hint="start this one again, and it stands by")
        return self.leads

    def _keep(self) -> None:
        while not self._lost:
            try:
                now = self._clock.now()
                leads = self._ledger.acquire_role(ROLE, self._owner, now, self._lease)
                if leads and not self.leads:
                    self._ledger.tell(audit("leadership-taken", Actor("system", self._owner), now))
            except HilumError as error:  # whether the lease held meanwhile, the next answer tells
                log.warning("the lease was not renewed", reason=error.reason)
            else:
                if leads and not self.leads:
                    log.info("leading")
                self._lost = self.leads and not leads
                self.leads = leads
            if self._over.wait(self._lease / 3):
                return
