"""Progress for people: bars on a terminal's standard error, nothing when nobody looks."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

from hilum.engine.observe import Observer

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from hilum.executors.interface import Progress
    from hilum.ledger.interface import Claim, Finished


def bars() -> Bars:
    """Bars on standard error that are gone when they end; each with a field ``now``, for what is under way."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[now]}"),
        console=Console(stderr=True, highlight=False),
        transient=True,
    )


class ProgressBars(Observer):
    """Two bars: objects taken in, and tasks done. Use it as a context manager; they are gone when it ends.

    Attributes:
        attempts: how many were begun, whether or not somebody looks.
    """

    def __init__(self, *, show: bool | None = None) -> None:
        self._show = sys.stderr.isatty() if show is None else show
        self.attempts = 0
        self._bars: Bars | None = None
        self._intake: TaskID | None = None
        self._expected = 0
        self._tasks: TaskID | None = None

    def __enter__(self) -> ProgressBars:
        if self._show:
            self._bars = bars()
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def expect(self, paths: Sequence[str]) -> None:
        """Count the files at these paths meanwhile, so that the time left can be told."""
        if self._show:
            threading.Thread(target=self._count, args=(paths,), daemon=True).start()

    def _count(self, paths: Sequence[str]) -> None:
        found = 0
        for path in paths:
            found += sum(len(files) for _, _, files in os.walk(path)) if os.path.isdir(path) else 1
        self._expected = found

    def found(self, total: int) -> None:
        if self._bars is None:
            return
        if self._intake is None:
            self._intake = self._bars.add_task("taking in", total=None, now="")
        self._bars.update(self._intake, total=max(total, self._expected))

    def taken_in(self, counts: Mapping[str, int]) -> None:
        if self._bars is None or self._intake is None:
            return
        done = sum(counts.values())
        elapsed = self._bars.tasks[self._intake].elapsed or 0.0
        now = ""
        if done and elapsed > 0.2:
            now = f"{done / elapsed:,.0f} files/s"
            if self._expected > done:
                now += f", {timedelta(seconds=round((self._expected - done) * elapsed / done))} left"
        self._bars.update(self._intake, completed=done, now=now)

    def planned(self, runs: int, tasks: int) -> None:
        if self._bars is not None and tasks:
            self._tasks = self._bars.add_task("processing", total=tasks, now="")

    def started(self, claim: Claim) -> None:
        self.attempts += 1
        self._say(" ".join(claim.steps))

    def progress(self, progress: Progress) -> None:
        percent = f" {progress.fraction:.0%}" if progress.fraction else ""
        self._say(f"{progress.step}{percent}")

    def finished(self, finished: Finished) -> None:
        if self._bars is not None and self._tasks is not None:
            self._bars.advance(self._tasks, sum(change.state.final for change in finished.changes))

    def _say(self, what: str) -> None:
        if self._bars is not None and self._tasks is not None:
            self._bars.update(self._tasks, now=what)
