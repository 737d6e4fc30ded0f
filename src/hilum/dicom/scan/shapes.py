"""Shapes: items that have the same elements of the same lengths as one seen before.

The items of a sequence are much alike: references that differ in a UID, frames that differ in a position. Of a shape
the places are known where values differ, so the rest of an item is compared as a few strings and taken over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hilum.dicom.scan.kinds import Kind

if TYPE_CHECKING:
    from hilum.dicom.scan.tables import Memo, Table

LONGEST = 1 << 12
"""Bytes of an item that has a shape."""
TRIES = 8
"""Times that a shape is found to be another, before it is given up."""


class Leaf(NamedTuple):
    """A value in an item that may differ: where it is, what makes it a part, and which part it is."""

    start: int
    stop: int
    memo: Memo
    place: int


class Shape:
    """What is known of items that begin alike and are as long.

    Attributes:
        parts, others: of the item that was seen last. elements, height: of what is in its sequences.
    """

    __slots__ = ("_differing", "_fixed", "_leaves", "_raw", "_tries", "elements", "height", "others", "parts")

    def __init__(self, raw: bytes, parts: list[Any], others: list[Any], elements: int, height: int) -> None:
        self._raw, self.elements, self.height = raw, elements, height
        self.parts, self.others = parts, others
        self._tries = 0
        self._differing: list[Leaf] = []
        self._fixed: list[tuple[int, bytes]] = []
        self._leaves: list[Leaf] | None = None

    def taken_over(self, data: bytes, pos: int) -> tuple[list[Any], list[Any]] | None:
        """The parts of an item that begins here; None if it has to be walked."""
        if not self._fixed:
            return None
        for place, raw in self._fixed:
            if not data.startswith(raw, pos + place):
                return None
        mixed = self.others is self.parts
        parts = self.parts.copy()
        others = parts if mixed else self.others.copy()
        for start, stop, memo, place in self._differing:
            made = memo[data[pos + start : pos + stop]]
            (parts if memo.public else others)[place] = made
        return parts, others

    def learn(self, raw: bytes, table: Table) -> bool:
        """Look where an item that was walked differs; False if it is of no use to know."""
        self._tries += 1
        if self._leaves is None:
            self._leaves = _leaves(self._raw, table)
        if self._leaves is None or self._tries > TRIES:
            return False
        known = {leaf.start for leaf in self._differing}
        self._differing = [
            leaf
            for leaf in self._leaves
            if leaf.start in known or self._raw[leaf.start : leaf.stop] != raw[leaf.start : leaf.stop]
        ]
        self._fixed, end = [], 0
        for leaf in self._differing:
            self._fixed.append((end, self._raw[end : leaf.start]))
            end = leaf.stop
        if end < len(raw):
            self._fixed.append((end, self._raw[end:]))
        return all(raw.startswith(fixed, place) for place, fixed in self._fixed)


def _leaves(raw: bytes, table: Table) -> list[Leaf] | None:
    """The values of an item of explicit length that are no more than values; None if others change their meaning."""
    form, explicit, order = table.form, table.context.explicit, table.context.order
    leaves, pos, places = [], 0, [0, 0]
    while pos < len(raw):
        key = raw[pos : pos + (6 if explicit else 4)]
        rule = table.get(key)
        if rule is None or rule.kind > Kind.SEQUENCE:
            return None
        start = pos + (12 if rule.long else 8)
        stop = start + int.from_bytes(raw[pos + (8 if rule.long else len(key)) : start], order)
        if stop > len(raw):
            return None
        which = 0 if form.mixed or rule.memo is None or rule.memo.public else 1
        if (memo := table.fast.get(key)) is not None:
            leaves.append(Leaf(start, stop, memo, places[which]))
        places[which] += rule.kind is not Kind.BINARY or form.binary(rule.tag, rule.vr) is not None
        pos = stop
    return leaves
