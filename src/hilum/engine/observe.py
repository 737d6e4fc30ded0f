"""What the engine tells whoever watches it (a progress bar, a test), without knowing who that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hilum.executors.interface import Progress
    from hilum.kernel.trace import Sampling
    from hilum.ledger.interface import Claim, Finished, Rows


@dataclass(frozen=True, slots=True)
class Watch:
    """What an engine tells operations.

    Attributes:
        ended: told of each attempt's end.
        recorded: told the rows of each batch that the warehouse took, once at least.
        sampling: which runs' attempts are told their place in the trace; None: none is.
    """

    ended: Callable[[Finished], None] = lambda item: None
    recorded: Callable[[Rows], None] = lambda rows: None
    sampling: Sampling | None = None


class Observer:
    """Told what happens, from the engine's thread; each method does nothing unless overridden."""

    def found(self, total: int) -> None:
        """So many objects were seen so far."""

    def taken_in(self, counts: Mapping[str, int]) -> None:
        """Arrivals so far by outcome, and ``unchanged``."""

    def planned(self, runs: int, tasks: int) -> None:
        """So many runs, with so many tasks in all, are to be done."""

    def started(self, claim: Claim) -> None:
        """An attempt began."""

    def progress(self, progress: Progress) -> None:
        """A step said how far it is."""

    def finished(self, finished: Finished) -> None:
        """An attempt ended."""

    def recorded(self, rows: int) -> None:
        """So many rows went to the warehouse."""
