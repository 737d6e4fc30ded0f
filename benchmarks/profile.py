"""Where the time of an index goes: which function is at work, looked at some hundred times a second.

Sampling, since a tracing profiler would make a scanner of many small calls look several times slower than it is. What
a function calls in C (hashing, Arrow) counts as its own; Python looks only when such a call is over, so a sample
counts as much processor time as has gone by since the one before.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import FrameType

from benchmarks import corpus
from benchmarks.intake import index

EVERY = 0.001
USED_TO = 60
"""Files that are indexed before, so that imports are not in the picture."""

Samples = Counter[tuple[str, str]]
"""Microseconds that each function was at work, with the innermost one of Hilum that it was called by (or is)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    chosen = parser.parse_args()
    count, rounds = (USED_TO, 1) if chosen.quick else (chosen.files, chosen.rounds)
    for digest in (True, False):
        samples: Samples = Counter()
        for _ in range(
            rounds
        ):  # each in a new process: a scanner learns, and no file is read twice in the field
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
                samples += process.submit(sample_index, count, digest).result()
        print(
            f"\nhilum index{'' if digest else ' --no-digest'}, {count} files: {samples.total() / 1e6:.2f} s\n"
        )
        show(samples)


def sample_index(count: int, digest: bool) -> Samples:
    """Index the corpus once."""
    for amount in (USED_TO, count):
        with tempfile.TemporaryDirectory() as folder:
            samples = sampled(partial(index, corpus.corpus(amount), Path(folder), digest=digest))
    return samples


def sampled(work: Callable[[], object]) -> Samples:
    """Watch some work in this thread."""
    samples: Samples = Counter()
    last = time.thread_time_ns()

    def sample(number: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.thread_time_ns()
        if frame is not None:
            samples[_place(frame)] += (now - last) // 1000
        last = now

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return samples


def show(samples: Samples) -> None:
    """Print shares of packages, then of functions."""
    packages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for (inner, caller), times in samples.items():
        packages[".".join(caller.split(".")[:2])] += times
        functions[inner if inner == caller else f"{caller} > {inner}"] += times
    for counter, most in ((packages, 8), (functions, 16)):
        for name, times in counter.most_common(most):
            print(f"{100 * times / samples.total():5.1f} %  {name}")
        print()


def _place(frame: FrameType) -> tuple[str, str]:
    caller = frame
    while caller.f_back is not None and not _name(caller).startswith("hilum."):
        caller = caller.f_back
    return _name(frame), _name(caller)


def _name(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_qualname}"


if __name__ == "__main__":
    main()
