"""Counting values: how often each was seen, and what follows from that, exactly. Kept small by holding one count
for each distinct value, so that it does not matter how many there were.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

WIDEST_WINDOW = 1 << 22
"""Values spread wider than this are sorted instead of counted in a table."""

MERGE_AT = 1 << 20
"""Counts waiting to be merged before they are."""


@dataclass
class Tally:
    """How often each value was seen.

    Attributes:
        padding: how many pixels were left out.
    """

    padding: int = 0
    _values: list[Floats] = field(default_factory=list)
    _counts: list[Counts] = field(default_factory=list)
    _waiting: int = 0

    def add(self, values: NDArray[Any], counts: Counts) -> None:
        """Count ``values[i]`` another ``counts[i]`` times."""
        self._values.append(values.astype(np.float64))
        self._counts.append(counts)
        self._waiting += len(values)
        if self._waiting > MERGE_AT:
            self.merged()

    def merged(self) -> tuple[Floats, Counts]:
        """Distinct values, ascending, and their counts."""
        if not self._values:
            return np.empty(0), np.empty(0, np.int64)
        if len(self._values) > 1:
            values, inverse = np.unique(np.concatenate(self._values), return_inverse=True)
            counts = np.zeros(len(values), np.int64)
            np.add.at(counts, inverse, np.concatenate(self._counts))
            self._values, self._counts = [values], [counts]
        self._waiting = 0
        return self._values[0], self._counts[0]

    @property
    def total(self) -> int:
        return int(self.merged()[1].sum())


def statistics(tally: Tally, percentiles: Iterable[float] = ()) -> dict[str, float]:
    """Minimum, maximum, mean, population's standard deviation, median and ``percentile_<number>``, by name."""
    values, counts = tally.merged()
    total = counts.sum()
    mean = float(values @ counts / total)
    found = {
        "minimum": float(values[0]),
        "maximum": float(values[-1]),
        "mean": mean,
        "standard_deviation": float(np.sqrt(((values - mean) ** 2) @ counts / total)),
        "median": percentile(values, counts, 50),
    }
    return found | {f"percentile_{number}": percentile(values, counts, number) for number in percentiles}


def percentile(values: Floats, counts: Counts, number: float) -> float:
    """The ``number``-th percentile of counted values, linear between the two nearest ranks."""
    upto = np.cumsum(counts)
    rank = (upto[-1] - 1) * number / 100
    below = int(np.floor(rank))
    low, high = values[np.searchsorted(upto, [below, min(below + 1, upto[-1] - 1)], side="right")]
    return float(low + (high - low) * (rank - below))


def bin_counts(tally: Tally, bins: int) -> dict[str, list[float] | list[int]]:
    """``edges`` (one more than bins; the last bin holds its upper edge, the others do not) and ``counts``.

    Whole values get bins of a whole width, so that no bin sees one value more than its neighbour.
    """
    values, counts = tally.merged()
    low, high = float(values[0]), float(values[-1])
    if bool(np.all(values == np.floor(values))):
        width = float(np.ceil((high - low + 1) / bins))
        bins = int(np.ceil((high - low + 1) / width))
        edges = low + width * np.arange(bins + 1)
    else:
        edges = np.linspace(low, high, bins + 1)
    found, _ = np.histogram(values, edges, weights=counts)
    return {"edges": edges.tolist(), "counts": found.astype(np.int64).tolist()}


def distinct(values: NDArray[Any]) -> tuple[NDArray[Any], Counts]:
    """Distinct values and their counts, by a table where the values lie close enough."""
    if values.dtype.kind in "iu" and values.size:
        low, high = int(values.min()), int(values.max())
        if high - low < WIDEST_WINDOW:
            counts = np.bincount(values.ravel().astype(np.intp) - low, minlength=1)
            places = np.flatnonzero(counts)
            return (places + low).astype(values.dtype), counts[places].astype(np.int64)
    finite = values[np.isfinite(values)]
    distinct, counts = np.unique(finite, return_counts=True)
    return distinct, counts.astype(np.int64)
