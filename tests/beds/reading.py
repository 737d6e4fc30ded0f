"""What readers are told to do in tests; in a module of its own, since they are processes of their own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from itertools import chain

LARGE = "x" * 500_000


def doubled(numbers: Sequence[int]) -> list[int]:
    return [2 * number for number in numbers]


def whose(numbers: Sequence[int]) -> list[int]:
    return [os.getpid() for _ in numbers]


def knows_colorsys(numbers: Sequence[int]) -> list[bool]:
    """Whether a module is there that nothing here imports."""
    return ["colorsys" in sys.modules for _ in numbers]


def wide(numbers: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    return [(2 * number, text) for number, text in numbers]


def deadly(numbers: Sequence[int]) -> list[int]:
    """13 kills its reader."""
    if 13 in numbers:
        os.kill(os.getpid(), signal.SIGKILL)
    return doubled(numbers)


def failing(numbers: Sequence[int]) -> list[int]:
    raise ValueError("no")


def lost(number: int) -> list[int]:
    return [-number]


def merged(results: Sequence[list[int]]) -> list[int]:
    return list(chain.from_iterable(results))
