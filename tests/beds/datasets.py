"""Random data sets as files: every transfer syntax, VR and character set, and what the field does to them.

A :class:`Sample` without oddities is what a correct sender writes; with them it is what others do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from hypothesis import strategies as st

from beds import encoding
from beds.encoding import EXPLICIT, IMPLICIT, SYNTAXES, Item, Node, Syntax, encode
from beds.texts import REPERTOIRES, Repertoire
from hilum.dicom.standard.keywords import elements

CHARSET, PIXEL_REPRESENTATION, TIMEZONE_OFFSET = 0x00080005, 0x00280103, 0x00080201
_SPECIAL = {CHARSET, PIXEL_REPRESENTATION, TIMEZONE_OFFSET, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E}
_CREATORS = {
    0x0019: ("SIEMENS MR HEADER", {0x08: "CS", 0x0A: "US", 0x0B: "DS", 0x0E: "FD", 0x14: "IS", 0x0F: "SH"}),
    0x0043: ("GEMS_PARM_01", {0x01: "SS", 0x0B: "DS"}),
    0x2001: ("Philips Imaging DD 001", {0x01: "FL", 0x02: "IS", 0x04: "CS", 0x05: "SS"}),
    0x0011: ("Hilum bed", {0x01: "LO", 0x02: "US", 0x03: "OB", 0x04: "SQ", 0x05: "UT", 0x06: "PN"}),
}
"""Private group to who reserves a block of it, and VRs of some offsets; the last is in no dictionary."""
_REPEATING = {
    **{0x60000000 | number: vr for number, vr in ((0x10, "US"), (0x22, "LO"), (0x40, "CS"), (0x50, "SS"))},
    **{0x50000000 | number: vr for number, vr in ((0x10, "US"), (0x22, "LO"), (0x30, "SH"), (0x3000, "OW"))},
}
_DEFAULT_TEXT = {
    "AE": ("STORESCP", " AE 1 "),
    "AS": ("031Y", "006M"),
    "CS": ("ORIGINAL", "PRIMARY ", "M_FFE", " A"),
    "DA": ("20240229", "1999.12.31", "20241399"),
    "DS": ("1.5", "+1.0", "-.5", "1e-3", "1.25E+02 ", " 7", "-0", "1234567890.12345", "NaN", "one"),
    "DT": ("20240229", "20240229010203.123456+0130", "2024"),
    "IS": ("7", "-12", "+5 ", " 0", "2147483647", "-2147483648", "1.0", "seven"),
    "TM": ("010203", "010203.123456", "23", "12:30:00"),
    "UI": ("1.2.840.10008.1.1", "1.2.3"),
    "UR": ("https://example.org/a?b=c", "urn:oid:1.2.3"),
}
_RANGES = {"AT": 32, "UL": 32, "US": 16, "UV": 64}
_SIGNED = {"SL": 32, "SS": 16, "SV": 64}
_SINGLE = frozenset({"LT", "ST", "UT", "UR"})
_BINARY = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")


@dataclass(frozen=True, slots=True)
class Sample:
    """A file, and how it came about; ``oddities`` names what no correct sender does."""

    data: bytes
    syntax: Syntax
    nodes: tuple[Node, ...]
    oddities: frozenset[str]


@cache
def _tags() -> dict[str, list[int]]:
    """Tags of the dictionary by VR, a choice of VRs under each of them."""
    found = defaultdict(list)
    for tag, element in elements().items():
        group = tag >> 16
        if group in (0, 2, 4, 0x7FE0, 0xFFFC, 0xFFFE) or element.repeating or tag in _SPECIAL:
            continue
        for vr in element.vr.split(" or "):
            if vr != "NONE":
                found[vr].append(tag)
    found["UN"] = [0x00080007, 0x00100007, 0x0020FFF0]
    return dict(found)


def _joined(draw: st.DrawFn, words: tuple[str, ...], between: tuple[str, ...], most: int = 3) -> str:
    text = draw(st.sampled_from(words))
    for _ in range(draw(st.integers(0, most - 1))):
        text += draw(st.sampled_from(between)) + draw(st.sampled_from(words))
    return text


def _text(draw: st.DrawFn, vr: str, repertoire: Repertoire) -> bytes:
    if vr in _DEFAULT_TEXT:
        return _joined(draw, _DEFAULT_TEXT[vr], ("\\",) if vr not in _SINGLE else (" ",)).encode()
    if vr == "PN":
        return repertoire.encode(_joined(draw, repertoire.words, ("^", "=", "^^", " ", "\\"), 5))
    between = (" ", "\r\n", "\t", "\\") if vr in _SINGLE else ("\\", " ", "^")
    return repertoire.encode(_joined(draw, repertoire.words, between), vr)


def _value(draw: st.DrawFn, vr: str, repertoire: Repertoire) -> bytes | tuple[Any, ...]:
    if draw(st.integers(0, 7)) == 0:
        return b"" if vr not in encoding.NUMBERS else ()
    if vr in _BINARY:
        return draw(st.binary(min_size=1, max_size=3)) * 8
    if vr in encoding.NUMBERS:
        number: st.SearchStrategy[Any]
        if vr in ("FL", "FD"):
            number = st.floats(width=32 if vr == "FL" else 64)
        elif vr in _SIGNED:
            half = 1 << _SIGNED[vr] - 1
            number = st.integers(-half, half - 1)
        else:
            number = st.integers(0, (1 << _RANGES[vr]) - 1)
        return tuple(draw(st.lists(number, min_size=1, max_size=3)))
    padding = draw(st.sampled_from((b"", b"", b" ", b"\0")))
    return _text(draw, vr, repertoire) + padding


@st.composite
def _nodes(draw: st.DrawFn, repertoire: Repertoire, depth: int) -> tuple[Node, ...]:
    """Elements in tag order: from the dictionary, of repeating groups, private, with group lengths."""
    found: dict[int, Node] = {}
    for vr in draw(st.lists(st.sampled_from(sorted(_tags())), min_size=1, max_size=8)):
        if vr == "SQ" and not depth:
            continue
        tag = draw(st.sampled_from(_tags()[vr]))
        found[tag] = _node(draw, tag, vr, repertoire, depth)
    kinds = draw(st.sets(st.sampled_from(("private", "repeating", "length", "sign", "charset")), max_size=3))
    if "private" in kinds:
        found.update((node.tag, node) for node in _private(draw, repertoire, depth))
    if "repeating" in kinds:
        tag = draw(st.sampled_from(sorted(_REPEATING)))
        offset = draw(st.integers(0, 15)) << 17
        found[tag + offset] = _node(draw, tag + offset, _REPEATING[tag], repertoire, depth)
    if "length" in kinds:
        group = draw(st.sampled_from((0x0008, 0x0010, 0x0020, 0x0029)))
        found[group << 16] = Node(group << 16, "UL", (draw(st.integers(0, 999)),))
    if "sign" in kinds:
        found[PIXEL_REPRESENTATION] = Node(PIXEL_REPRESENTATION, "US", (draw(st.integers(0, 1)),))
    return tuple(encoding.in_order(list(found.values())))


def _node(draw: st.DrawFn, tag: int, vr: str, repertoire: Repertoire, depth: int) -> Node:
    if vr == "SQ":
        return _sequence(draw, tag, repertoire, depth)
    return Node(tag, vr, _value(draw, vr, repertoire))


def _sequence(draw: st.DrawFn, tag: int, repertoire: Repertoire, depth: int) -> Node:
    items = []
    for _ in range(draw(st.integers(0, 2))):
        own = draw(st.sampled_from((None, None, *REPERTOIRES)))
        nodes = draw(_nodes(own or repertoire, depth - 1)) if depth else ()
        if own:
            nodes = (
                Node(CHARSET, "CS", own.terms.encode()),
                *(node for node in nodes if node.tag >> 16 >= 8),
            )
            nodes = tuple(encoding.in_order(nodes))
        items.append(Item(nodes, draw(st.booleans())))
    return Node(tag, "SQ", tuple(items), undefined=draw(st.booleans()))


def _private(draw: st.DrawFn, repertoire: Repertoire, depth: int) -> Iterable[Node]:
    group = draw(st.sampled_from(sorted(_CREATORS)))
    creator, vrs = _CREATORS[group]
    block = draw(st.integers(0x10, 0x13))
    yield Node(group << 16 | block, "LO", creator.encode())
    for offset in draw(st.sets(st.sampled_from(sorted(vrs)), max_size=3)):
        if vrs[offset] != "SQ" or depth:
            yield _node(draw, group << 16 | block << 8 | offset, vrs[offset], repertoire, depth)


_ODD_NODES = (
    "duplicate",
    "disorder",
    "odd-length",
    "too-long",
    "UN",
    "delimiter",
    "orphan",
    "wrong-text",
    "short",
)
_ODD_FILES = (
    "no-preamble",
    "no-meta",
    "no-group-length",
    "wrong-group-length",
    "wrong-syntax",
    "no-syntax",
    "tail",
)


_WRONG_TERMS = (
    "ISO_IR 999",
    "ISO-IR 144",
    "ISO_IR_100",
    "ISO_IR 192",
    "ISO_IR 100",
    "GBK",
    "\\ISO 2022 IR 87",
    "x",
)


def _spoilt(draw: st.DrawFn, nodes: list[Node], oddity: str, syntax: Syntax) -> list[Node]:
    """The elements with one thing wrong with them, or with those of an item."""
    filled = [
        place
        for place, node in enumerate(nodes)
        if node.vr == "SQ" and any(item.nodes for item in node.value)
    ]
    if not filled or draw(st.booleans()):
        return _odd(draw, nodes, oddity, syntax)
    place = draw(st.sampled_from(filled))
    node = nodes[place]
    items = list(node.value)
    number = draw(st.sampled_from([number for number, item in enumerate(items) if item.nodes]))
    inner = _spoilt(draw, list(items[number].nodes), oddity, syntax)
    items[number] = replace(items[number], nodes=tuple(inner))
    return [*nodes[:place], replace(node, value=tuple(items)), *nodes[place + 1 :]]


def _odd(draw: st.DrawFn, nodes: list[Node], oddity: str, syntax: Syntax) -> list[Node]:
    """The elements with one thing wrong with them."""
    place = draw(st.integers(0, len(nodes) - 1))
    node = nodes[place]
    if node.tag in (CHARSET, PIXEL_REPRESENTATION) and oddity in ("duplicate", "short"):
        return nodes  # pydicom makes nothing of what these say then
    if node.tag <= CHARSET and oddity == "wrong-text":
        return nodes  # no text of the standard comes before what says how to read it
    if oddity == "wrong-charset":
        wrong = Node(CHARSET, "CS", draw(st.sampled_from(_WRONG_TERMS)).encode())
        return encoding.in_order([wrong, *(node for node in nodes if node.tag != CHARSET)])
    changes: dict[str, Callable[[], Node]] = {
        "odd-length": lambda: replace(node, vr="LO", value=b"odd", odd=True, told=""),
        "too-long": lambda: replace(node, vr="CS", value=b"LONGER THAN SIXTEEN BYTES" * 3, told=""),
        "UN": lambda: (
            replace(node, told="UN") if node.vr != "SQ" or (node.undefined and syntax.little) else node
        ),
        "wrong-text": lambda: replace(node, vr="LO", value=draw(st.binary(min_size=1, max_size=9)), told=""),
        "short": lambda: replace(node, vr="UL", value=b"\1\2", told="") if node.tag & 0xFF00 else node,
    }
    if oddity in changes:
        return [*nodes[:place], changes[oddity](), *nodes[place + 1 :]]
    if oddity == "duplicate":
        return [*nodes[: place + 1], replace(node, value=node.value[:0]), *nodes[place + 1 :]]
    if oddity == "disorder":
        return [*nodes[place:], *nodes[:place]]
    if oddity == "orphan":
        return encoding.in_order([*nodes, Node(0x00191008, "CS", b"NOBODY'S")])
    end = draw(st.sampled_from((encoding.ITEM_END, encoding.SEQUENCE_END)))
    order = "little" if syntax.little else "big"
    raw = b"".join((end >> shift & 0xFFFF).to_bytes(2, order) for shift in (16, 0)) + bytes(4)  # type: ignore[arg-type]
    return [*nodes[:place], Node(end, "", b"", raw=raw), *nodes[place:]]


@st.composite
def samples(draw: st.DrawFn, odd: bool = False) -> Sample:
    """A file; with ``odd`` one that has one or two things wrong with it."""
    syntax = draw(st.sampled_from(SYNTAXES))
    repertoire = draw(st.sampled_from(REPERTOIRES))
    base = [
        Node(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2"),
        Node(0x00080018, "UI", b"1.2.3.1"),
        Node(0x0020000D, "UI", b"1.2.3.3"),
        Node(0x0020000E, "UI", b"1.2.3.2"),
    ]
    if repertoire.terms or draw(st.booleans()):
        base.append(Node(CHARSET, "CS", repertoire.terms.encode()))
    nodes = encoding.in_order([*base, *draw(_nodes(repertoire, depth=3))])
    kinds = st.sampled_from(_ODD_NODES + _ODD_FILES)
    oddities = draw(st.sets(kinds, min_size=1, max_size=2)) if odd else set()
    if "disorder" in oddities:  # without a told syntax pydicom takes a first group above 0400 for big endian
        oddities -= {"no-meta", "no-syntax"}
    for oddity in sorted(oddities.intersection(_ODD_NODES)):
        nodes = _spoilt(draw, nodes, oddity, syntax)
    content = encode(nodes, syntax)
    tail = draw(st.sampled_from(("nothing", "pixels", "padding")))
    if tail == "pixels":
        content += encoding.pixels(syntax)
    elif tail == "padding":
        content += encode([Node(0xFFFCFFFC, "OB", bytes(10))], syntax)
    if "tail" in oddities:
        content += bytes(draw(st.integers(1, 40)))
    return Sample(_file(draw, content, syntax, oddities), syntax, tuple(nodes), frozenset(oddities))


def _file(draw: st.DrawFn, content: bytes, syntax: Syntax, oddities: set[str]) -> bytes:
    uid: str | None = None if "no-syntax" in oddities else syntax.uid
    if "wrong-syntax" in oddities:
        uid = (EXPLICIT if syntax.explicit is False else IMPLICIT).uid
    length = draw(st.integers(0, 300)) if "wrong-group-length" in oddities else None
    meta = encoding.file_meta(uid, length=length, told_length="no-group-length" not in oddities)
    if "no-meta" in oddities:
        meta = b""
    return encoding.written(content, syntax, meta=meta, preamble="no-preamble" not in oddities)
