"""The source port: it names what showed up and lets intake read it. It decides nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from hilum.model.arrival import Arrival


class Source(ABC):
    """Arrivals, at least once, in any order."""

    name: str

    @abstractmethod
    def scan(self) -> Iterator[Arrival]:
        """Everything that is there now, lazily; faults of single objects are arrivals too, never exceptions."""

    def close(self) -> None:
        """Stop whatever listens."""
        return
