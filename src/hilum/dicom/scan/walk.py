"""The walk over a header's bytes: one loop for elements that tell their VR, one for those that do not.

A walk never guesses. Where bytes are not as PS3.5 has them it raises Unsure, and pydicom's judgement counts; where
they end before the element does it raises Short, and whoever has more of the object goes on at that element.
"""

from __future__ import annotations

import struct
from typing import Any

from hilum.dicom.scan.stretches import Step, Stretch
from hilum.dicom.scan.tables import (
    ITEM,
    RECENT,
    RECENT_BYTES,
    SEQUENCE_END,
    Kind,
    Rule,
    Table,
    Tables,
    Unsure,
)
from hilum.errors import UnreadableError

UNDEFINED = 0xFFFFFFFF
DEPTH = 32
"""Sequences within sequences; the field has up to 8."""
ELEMENTS = 2_000_000
"""Of one header; an enhanced multi-frame of 10,000 frames has half of it."""
LONGEST_VALUE = 1 << 24
"""Bytes of one value that is no sequence, and is not binary; PS3.5 6.2 allows 2^32 - 2 in UT, UC and UR."""


_ITEM_HEADER = {"little": struct.Struct("<HHI"), "big": struct.Struct(">HHI")}


class Short(Exception):
    """The window ends before the element does."""


def too_deep() -> UnreadableError:
    return UnreadableError(
        f"its sequences are nested more than {DEPTH} deep",
        reason="nested-too-deep",
        hint="check what wrote it",
    )


def too_many() -> UnreadableError:
    return UnreadableError(
        f"its header has more than {ELEMENTS:,} elements",
        reason="too-many-elements",
        hint="check what wrote it",
    )


def _known(stretches: list[Stretch], data: bytes, pos: int, end: int) -> Stretch | None:
    for known in stretches:
        if data.startswith(known.raw, pos) and pos + len(known.raw) <= end:
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
        familiar: parts that were taken over from headers before.
        steps: elements of the top level that were walked by themselves, if they are to be learnt from.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.position = 0
        self.rule: Rule | None = None
        self.table: Table | None = None
        self.last = -1
        self.elements = 0
        self.values: dict[int, bytes] = {}
        self.depth = 0
        self.familiar = 0
        self.steps: list[Step | None] | None = None

    def run(self, data: bytes, pos: int, end: int, table: Table, parts: list[Any], others: list[Any]) -> None:
        """Walk one level from ``pos`` to ``end``."""
        explicit, order = table.context.explicit, table.context.order
        width, low, high = 6 if explicit else 4, *((6, 7) if table.context.little else (7, 6))
        fast, steps = table.fast.get, None if self.depth else self.steps
        add, add_other, last, rule = parts.append, others.append, self.last, None
        try:
            while pos + 8 <= end:
                key = data[pos : pos + width]
                start = pos + 8
                if (memo := fast(key)) is not None:
                    if memo.tag <= last:
                        raise Unsure
                    if memo.stretches and (known := _known(memo.stretches, data, pos, end)) is not None:
                        parts += known.parts
                        if others is not parts:
                            others += known.others
                        self.familiar += len(known.parts) + len(known.others)
                        last = known.last
                        pos += len(known.raw)
                        if steps is not None:
                            steps.append(None)
                        continue
                    if explicit:
                        stop = start + (data[pos + low] | data[pos + high] << 8)
                    else:
                        stop = start + int.from_bytes(data[pos + 4 : start], "little")
                    if stop > end:
                        if stop - start > LONGEST_VALUE:
                            raise Unsure
                        raise Short
                    if steps is not None:
                        steps.append(Step(pos, len(parts), len(others), (memo.tag, id(table)), memo))
                    last = memo.tag
                    (add if memo.public else add_other)(memo[data[start:stop]])
                    pos = stop
                    continue
                rule = table[key]
                if rule.kind >= Kind.PIXELS:
                    break
                if rule.tag <= last:
                    raise Unsure
                if rule.long:
                    start = pos + 12
                    if start > end:
                        raise Short
                    length = int.from_bytes(data[pos + 8 : start], order)
                elif explicit:
                    length = data[pos + low] | data[pos + high] << 8
                else:
                    length = int.from_bytes(data[pos + 4 : start], order)
                step = Step(pos, len(parts), len(others), (rule.tag, id(table)), None)
                pos, changed = self._element(data, pos, start, length, end, table, rule, parts, others)
                if steps is not None:
                    steps.append(step)
                last, rule = self.last, None
                if changed is not None:
                    table = changed
                    fast = table.fast.get
                    if steps is not None:
                        steps.append(None)
        except Short:
            self.position, self.last, self.table = pos, last, table
            raise
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
        for raw, part in rule.recent:
            if data.startswith(raw, pos) and pos + len(raw) <= end:
                parts.append(part)
                return pos + len(raw)
        if self.depth >= DEPTH:
            raise too_deep()
        context = table.context
        inner = context._replace(level="item", creators=())
        if rule.told == "UN":
            if length != UNDEFINED:
                raise Unsure
            inner = inner._replace(explicit=False, little=True)  # PS3.5 6.2.2
        kept = self.last, self.rule, self.position
        faults = len(table.form.faults)
        self.depth += 1
        stop = None if length == UNDEFINED else start + length
        if stop is not None and stop > end:
            self.depth -= 1
            raise Short
        try:
            items, pos_after = self._items(
                data, start, end if stop is None else stop, stop, self._tables.of(inner)
            )
        finally:
            self.depth -= 1
            self.last, self.rule, self.position = kept
        form = table.form
        if len(form.faults) > faults:
            form.within(rule.tag, faults)
        part = form.sequence(rule.tag, items, context)
        parts.append(part)
        if pos_after - pos <= RECENT_BYTES and len(form.faults) == faults:
            rule.recent.insert(0, (data[pos:pos_after], part))
            del rule.recent[RECENT:]
            self._tables.used += 3 * (pos_after - pos)
        return pos_after

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
            items.append(table.form.item(parts, others))
            self.elements += len(parts) + len(others)
            if self.elements > ELEMENTS:
                raise too_many()
        return items, pos
