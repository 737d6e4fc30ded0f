"""The graph of a pipeline's steps: its order, its circles, and which steps travel together. Names only."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

Before = Mapping[str, Sequence[str]]
"""For each step the steps that come before it, in the order of the pipeline."""


def ordered(before: Before) -> list[str]:
    """Steps in topological order, else in the order given; those in or behind a circle are left out."""
    order: list[str] = []
    left = dict(before)
    while ready := next((name for name, needs in left.items() if not set(needs) & left.keys()), None):
        order.append(ready)
        del left[ready]
    return order


def find_cycle(before: Before) -> list[str]:
    """The names along one circle, the first again at the end; empty if there is none."""
    left = dict.fromkeys(name for name in before if name not in ordered(before))
    path: list[str] = []
    name = next(iter(left), "")
    while name and name not in path:  # each one left has a need that is left, so this comes round
        path.append(name)
        name = next(need for need in before[name] if need in left)
    return [*path[path.index(name) :], name] if path else []


def segments(before: Before, shares: Mapping[str, Hashable | None]) -> list[tuple[str, ...]]:
    """Steps that travel together, in an order in which each segment needs only earlier ones.

    Args:
        shares: what a step's company must have in common with it (its resources); None travels alone.

    A step's level is the largest number of times that a path to it changes company. An edge between two segments
    always leads to a higher level, so joining the steps of one level and company makes no circle.
    """
    level: dict[str, int] = {}
    joined: dict[tuple[int, Hashable], list[str]] = {}
    for name in ordered(before):
        own = shares[name]
        level[name] = max(
            (level[need] + (own is None or shares[need] != own) for need in before[name]), default=0
        )
        joined.setdefault((level[name], name if own is None else ("shared", own)), []).append(name)
    return [tuple(names) for (_, _), names in sorted(joined.items(), key=lambda item: item[0][0])]
