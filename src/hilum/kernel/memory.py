"""Memory that nothing uses any more. glibc keeps what many threads and large batches once had, so that a process that
works in bursts for weeks seems to grow; asked to, it gives it back.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache


def give_back() -> None:
    """Give memory that is free back to the machine; nothing where the C library has no call for it."""
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    """``malloc_trim`` (glibc's manual page malloc_trim(3)), of all of its arenas."""
    found: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found
