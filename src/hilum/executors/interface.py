"""The executor port: it runs attempts somewhere and tells how they ended. It knows no ledger; whatever happens to
it, results are committed in storage by the attempt itself, so a lost report costs a look-up, not a computation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from hilum.model.work import AttemptReport, AttemptSpec


@dataclass(frozen=True, slots=True)
class Progress:
    """A sign of life: which step of an attempt is at work, how far (0 to 1), and a word on it."""

    attempt_id: str
    step: str
    fraction: float = 0.0
    message: str = ""


class Executor(ABC):
    """Runs attempts. Used from one thread."""

    name: str

    @abstractmethod
    def capacity(self) -> int:
        """How many more attempts it would start at once now."""

    @abstractmethod
    def submit(self, spec: AttemptSpec) -> None:
        """Take an attempt on; returns before it ends."""

    @abstractmethod
    def watch(self, timeout: float) -> Sequence[AttemptReport | Progress]:
        """What happened since the last call; waits up to ``timeout`` seconds for something to happen.

        Every submitted attempt gets exactly one report, however it ended.
        """

    @abstractmethod
    def cancel(self, attempt_id: str) -> None:
        """Stop an attempt and all its processes; its report follows as ``cancelled``. Unknown ids are fine."""

    @abstractmethod
    def close(self) -> None:
        """Stop everything that still runs, without reports, and give back processes and folders."""
