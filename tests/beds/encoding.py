"""Data sets to bytes by a writer of our own (PS3.5 7), which also writes what pydicom's would refuse or mend."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
NUMBERS = {"AT": "HH", "FD": "d", "FL": "f", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


class Syntax(NamedTuple):
    """A transfer syntax: its UID, and how a data set in it is written."""

    uid: str
    explicit: bool = True
    little: bool = True
    deflated: bool = False
    encapsulated: bool = False


IMPLICIT = Syntax("1.2.840.10008.1.2", explicit=False)
EXPLICIT = Syntax("1.2.840.10008.1.2.1")
BIG_ENDIAN = Syntax("1.2.840.10008.1.2.2", little=False)
DEFLATED = Syntax("1.2.840.10008.1.2.1.99", deflated=True)
GE_PRIVATE = Syntax("1.2.840.113619.5.2", explicit=False)
"""Implicit little endian, but for its pixels, which are big endian."""
ENCAPSULATED = tuple(
    Syntax(f"1.2.840.10008.1.2.{tail}", encapsulated=True)
    for tail in ("4.50", "4.51", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91", "4.201", "4.100", "5")
)
SYNTAXES = (IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED, GE_PRIVATE, *ENCAPSULATED)


@dataclass(frozen=True, slots=True)
class Item:
    nodes: tuple[Node, ...]
    undefined: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """An element to be written.

    Attributes:
        value: bytes as they are, numbers, or a sequence's items. told: the VR written where it is not ``vr``.
        undefined: a sequence of undefined length. odd: no padding to an even length.
        raw: what is written instead of all that.
    """

    tag: int
    vr: str
    value: bytes | tuple[Any, ...]
    told: str = ""
    undefined: bool = False
    odd: bool = False
    raw: bytes = b""


def encode(nodes: Iterable[Node], syntax: Syntax = EXPLICIT) -> bytes:
    """The elements in the order in which they come; nothing is deflated here."""
    return b"".join(_element(node, syntax) for node in nodes)


def _tag(tag: int, length: int, order: str) -> bytes:
    return struct.pack(f"{order}HHI", tag >> 16, tag & 0xFFFF, length)


def _element(node: Node, syntax: Syntax) -> bytes:
    if node.raw:
        return node.raw
    order, told = "<>"[not syntax.little], node.told or node.vr
    undefined = node.undefined and node.vr == "SQ"
    inner = IMPLICIT if told == "UN" and undefined else syntax
    value = _value(node, inner)
    length = UNDEFINED if undefined else len(value)
    if undefined:
        value += _tag(SEQUENCE_END, 0, "<>"[not inner.little])
    if not syntax.explicit:
        return _tag(node.tag, length, order) + value
    head = struct.pack(f"{order}HH2s", node.tag >> 16, node.tag & 0xFFFF, told.encode())
    if told in LONG:
        return head + struct.pack(f"{order}2xI", length) + value
    return head + struct.pack(f"{order}H", length & 0xFFFF) + value[:0xFFFF]


def _value(node: Node, syntax: Syntax) -> bytes:
    order = "<>"[not syntax.little]
    if node.vr == "SQ":
        return b"".join(_item(item, syntax, order) for item in node.value)  # type: ignore[arg-type]
    if isinstance(node.value, bytes):
        pad = b"\0" if node.vr in LONG - {"UC", "UR", "UT"} or node.vr == "UI" else b" "
        return node.value + pad * (len(node.value) % 2 and not node.odd)
    code = NUMBERS[node.vr]
    if node.vr == "AT":
        return b"".join(struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) for tag in node.value)
    return struct.pack(f"{order}{len(node.value)}{code}", *node.value)


def _item(item: Item, syntax: Syntax, order: str) -> bytes:
    content = encode(item.nodes, syntax)
    if item.undefined:
        return _tag(ITEM, UNDEFINED, order) + content + _tag(ITEM_END, 0, order)
    return _tag(ITEM, len(content), order) + content


def file_meta(syntax_uid: str | None, *, length: int | None = None, told_length: bool = True) -> bytes:
    """File meta information (PS3.10 7.1); ``length`` overrides what its group length says."""
    nodes = [
        Node(0x00020001, "OB", b"\0\1"),
        Node(0x00020002, "UI", b"1.2.840.10008.5.1.4.1.1.2"),
        Node(0x00020003, "UI", b"1.2.3.1"),
    ]
    if syntax_uid is not None:
        nodes.append(Node(0x00020010, "UI", syntax_uid.encode()))
    content = encode([*nodes, Node(0x00020012, "UI", b"1.2.3"), Node(0x00020013, "SH", b"HILUM BED")])
    if not told_length:
        return content
    return encode([Node(0x00020000, "UL", (len(content) if length is None else length,))]) + content


def pixels(syntax: Syntax) -> bytes:
    """Pixel data: 8 bytes, or a fragment of as many behind an empty offset table."""
    order = "<>"[not syntax.little]
    if syntax.encapsulated:
        head = struct.pack("<HH2s2xI", 0x7FE0, 0x0010, b"OB", UNDEFINED)
        return head + _tag(ITEM, 0, "<") + _tag(ITEM, 8, "<") + bytes(8) + _tag(SEQUENCE_END, 0, "<")
    if not syntax.explicit:
        return _tag(0x7FE00010, 8, "<") + bytes(range(8))
    return struct.pack(f"{order}HH2s2xI", 0x7FE0, 0x0010, b"OW", 8) + bytes(range(8))


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = packer.compress(data) + packer.flush()
    return packed + b"\0" * (len(packed) % 2)


def written(dataset: bytes, syntax: Syntax, *, meta: bytes | None = None, preamble: bool = True) -> bytes:
    """An encoded data set as a file."""
    meta = file_meta(syntax.uid) if meta is None else meta
    start = bytes(128) + b"DICM" if preamble else b""
    return start + meta + (deflate(dataset) if syntax.deflated else dataset)


def in_order(nodes: Sequence[Node]) -> list[Node]:
    return sorted(nodes, key=lambda node: node.tag)
