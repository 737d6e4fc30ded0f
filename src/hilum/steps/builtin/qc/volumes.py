"""Taking the volumes of one stack apart: where places are taken several times, which attribute says why.

An attribute is believed only if it makes volumes: each of its values must cover at least half of the places,
or it must tell the frames of every place apart, all places being taken equally often (a trigger time that
differs from slice to slice). Otherwise a stray time stamp would turn a duplicate into a volume.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hilum.steps.builtin.qc.frames import MARKS, Frame

COVERED = 0.5


@dataclass(frozen=True, slots=True)
class Volumes:
    """Attributes:
    count: how many volumes.
    reasons: findings that say by what, mapped to the keywords and how many values each has.
    duplicates: indices of frames at a place that their own volume has already.
    absent: places that a volume lacks though another has them, summed over volumes.
    """

    count: int
    reasons: dict[str, dict[str, int]]
    duplicates: tuple[int, ...]
    absent: int


def take_apart(frames: Sequence[Frame], places: Sequence[int]) -> Volumes:
    """The volumes among ``frames``, of which the i-th lies at place ``places[i]`` (0 to n - 1)."""
    total = len(set(places))
    keys: list[tuple[Any, ...]] = [()] * len(frames)
    reasons: dict[str, dict[str, int]] = defaultdict(dict)
    taken = Counter(places)
    even = len(set(taken.values())) == 1
    for column, (keyword, _, reason) in enumerate(MARKS):
        clashes = _clashes(places, keys)
        if not clashes:
            break
        values = [frame.marks[column] for frame in frames]
        if len(set(values)) < 2:
            continue
        finer = [(*key, value) for key, value in zip(keys, values, strict=True)]
        left = _clashes(places, finer)
        if left >= clashes:
            continue
        if _cover(places, finer, total):
            keys = finer
            reasons[reason][keyword] = len(set(values))
        elif left == 0 and even:
            keys = _ranks(places, finer)
            reasons[reason][keyword] = len(set(keys))
    return _volumes(places, keys, dict(reasons), total)


def _volumes(
    places: Sequence[int], keys: Sequence[tuple[Any, ...]], reasons: dict[str, dict[str, int]], total: int
) -> Volumes:
    volumes: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        volumes[key].append(index)
    count, absent = 0, 0
    duplicates: list[int] = []
    for members in volumes.values():
        taken = Counter(places[index] for index in members)
        copies = set(taken.values())
        absent += total - len(taken)
        if len(copies) == 1 and len(taken) > 1 and (times := copies.pop()) > 1:
            count += times
            reasons.setdefault("unexplained-volumes", {})["volumes"] = times
            continue
        count += 1
        seen: set[int] = set()
        for index in members:
            if places[index] in seen:
                duplicates.append(index)
            seen.add(places[index])
    return Volumes(count, reasons, tuple(duplicates), absent)


def _clashes(places: Sequence[int], keys: Sequence[tuple[Any, ...]]) -> int:
    """How many frames share place and key with an earlier one."""
    return len(places) - len(set(zip(places, keys, strict=True)))


def _cover(places: Sequence[int], keys: Sequence[tuple[Any, ...]], total: int) -> bool:
    covered: dict[tuple[Any, ...], set[int]] = defaultdict(set)
    for place, key in zip(places, keys, strict=True):
        covered[key].add(place)
    return min(map(len, covered.values())) >= COVERED * total


def _ranks(places: Sequence[int], keys: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Each frame's rank by key among those at its place."""
    ranks: list[tuple[Any, ...]] = [()] * len(places)
    at: dict[int, list[int]] = defaultdict(list)
    for index, place in enumerate(places):
        at[place].append(index)
    for members in at.values():
        for rank, index in enumerate(sorted(members, key=lambda index: repr(keys[index]))):
            ranks[index] = (rank,)
    return ranks
