"""A scan of one object: where its header begins, how it is encoded, and when it is over."""

from __future__ import annotations

import io
import threading
from typing import Any, NamedTuple

from hilum.dicom.elements import DataElement
from hilum.dicom.reader import PADDING, encoding, first_element, inflate
from hilum.dicom.scan.elements import ElementForm
from hilum.dicom.scan.feed import Feed, whole
from hilum.dicom.scan.stretches import LONGEST, Step
from hilum.dicom.scan.tables import (
    MEDIA_CLASS,
    TIMEZONE_OFFSET,
    TRANSFER_SYNTAX,
    Context,
    Form,
    Kind,
    Table,
    Tables,
    Unsure,
)
from hilum.dicom.scan.walk import UNDEFINED, Short, Walk
from hilum.dicom.uid import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    GE_PRIVATE_IMPLICIT,
    IMPLICIT_LITTLE_ENDIAN,
    MEDIA_STORAGE_DIRECTORY,
)

IMPLICIT = frozenset({IMPLICIT_LITTLE_ENDIAN, GE_PRIVATE_IMPLICIT})
META = Context(explicit=True, little=True, level="meta")


class Scanned(NamedTuple):
    """What a scan found.

    Attributes:
        transfer_syntax_uid: as the file meta information tells it.
        parts, others: of the form that was asked for.
        feed: the object, inflated if it was deflated.
        position, length: of the pixel data's value in it; both 0 if there are none, length may be undefined.
        little: byte order.
    """

    transfer_syntax_uid: str
    parts: list[Any]
    others: list[Any]
    feed: Feed
    position: int
    length: int
    little: bool


class Scanner:
    """Scans headers into one form and keeps what it learnt of them. Not to be shared between threads."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self._tables = Tables(form)
        self._offset = b""

    def scan(self, feed: Feed) -> Scanned:
        """Scan one object up to its pixel data.

        Raises:
            Unsure: pydicom has to decide. UnreadableError: it goes beyond a limit.
        """
        self._tables.forget()
        self.form.begin()
        parts: list[Any] = []
        others: list[Any] = parts if self.form.mixed else []
        lessons, data = self._tables.lessons, feed.data
        steps: list[Step | None] | None = [] if lessons.wanted else None
        meta = Walk(self._tables, steps)
        begin = first_element(feed.data, feed.size)
        begin = self._through(meta, feed, begin, self._tables.of(META), parts, others)
        if _uid(meta.values.get(MEDIA_CLASS, b"")) == MEDIA_STORAGE_DIRECTORY:
            raise Unsure
        syntax = _uid(meta.values.get(TRANSFER_SYNTAX, b""))
        if syntax == DEFLATED_LITTLE_ENDIAN:
            inflated, size = inflate(feed.stream, begin)
            if len(inflated) < size:
                raise Unsure
            feed, begin = whole(inflated), 0
        syntax = syntax or _found_syntax(feed, begin)
        context = Context(syntax not in IMPLICIT, syntax != EXPLICIT_BIG_ENDIAN, offset=self._offset)
        counts = len(parts), len(others), len(self.form.faults)
        walk, end = self._dataset(feed, begin, context, parts, others, steps)
        offset = walk.values.get(TIMEZONE_OFFSET, b"")
        if offset != self._offset:
            if not offset.isascii() or b"\\" in offset or b"\x1b" in offset:
                raise Unsure
            self._offset = offset
            del parts[counts[0] :], others[counts[1] :], self.form.faults[counts[2] :]
            context = context._replace(offset=self._offset)
            feed.rewind(begin)
            walk, end = self._dataset(feed, begin, context, parts, others, None)
        elif steps and data is feed.data and len(data) <= LONGEST:
            self._tables.used += lessons.learn(data, steps, meta.values | walk.values, parts, others)
        found = len(parts) + (0 if others is parts else len(others))
        lessons.counted(found - meta.taken - walk.taken)
        position, length = _pixels(walk, feed, end, context)
        return Scanned(syntax, parts, others, feed, position, length, context.little)

    def _dataset(
        self,
        feed: Feed,
        begin: int,
        context: Context,
        parts: list[Any],
        others: list[Any],
        steps: list[Step | None] | None,
    ) -> tuple[Walk, int]:
        if begin + 6 > feed.base + len(feed.data):
            feed.jump(begin)
        at = begin - feed.base
        if (
            not context.explicit
            and feed.data[at + 4 : at + 6].isalpha()
            and feed.data[at + 4 : at + 6].isupper()
        ):
            raise Unsure  # it seems to be explicit in truth
        if steps is not None:
            steps.append(None)
        walk = Walk(self._tables, steps)
        return walk, self._through(walk, feed, begin, self._tables.of(context), parts, others)

    def _through(
        self, walk: Walk, feed: Feed, begin: int, table: Table, parts: list[Any], others: list[Any]
    ) -> int:
        """Walk a level to its end, with as much of the object as that takes; the offset of its end."""
        at = begin - feed.base
        while True:
            try:
                walk.run(feed.data, at, len(feed.data), table, parts, others)
                if feed.base + walk.position > feed.size:  # a binary value goes on behind the object's end
                    raise Unsure
                if walk.rule is not None or feed.complete:
                    return feed.base + walk.position
            except Short:
                if feed.complete:
                    raise Unsure from None
            table = table if walk.table is None else walk.table
            if walk.position > len(feed.data):
                feed.jump(feed.base + walk.position)
            else:
                feed.grow(walk.position)
            at = 0


def _found_syntax(feed: Feed, begin: int) -> str:
    """The transfer syntax of an object that does not tell it."""
    feed.jump(begin)
    return encoding(io.BytesIO(feed.data[:6]), "")[2]


def _uid(raw: bytes) -> str:
    return raw.rstrip(b"\0 ").decode("latin-1")


def _pixels(walk: Walk, feed: Feed, end: int, context: Context) -> tuple[int, int]:
    """Where the pixel data are and how long, or that the header's end is the object's."""
    rule = walk.rule
    if walk.last < 0:
        raise Unsure
    if rule is not None and rule.kind is Kind.PIXELS:
        if rule.long is not context.explicit:
            raise Unsure
        head = 12 if context.explicit else 8
        if end + head > feed.size:
            raise Unsure
        if not feed.base <= end <= feed.base + len(feed.data) - head:
            feed.jump(end)
        length_at = end - feed.base + head - 4
        length = int.from_bytes(feed.data[length_at : length_at + 4], "little" if context.little else "big")
        if length != UNDEFINED and end + head + length > feed.size:
            raise Unsure
        return end + head, length
    feed.jump(end)
    feed.stream.seek(end)
    if feed.stream.read(PADDING).strip(b"\0"):
        raise Unsure
    return 0, 0


class _Elements(threading.local):
    def __init__(self) -> None:
        self.scanner = Scanner(ElementForm())


_elements = _Elements()


def scan_elements(data: bytes) -> list[DataElement]:
    """The elements of an object's file meta information and data set, in tag order, up to the pixel data.

    They are shared between calls: not to be changed.

    Raises:
        Unsure: pydicom has to decide. UnreadableError: it goes beyond a limit.
    """
    parts: list[DataElement] = _elements.scanner.scan(whole(data)).parts
    return parts
