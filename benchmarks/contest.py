"""Contenders that do the same work, taking turns: rounds, times and the table of them.

Ratios are those of processor time, ended children's included. On a quiet machine that is the time by the clock; on a
busy one the clock flatters what is short.
"""

from __future__ import annotations

import gc
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Missing(Exception):
    """A contender is not here; the message says why in a few words."""


class Spent(NamedTuple):
    """Seconds by the clock, and of the processor."""

    clock: float
    processor: float


@dataclass
class Contender:
    """One way to do a row's work.

    Attributes:
        once: does all of it; the time of starting servers is not in it.
        amount: objects that it is done for.
    """

    name: str
    once: Callable[[], Spent]
    amount: int
    spent: list[Spent] = field(default_factory=list)
    missing: str = ""

    def best(self) -> Spent:
        """Seconds for one object, in the best round."""
        return Spent(*(min(each) / self.amount for each in zip(*self.spent, strict=True)))

    def median(self) -> float:
        """The same by the clock, in the median round."""
        return statistics.median(each.clock for each in self.spent) / self.amount


@dataclass
class Row:
    """A row of the table; its first contender is what the others are held against.

    Attributes:
        bar: what Hilum is to reach, in the figures of the machine that the bars were set on, and as a ratio.
        unit: files/s or ms.
        against: what the first contender is called.
        by_clock: ratios are of the clock, where the point is to use more processors at once.
    """

    work: str
    bar: str
    contenders: list[Contender]
    unit: str = "files/s"
    against: str = "pydicom"
    by_clock: bool = False


def each(
    name: str, prepare: Callable[[], Callable[[Path], object]], paths: Sequence[Path], *, used_to: int = 0
) -> Contender:
    """A contender that takes file by file.

    Args:
        prepare: gives what takes them, anew for each round.
        used_to: so many of the first are not timed.
    """

    def once() -> Spent:
        work = prepare()

        def some(chosen: Sequence[Path]) -> None:
            for path in chosen:
                work(path)

        some(paths[:used_to])
        return timed(lambda: some(paths[used_to:]))

    return Contender(name, lambda: _afresh(once), len(paths) - used_to)


def whole(name: str, work: Callable[[Path], object], amount: int) -> Contender:
    """A contender that takes all of it at once; ``work`` gets an empty folder."""

    def once() -> Spent:
        with tempfile.TemporaryDirectory() as folder:
            return timed(lambda: work(Path(folder)))

    return Contender(name, lambda: _afresh(once), amount)


def _afresh(once: Callable[[], Spent]) -> Spent:
    """In a new thread: a scanner learns from what its thread has read, and no file is read twice in the field."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(once).result()


def timed(work: Callable[[], object]) -> Spent:
    """What some work takes."""
    clock, processor = time.perf_counter(), _processor()
    work()
    return Spent(time.perf_counter() - clock, _processor() - processor)


def _processor() -> float:
    usages = (resource.getrusage(which) for which in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure(row: Row, rounds: int) -> None:
    """Let a row's contenders take turns, after one turn that does not count."""
    for turn in range(rounds + 1):
        for contender in row.contenders:
            if contender.missing:
                continue
            gc.collect()
            try:
                spent = contender.once()
            except Missing as error:
                contender.missing = str(error)
            else:
                contender.spent += [spent] if turn else []


def show(row: Row) -> None:
    """Print a row's table in Markdown."""
    columns = ("best", "median", "processor", f"x {row.against}", "of limit")
    print(f"**{row.work}** (bar: {row.bar})\n")
    print(f"| {row.unit:<48} | " + " | ".join(f"{name:>9}" for name in columns) + " |")
    print(f"|{'-' * 50}|" + f"{'-' * 10}:|" * len(columns))
    reference = row.contenders[0].best()
    limits = [each.best().processor for each in row.contenders if each.name.startswith("limit")]
    for contender in row.contenders:
        if contender.missing:
            print(f"| {contender.name:<48} | {contender.missing} |" + " |" * (len(columns) - 1))
            continue
        best = contender.best()
        times = best.clock, contender.median(), best.processor
        cells = [f"{1 / each:,.0f}" if row.unit == "files/s" else f"{1000 * each:,.1f}" for each in times]
        ratio = reference.clock / best.clock if row.by_clock else reference.processor / best.processor
        cells.append(f"{ratio:.1f}")
        cells.append(f"1/{best.processor / limits[0]:.2f}" if limits else "")
        print(f"| {contender.name:<48} | " + " | ".join(f"{cell:>9}" for cell in cells) + " |")
    print(flush=True)
