"""Where the time of an index goes: which function is at work some hundred times a second of processor time.

Sampling, since a tracing profiler would make a scanner of many small calls look several times slower than it is. What
a function calls in C (hashing, Arrow) counts as the function's own.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

from benchmarks import corpus
from benchmarks.intake import index

EVERY = 0.001


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    chosen = parser.parse_args()
    count, rounds = (60, 1) if chosen.quick else (chosen.files, chosen.rounds)
    paths = corpus.corpus(count)
    for digest in (True, False):
        samples: Counter[str] = Counter()
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                samples += sampled(partial(index, paths, Path(folder), digest=digest))
        print(f"\nhilum index{'' if digest else ' --no-digest'}: {samples.total():,} samples")
        for function, times in samples.most_common(18):
            print(f"{100 * times / samples.total():5.1f} %  {function}")


def sampled(work: Callable[[], object]) -> Counter[str]:
    """How often each function was at work; of one outside of Hilum the caller in Hilum is named as well."""
    samples: Counter[str] = Counter()

    def sample(number: int, frame: FrameType | None) -> None:
        if frame is not None:
            samples[_place(frame)] += 1

    before = signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return samples


def _place(frame: FrameType) -> str:
    inner, caller = _name(frame), frame
    while caller.f_back is not None and not _name(caller).startswith("hilum."):
        caller = caller.f_back
    return inner if caller is frame else f"{_name(caller)} > {inner}"


def _name(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_qualname}"


if __name__ == "__main__":
    main()
