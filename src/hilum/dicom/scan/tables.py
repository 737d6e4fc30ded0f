"""What a walk needs to know of an element, worked out once and then looked up by the bytes that it begins with.

An element of an explicit header begins with its tag and VR, six bytes; they lead straight to a rule, and a value's
bytes to what was made of the same bytes before: instances of a series share most of their header. All is kept by
context, since character set, byte order and sign change what bytes mean.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from functools import partial
from typing import Any, Literal, NamedTuple

from hilum.dicom.charsets import codec
from hilum.dicom.elements import decode_bytes
from hilum.dicom.limits import COSTLY, KINDS, LONGEST_SWITCH, LONGEST_VALUE, too_long, too_many
from hilum.dicom.private import private_vr
from hilum.dicom.scan.stretches import Lessons, Stretch
from hilum.dicom.standard.keywords import by_tag
from hilum.dicom.values import BINARY, KNOWN, LOCAL_TEXT, PADDING, STRIPPED

LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
"""VRs whose length has 32 bits in an explicit header (PS3.5 7.1.2)."""
MEDIA_CLASS, TRANSFER_SYNTAX = 0x00020002, 0x00020010
SPECIFIC_CHARACTER_SET, TIMEZONE_OFFSET, PIXEL_REPRESENTATION = 0x00080005, 0x00080201, 0x00280103
SWITCHES = frozenset(
    {MEDIA_CLASS, TRANSFER_SYNTAX, SPECIFIC_CHARACTER_SET, TIMEZONE_OFFSET, PIXEL_REPRESENTATION}
)
BEFORE_TEXT = frozenset({0x00080000, 0x00080001})
"""What may come before Specific Character Set: lengths, retired; no data set has more, or their text were unclear."""
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
ESCAPE = 0x1B
"""Begins a switch to another character set."""

SHORT_VALUE = 256
"""Bytes; longer values are made anew each time."""
REMEMBERED = 64
"""Values of one element that are remembered; they are few or, as a UID's, without end."""
RECENT, RECENT_BYTES = 4, 1 << 14
"""Sequences of one tag that are remembered whole."""
CONTEXTS = 4096
"""More of them between two headers are no real header's."""
ROOM = 1 << 25
"""Bytes of values that one form remembers in all; then it forgets them."""


class Kind(IntEnum):
    """What the walk does at an element."""

    LEAF = 0
    BINARY = 1
    SEQUENCE = 2
    SWITCH = 3
    """A value that changes what later bytes mean."""
    PIXELS = 4
    END = 5
    """The item, or the file meta information, is over."""
    PADDING = 6


class Context(NamedTuple):
    """What bytes mean at some place of a header.

    Attributes:
        charset: the raw value of Specific Character Set. offset: that of Timezone Offset From UTC.
        signed: whether ``US or SS`` is SS; None: what tells it is yet to come. level: ``meta``, ``top`` or ``item``.
        creators: who reserved blocks of the private group at hand, as pairs of ``ggggbb`` and a name (PS3.5 7.8.1).
    """

    explicit: bool
    little: bool
    charset: bytes = b""
    offset: bytes = b""
    signed: bool | None = False
    level: str = "top"
    creators: tuple[tuple[int, str], ...] = ()

    @property
    def order(self) -> Literal["little", "big"]:
        """The order of bytes in numbers."""
        return "little" if self.little else "big"


class Unsure(Exception):
    """The scanner does not know for certain; pydicom decides."""


class Memo(dict[bytes, Any]):
    """What values of one element become."""

    __slots__ = ("form", "held", "local", "make", "owner", "public", "stretches", "tag")

    def __init__(self, tag: int, vr: str, make: Callable[[bytes], Any], owner: Tables) -> None:
        self.tag, self.make, self.owner, self.form = tag, make, owner, owner.form
        self.local = vr in LOCAL_TEXT
        self.public = by_tag(tag) is not None
        self.stretches: list[Stretch] = []
        self.held = 0

    def __missing__(self, raw: bytes) -> Any:
        if self.local and ESCAPE in raw:
            self.form.spend(raw.count(ESCAPE))
        if len(raw) > SHORT_VALUE:
            if len(raw) > LONGEST_VALUE:
                raise too_long()
            return self.make(raw)
        faults = len(self.form.faults)
        made = self.make(raw)
        if faults == len(self.form.faults) and self.owner.used < 2 * ROOM:
            if len(self) >= REMEMBERED:
                self.owner.used -= self.held
                self.held = 0
                self.clear()
            self[raw] = made
            room = 300 + 16 * len(raw)  # with what became of it, which for a list of names is much
            self.held += room
            self.owner.used += room
        return made


class Recent(NamedTuple):
    """Bytes of a sequence, its part, how many elements and items are in there, and how deep they are nested."""

    raw: bytes
    part: Any
    elements: int
    height: int


class Rule:
    """How an element is treated."""

    __slots__ = ("kind", "long", "memo", "next", "recent", "stretches", "tag", "told", "vr")

    def __init__(self, kind: Kind, tag: int, vr: str, told: str = "", memo: Memo | None = None) -> None:
        self.kind, self.tag, self.vr, self.told, self.memo = kind, tag, vr, told, memo
        self.long = told in LONG
        self.recent: list[Recent] = []
        self.stretches: list[Stretch] = []
        self.next: dict[bytes, Table] = {}


class Form:
    """What a header is turned into; see the modules beside this one.

    Attributes:
        faults: what could not be said properly of the header at hand; emptied by who reads it.
        reads_binary: whether binary values are wanted.
        mixed: whether elements without a keyword are parts like any other.
    """

    reads_binary = False
    mixed = False

    def __init__(self) -> None:
        self.faults: list[Any] = []
        self._costly = 0

    def begin(self) -> None:
        """Another header begins."""
        self.faults.clear()
        self._costly = 0

    def spend(self, count: int) -> None:
        """So much was met that takes much longer than it is long; raises ``too-many-elements``."""
        self._costly += count
        if self._costly > COSTLY:
            raise too_many()

    def leaf(self, tag: int, vr: str, context: Context) -> Callable[[bytes], Any]:
        """What makes a value's bytes into a part of the header, or an item."""
        raise NotImplementedError

    def other(self, tag: int, vr: str, context: Context) -> Callable[[bytes], Any]:
        """The same for an element that has no keyword."""
        raise NotImplementedError

    def binary(self, tag: int, vr: str) -> Any:
        """The part for a binary value that is not read; None for none."""
        raise NotImplementedError

    def sequence(self, tag: int, items: list[Any], context: Context) -> Any:
        """The part for a sequence of items."""
        raise NotImplementedError

    def item(self, parts: list[Any], others: list[Any]) -> Any:
        """An item of its parts."""
        raise NotImplementedError

    def joined(self, parts: list[Any]) -> list[Any]:
        """Neighbouring parts of the top level in fewer, which say the same."""
        return parts

    def joined_others(self, others: list[Any]) -> list[Any]:
        """The same for elements without a keyword."""
        return others

    def within(self, tag: int, since: int) -> None:
        """Faults from number ``since`` on are in an item of this sequence."""


class Table(dict[bytes, Rule]):
    """Rules of one context, made when their element is first met."""

    def __init__(self, context: Context, form: Form, tables: Tables) -> None:
        self.context, self.form, self.tables = context, form, tables
        self.fast: dict[bytes, Memo] = {}
        """The rules of most elements, in short: a value whose length has 16 bits (32 if implicit)."""
        self._tag = struct.Struct("<HH" if context.little else ">HH")

    def __missing__(self, key: bytes) -> Rule:
        group, number = self._tag.unpack(key[:4])
        rule = self._rule(group << 16 | number, key[4:].decode("latin-1"))
        self[key] = rule
        self.tables.used += 500
        self.tables.kinds += 1
        if self.tables.kinds > 2 * KINDS:
            raise too_many()
        if rule.memo is not None and rule.kind is Kind.LEAF and not rule.long:
            self.fast[key] = rule.memo
        return rule

    def _rule(self, tag: int, told: str) -> Rule:
        group, level = tag >> 16, self.context.level
        if tag == ITEM_END and level == "item":
            return Rule(Kind.END, tag, "")
        if level == "meta" and group != 2:
            return Rule(Kind.END, tag, "")
        if level == "top" and tag in PIXELS:
            return Rule(Kind.PIXELS, tag, told, told)
        if not group:
            return Rule(Kind.PADDING, tag, "")
        if group == 0xFFFE or (told and told not in KNOWN):
            raise Unsure
        if level != "meta" and tag < SPECIFIC_CHARACTER_SET and tag not in BEFORE_TEXT:
            raise Unsure
        vr = told if told and told != "UN" else self._untold(tag)
        if vr == "SQ":
            return Rule(Kind.SEQUENCE, tag, vr, told)
        if vr in BINARY and not self.form.reads_binary:
            return Rule(Kind.BINARY, tag, vr, told)
        kind = Kind.LEAF
        if _is_creator(tag) or tag in SWITCHES:
            kind = Kind.SWITCH
            if vr != self._untold(tag):
                raise Unsure
        of = self.form.other if by_tag(tag) is None else self.form.leaf
        return Rule(kind, tag, vr, told, Memo(tag, vr, of(tag, vr, self.context), self.tables))

    def _untold(self, tag: int) -> str:
        """The VR of an element that does not tell it, as PS3.5 6.2.2 and A.1 have it; UN if it is unknown."""
        if tag & 0x10000:
            if tag & 0xFFFF <= 0xFF:
                return "LO" if _is_creator(tag) else "UN"
            return private_vr(tag, dict(self.context.creators).get(tag >> 8, ""))
        element = by_tag(tag)
        if element is None:
            return "UN" if tag & 0xFFFF else "UL"
        if element.vr == "US or SS":
            if tag < PIXEL_REPRESENTATION or self.context.signed is None:
                raise Unsure
            return "SS" if self.context.signed else "US"
        return element.vr if element.vr in KNOWN else "OW"

    def after(self, rule: Rule, raw: bytes) -> Table:
        """The table in force behind an element that changes what later bytes mean."""
        table = rule.next.get(raw)
        if table is None:
            if len(raw) > LONGEST_SWITCH:
                raise too_long()
            table = self.tables.of(self._changed(rule, raw))
            if len(rule.next) < REMEMBERED:
                rule.next[raw] = table
        return table

    def _changed(self, rule: Rule, raw: bytes) -> Context:
        context, tag = self.context, rule.tag
        if tag == SPECIFIC_CHARACTER_SET:
            if not raw.isascii() or b"\0" in raw.rstrip(b"\0 "):
                raise Unsure
            return context._replace(charset=raw)
        values, _ = decoder(tag, rule.vr, context)(raw)
        if tag == PIXEL_REPRESENTATION and values:
            return context._replace(signed=values[0] == 1)
        if _is_creator(tag):
            block = tag >> 8 & 0xFFFF00 | tag & 0xFF
            others = tuple(each for each in context.creators if each[0] >> 8 == block >> 8)
            return context._replace(creators=(*others, (block, values[0] if values else "")))
        return context


def _is_creator(tag: int) -> bool:
    """Whether the element reserves a block of private ones."""
    return tag & 0x10000 != 0 and 0x10 <= tag & 0xFFFF <= 0xFF


class Tables:
    """The tables of one form, by context."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.used = self.kinds = 0
        self.lessons = Lessons()
        self._tables: dict[Context, Table] = {}

    def of(self, context: Context) -> Table:
        """The table of a context."""
        table = self._tables.get(context)
        if table is None:
            if len(self._tables) > CONTEXTS:
                raise Unsure
            table = self._tables[context] = Table(context, self.form, self)
            self.used += 2000
        return table

    def forget(self) -> None:
        """Begin anew where too much is remembered; only between two headers."""
        if self.used > ROOM or self.kinds > KINDS or len(self._tables) > CONTEXTS // 2:
            self.used = self.kinds = 0
            self.lessons = Lessons()
            for table in self._tables.values():  # they know each other
                table.clear()
            self._tables.clear()

    def remember(self, rule: Rule, known: Recent) -> None:
        """Keep a sequence for when the same bytes come again."""
        if self.used > 2 * ROOM:
            return
        rule.recent.insert(0, known)
        self.used += 8 * (len(known.raw) - sum(len(old.raw) for old in rule.recent[RECENT:]))
        del rule.recent[RECENT:]


def plain(vr: str) -> Callable[[bytes], str]:
    """What says the value of a text VR that is but one, of printable ASCII that JSON quotes as it is; else nothing.

    That is nearly every value; what decodes all others takes several times as long.
    """
    strip = str.strip if vr in STRIPPED else str.rstrip

    def text(raw: bytes) -> str:
        found = strip(raw.decode("latin-1"), PADDING)
        if found.isascii() and found.isprintable() and "\\" not in found and '"' not in found:
            return found
        return ""

    return text


def decoder(tag: int, vr: str, context: Context) -> Callable[[bytes], tuple[list[Any], str]]:
    """What decodes an element's bytes: its values, and the bytes in hex where they are in doubt."""
    return partial(decode_bytes, tag, vr, little=context.little, charset=codec(context.charset))
