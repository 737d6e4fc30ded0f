"""The executor port: it runs attempts somewhere and tells how they ended. It knows no ledger; whatever happens to
it, results are committed in storage by the attempt itself, so a lost report costs a look-up, not a computation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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
    adopts = False
    """Whether attempts outlive the engine that submitted them, so that another may :meth:`adopt` them."""

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

    def adopt(self, attempt_ids: Collection[str] = ()) -> Sequence[AttemptSpec]:
        """Take over attempts that another engine, now dead, had submitted and that still run or ended unheard.

        From then on ``watch`` reports them. Others that are found with this executor's mark and home, that nobody
        wants and whose engine is dead, are stopped and removed.

        Args:
            attempt_ids: those that the ledger has made ours.

        Returns:
            Those that were found; an executor whose attempts die with the engine finds none.
        """
        return ()

    def waitables(self) -> Sequence[Any]:
        """What :func:`multiprocessing.connection.wait` can wait for until ``watch`` has something to say."""
        return ()

    def logs(self, attempt_id: str) -> Iterator[bytes]:
        """What an attempt has printed so far, in pieces; empty where nothing is kept. It may hold patient data."""
        return iter(())

    @abstractmethod
    def cancel(self, attempt_id: str) -> None:
        """Stop an attempt and all its processes; its report follows as ``cancelled``. Unknown ids are fine."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything, without reports: what lives in this machine's processes or containers is stopped and
        its folders removed, what lives on a cluster runs on and waits to be adopted."""
