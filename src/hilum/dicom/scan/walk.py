"""The walk over a header's bytes: one loop for elements that tell their VR, one for those that do not.

A walk never guesses. Where bytes are not as PS3.5 has them it raises Unsure, and pydicom's judgement counts; where
they end before the element does it raises Short, and whoever has more of the object goes on at that element.
"""

from __future__ import annotations

import struct
from typing import Any

from hilum.dicom.limits import DEPTH, ELEMENTS, HEADER, LONGEST_VALUE, too_deep, too_large, too_many
from hilum.dicom.scan.stretches import Step, Stretch
from hilum.dicom.scan.tables import (
    ITEM,
    PIXEL_REPRESENTATION,
    RECENT_BYTES,
    SEQUENCE_END,
    Kind,
    Memo,
    Recent,
    Rule,
    Table,
    Tables,
    Unsure,
)

UNDEFINED = 0xFFFFFFFF

_ITEM_HEADER = {"little": struct.Struct("<HHI"), "big": struct.Struct(">HHI")}


class Short(Exception):
    """The window ends before the element does."""


def _known(stretches: list[Stretch], data: bytes, pos: int) -> Stretch | None:
    for known in stretches:
        if data.startswith(known.raw, pos):
            return known
    return None


class Walk:
    """A walk over one header.

    Attributes:
        position: where the top level's element begins that a raised Short is about, or where the walk ended, which is
            beyond the window where a binary value is.
        rule: the rule of the element that ended the walk, or None at the end of the bytes.
        table: the one in force there.
        values: bytes of those elements that say what others mean.
        elements, text: what its sequences have of elements and items, and characters that those have become.
        familiar: elements that were taken over from headers before. taken: parts of those.
        steps: elements of the top level that were walked by themselves, if they are to be learnt from.
    """

    def __init__(self, tables: Tables, steps: list[Step | None] | None = None) -> None:
        self._tables = tables
        self.position = 0
        self.rule: Rule | None = None
        self.table: Table | None = None
        self.last = -1
        self.elements = 0
        self.text = 0
        self.values: dict[int, bytes] = {}
        self.depth = self.deepest = 0
        self.familiar = self.taken = 0
        self.steps = steps

    def run(self, data: bytes, pos: int, end: int, table: Table, parts: list[Any], others: list[Any]) -> None:
        """Walk one level from ``pos`` to ``end``."""
        explicit, order = table.context.explicit, table.context.order
        width, low, high = 6 if explicit else 4, *((6, 7) if table.context.little else (7, 6))
        fast, steps = table.fast.get, None if self.depth else self.steps
        faults = table.form.faults
        add, add_other, last, rule = parts.append, others.append, self.last, None
        try:
            while pos + 8 <= end:
                key = data[pos : pos + width]
                start = pos + 8
                at: Memo | Rule
                if (memo := fast(key)) is not None:
                    at = memo
                else:
                    at = rule = table[key]
                    if rule.kind >= Kind.PIXELS:
                        break
                if at.tag <= last:
                    raise Unsure
                if at.stretches and (known := _known(at.stretches, data, pos)) is not None:
                    parts += known.parts
                    if others is not parts:
                        others += known.others
                    self.familiar += known.elements
                    self.taken += len(known.parts) + len(known.others)
                    last, rule = known.last, None
                    pos += len(known.raw)
                    if known.table is not table:
                        table = known.table
                        fast = table.fast.get
                    if known.values:
                        self.values |= known.values
                    if steps is not None:
                        steps.append(None)
                    continue
                if steps is not None:
                    steps.append(Step(pos, len(parts), len(others), len(faults), table, at))
                if memo is not None:
                    if explicit:
                        stop = start + (data[pos + low] | data[pos + high] << 8)
                    else:
                        stop = start + int.from_bytes(data[pos + 4 : start], "little")
                    if stop > end:
                        if stop - start > LONGEST_VALUE:
                            raise Unsure
                        raise Short
                    last = memo.tag
                    (add if memo.public else add_other)(memo[data[start:stop]])
                    pos = stop
                    continue
                assert rule is not None
                if rule.long:
                    start = pos + 12
                    if start > end:
                        raise Short
                    length = int.from_bytes(data[pos + 8 : start], order)
                elif explicit:
                    length = data[pos + low] | data[pos + high] << 8
                else:
                    length = int.from_bytes(data[pos + 4 : start], order)
                pos, changed = self._element(data, pos, start, length, end, table, rule, parts, others)
                last, rule = self.last, None
                if changed is not None:
                    table = changed
                    fast = table.fast.get
        except Short:
            self.position, self.last, self.table = pos, last, table
            raise
        if steps is not None and rule is not None:
            steps.append(Step(pos, len(parts), len(others), len(faults), table, rule))
        self.position, self.rule, self.last, self.table = pos, rule, last, table

    def _element(
        self,
        data: bytes,
        pos: int,
        start: int,
        length: int,
        end: int,
        table: Table,
        rule: Rule,
        parts: list[Any],
        others: list[Any],
    ) -> tuple[int, Table | None]:
        """An element that is not most elements: where the next begins, and the table from there if it is another."""
        if length == UNDEFINED and rule.vr not in ("SQ", "UN"):
            raise Unsure
        if rule.kind is Kind.SEQUENCE or length == UNDEFINED:
            stop = self._sequence(data, pos, start, length, end, table, rule, parts)
            self.last = rule.tag
            return stop, None
        stop = start + length
        if rule.kind is Kind.BINARY:
            if stop > end and self.depth:
                raise Short
            if (part := table.form.binary(rule.tag, rule.vr)) is not None:
                parts.append(part)
            self.elements += 1
            self.last = rule.tag
            return stop, None
        if stop > end:
            if length > LONGEST_VALUE:
                raise Unsure
            raise Short
        assert rule.memo is not None
        raw = data[start:stop]
        (parts if rule.memo.public else others).append(rule.memo[raw])
        self.last = rule.tag
        if rule.kind is not Kind.SWITCH:
            return stop, None
        if not self.depth:
            self.values[rule.tag] = raw
        return stop, table.after(rule, raw)

    def _sequence(
        self,
        data: bytes,
        pos: int,
        start: int,
        length: int,
        end: int,
        table: Table,
        rule: Rule,
        parts: list[Any],
    ) -> int:
        """A sequence (PS3.5 7.5): where it ends. The same bytes as before are the same sequence."""
        for known in rule.recent:
            if data.startswith(known.raw, pos) and pos + len(known.raw) <= end:
                self._count(known.elements, self.depth + known.height)
                parts.append(known.part)
                return pos + len(known.raw)
        context, form = table.context, table.form
        inner = context._replace(level="item", creators=())
        if rule.told == "UN":
            if length != UNDEFINED:
                raise Unsure
            inner = inner._replace(explicit=False, little=True)  # PS3.5 6.2.2
        if not inner.explicit and rule.tag < PIXEL_REPRESENTATION:
            inner = inner._replace(signed=None)
        stop = None if length == UNDEFINED else start + length
        if stop is not None and stop > end:
            raise Short
        kept, counts = (self.last, self.rule, self.position), (self.elements, self.text, self.deepest)
        faults = len(form.faults)
        self.depth += 1
        self.deepest = 0
        try:
            self._count(0, self.depth)
            items, pos_after = self._items(
                data, start, end if stop is None else stop, stop, self._tables.of(inner)
            )
        except Short:  # it is walked again
            self.elements, self.text, self.deepest = counts
            del form.faults[faults:]
            raise
        finally:
            self.depth -= 1
            self.last, self.rule, self.position = kept
        if len(form.faults) > faults:
            form.within(rule.tag, faults)
        part = form.sequence(rule.tag, items, context)
        parts.append(part)
        if len(form.faults) == faults and pos_after - pos <= RECENT_BYTES:
            known = Recent(data[pos:pos_after], part, self.elements - counts[0], self.deepest - self.depth)
            self._tables.remember(rule, known)
        self.deepest = max(self.deepest, counts[2])
        if self.depth:
            self.text = counts[1]  # the item around it has it
        return pos_after

    def _count(self, elements: int, depth: int, text: int = 0) -> None:
        """Hold what was found against the limits."""
        self.elements += elements
        self.text += text
        if self.elements > ELEMENTS:
            raise too_many()
        if self.text > HEADER:
            raise too_large()
        if depth > self.deepest:
            self.deepest = depth
            if depth > DEPTH:
                raise too_deep()

    def _items(
        self, data: bytes, pos: int, end: int, stop: int | None, table: Table
    ) -> tuple[list[Any], int]:
        header = _ITEM_HEADER[table.context.order]
        items: list[Any] = []
        while stop is None or pos < stop:
            if pos + 8 > end:
                raise Unsure if stop is not None else Short
            group, number, length = header.unpack_from(data, pos)
            tag = group << 16 | number
            if tag == SEQUENCE_END and stop is None:
                return items, pos + 8
            if tag != ITEM:
                raise Unsure
            pos += 8
            last_byte = end if length == UNDEFINED else pos + length
            if last_byte > end:
                raise Unsure if stop is not None else Short
            parts: list[Any] = []
            others: list[Any] = parts if table.form.mixed else []
            self.last = -1
            try:
                self.run(data, pos, last_byte, table, parts, others)
            except Short:
                if stop is not None or length != UNDEFINED:
                    raise Unsure from None
                raise
            ended = self.rule is not None
            if ended and self.rule is not None and self.rule.kind is not Kind.END:
                raise Unsure
            if length == UNDEFINED:
                if not ended:
                    raise Unsure if stop is not None else Short
                if data[self.position + 4 : self.position + 8] != b"\0\0\0\0":
                    raise Unsure
                pos = self.position + 8
            elif ended or self.position != last_byte:
                raise Unsure
            else:
                pos = last_byte
            item = table.form.item(parts, others)
            items.append(item)
            count = 1 + len(parts) + (0 if others is parts else len(others))
            self._count(count, self.depth, len(item))
        return items, pos
