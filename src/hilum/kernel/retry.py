"""Exponential backoff with full jitter: many clients that failed together must not return together."""

from __future__ import annotations

import random

CAP = 600.0
"""Seconds that no wait is longer than. One that ends later than that was written before the clock was set back."""


def backoff_seconds(
    attempt: int, *, base: float = 10.0, cap: float = CAP, rng: random.Random | None = None
) -> float:
    """Seconds to wait before attempt ``attempt + 1``, ``attempt`` counting from 1.

    Uniform between half and the whole of ``base * 2 ** (attempt - 1)``, never above ``cap``.
    """
    if attempt < 1:
        raise ValueError("attempt counts from 1")
    ceiling = min(cap, base * 2.0 ** min(attempt - 1, 32))
    return (rng or random).uniform(ceiling / 2, ceiling)
