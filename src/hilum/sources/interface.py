"""The source port: it names what showed up and lets intake read it. It decides nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from hilum.model.arrival import Arrival, Received

SUBSCRIPTION = "pubsub://"
"""How the address of a subscription of Pub/Sub begins."""


class Source(ABC):
    """Arrivals, at least once, in any order."""

    name: str

    @abstractmethod
    def scan(self) -> Iterator[Arrival | Received]:
        """Everything that is there now, lazily; faults of single objects are arrivals too, never exceptions.

        What somebody has read already, wherever that was, comes as what came of it.
        """

    def recorded(self, arrivals: Sequence[Arrival]) -> None:
        """What became of these is in the ledger for good, or need not be: nobody has to tell of them again."""
        return

    def close(self) -> None:
        """Stop whatever listens."""
        return
