"""Objects that ask for more than they may: each is small to describe and huge to read.

Each comes in two kinds: one that the scanner judges, and an odd one, whose elements are out of order, so that the
scanner leaves it to pydicom.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from beds.encoding import DEFLATED, EXPLICIT, IMPLICIT, Syntax, file_meta

MIB = 1 << 20
UNDEFINED = 0xFFFFFFFF
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
ITEM_END = b"\xfe\xff\x0d\xe0\0\0\0\0"
LONG = {"OB", "OW", "SQ", "UN", "UT"}
IDENTITY = (
    (0x00080016, "1.2.840.10008.5.1.4.1.1.2"),
    (0x00080018, "1.2.3.1"),
    (0x0020000D, "1.2.3.3"),
    (0x0020000E, "1.2.3.2"),
)


def element(
    tag: int, vr: str, value: bytes = b"", length: int | None = None, syntax: Syntax = EXPLICIT
) -> bytes:
    """An element, little endian; ``length`` is what it tells of its length."""
    length = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if not syntax.explicit:
        return head + struct.pack("<I", length) + value
    if vr in LONG:
        return head + vr.encode() + struct.pack("<2xI", length) + value
    return head + vr.encode() + struct.pack("<H", length) + value


def item(content: bytes = b"", length: int | None = None) -> bytes:
    return b"\xfe\xff\0\xe0" + struct.pack("<I", len(content) if length is None else length) + content


def head(syntax: Syntax = EXPLICIT, *, odd: bool = False) -> bytes:
    """The beginning of an instance with all its UIDs; what follows must have tags beyond group 0020."""
    elements = [
        element(tag, "UI", uid.encode() + b"\0" * (len(uid) % 2), syntax=syntax) for tag, uid in IDENTITY
    ]
    data = b"".join(elements[::-1] if odd else elements)
    return bytes(128) + b"DICM" + file_meta(syntax.uid) + data


class Case(NamedTuple):
    """An object and the reason for which it is refused, empty if it is not; for the odd one it may be another."""

    write: Callable[[Path, bool], None]
    reason: str
    odd_reason: str


CASES: dict[str, Case] = {}


def _case(reason: str, odd_reason: str | None = None) -> Callable[[Callable[[bool], Iterable[bytes]]], None]:
    """Names a generator of an object's pieces; an integer stands for so many zeros that take no space on disk."""

    def add(pieces: Callable[[bool], Iterable[bytes | int]]) -> None:
        def write(path: Path, odd: bool = False) -> None:
            with path.open("wb") as file:
                for piece in pieces(odd):
                    if isinstance(piece, int):
                        file.seek(piece, 1)
                    else:
                        file.write(piece)
                file.truncate()

        CASES[pieces.__name__] = Case(write, reason, reason if odd_reason is None else odd_reason)

    return add


@_case("nested-too-deep")
def sequences_nested_without_end(odd: bool) -> Iterator[bytes]:
    yield head(odd=odd)
    yield (element(0x00400275, "SQ", length=UNDEFINED) + item(length=UNDEFINED)) * 5000


@_case("nested-too-deep")
def sequences_nested_in_each_other(odd: bool) -> Iterator[bytes]:
    inner = b""
    for _ in range(400):
        inner = element(0x00400275, "SQ", item(inner))
    yield head(odd=odd) + inner


@_case("nested-too-deep")
def deep_sequences_that_were_seen_less_deep(odd: bool) -> Iterator[bytes]:
    inner = element(0x00400275, "SQ", item())
    for _ in range(30):
        inner = element(0x00400275, "SQ", item(inner))
    outer = inner
    for _ in range(20):
        outer = element(0x00400440, "SQ", item(outer))
    yield head(odd=odd) + inner + outer


@_case("too-many-elements")
def elements_of_8_bytes(odd: bool) -> Iterator[bytes]:
    yield head(odd=odd)
    for group in range(0x0029, 0x0029 + 2 * 128, 2):
        yield b"".join(struct.pack("<HH2sH", group, number, b"CS", 0) for number in range(0x1000, 0x10000))


@_case("too-many-elements", "header-too-large")
def elements_of_8_bytes_in_items(odd: bool) -> Iterator[bytes]:
    content = b"".join(element(0x00180000 + number, "CS") for number in range(0x10, 0x90))
    items = item(content) * (40 * MIB // len(item(content)))
    yield head(odd=odd) + element(0x00400275, "SQ", items)


@_case("too-many-elements", "header-too-large")
def items_by_the_million(odd: bool) -> Iterator[bytes]:
    yield head(odd=odd) + element(0x00400275, "SQ", item() * (2 * MIB))


@_case("too-many-elements")
def items_of_undefined_length_by_the_million(odd: bool) -> Iterator[bytes]:
    yield head(odd=odd) + element(0x00400275, "SQ", length=UNDEFINED)
    yield (item(length=UNDEFINED) + ITEM_END) * (2 * MIB)
    yield SEQUENCE_END


@_case("too-many-elements", "header-too-large")
def the_same_sequence_again_and_again(odd: bool) -> Iterator[bytes]:
    content = item(b"".join(element(0x00180000 + number, "CS") for number in range(0x10, 0x90)))
    sequence = item(element(0x00400275, "SQ", content * 14))
    yield head(odd=odd) + element(0x00400440, "SQ", sequence * (60 * MIB // len(sequence)))


@_case("too-many-elements", "header-too-large")
def sequences_without_elements(odd: bool) -> Iterator[bytes]:
    content = b"".join(element(0x00400000 + number, "SQ") for number in range(0x1001, 0x1101))
    yield head(odd=odd) + element(0x00400275, "SQ", item(content) * (40 * MIB // len(content)))


@_case("too-many-elements", "header-too-large")
def binary_elements_by_the_million(odd: bool) -> Iterator[bytes]:
    content = b"".join(element(0x00290000 + number, "OB") for number in range(0x1000, 0x1800))
    yield head(odd=odd) + element(0x00400275, "SQ", item(content) * (60 * MIB // len(content)))


@_case("value-too-long")
def a_text_of_64_mebibytes(odd: bool) -> Iterator[bytes]:
    yield head(odd=odd) + element(0x0040A160, "UT", b"x" * (64 * MIB))


@_case("value-too-long")
def a_text_of_5_mebibytes_in_an_item(odd: bool) -> Iterator[bytes]:
    text = element(0x0040A160, "UT", b"x" * (5 * MIB))
    yield head(odd=odd) + element(0x0040A730, "SQ", item(text))


@_case("header-too-large")
def a_hundred_texts_as_long_as_they_may_be(odd: bool) -> Iterator[bytes]:
    text = item(element(0x0040A160, "UT", b"x" * (4 * MIB)))
    yield head(odd=odd) + element(0x0040A730, "SQ", text * 30)


@_case("header-too-large")
def texts_that_json_makes_six_times_as_long(odd: bool) -> Iterator[bytes]:
    text = item(element(0x0040A160, "UT", b"\x01" * (2 * MIB)))
    yield head(odd=odd) + element(0x0040A730, "SQ", text * 14)


@_case("header-too-large")
def two_gibibytes_of_one_sequence(odd: bool) -> Iterator[bytes | int]:
    yield head(odd=odd) + element(0x00400275, "SQ", length=2000 * MIB) + item(length=2000 * MIB - 8)
    yield 2000 * MIB


@_case("header-too-large")
def a_sequence_of_65_mebibytes(odd: bool) -> Iterator[bytes | int]:
    yield head(odd=odd) + element(0x00400275, "SQ", length=65 * MIB) + item(length=65 * MIB - 8)
    yield 65 * MIB


@_case("header-too-large")
def an_endless_sequence(odd: bool) -> Iterator[bytes | int]:
    yield head(odd=odd) + element(0x00400275, "SQ", length=UNDEFINED)
    for _ in range(300):
        yield item(element(0x00291010, "OB", length=8 * MIB))[:4] + struct.pack("<I", 8 * MIB + 12)
        yield element(0x00291010, "OB", length=8 * MIB)
        yield 8 * MIB


@_case("")
def two_gibibytes_of_binary_values_that_are_passed_over(odd: bool) -> Iterator[bytes | int]:
    yield head(odd=odd)
    for number in range(16):
        yield element(0x00291000 + number, "OB", length=128 * MIB)
        yield 128 * MIB


@_case("")
def two_gibibytes_of_padding(odd: bool) -> Iterator[bytes | int]:
    yield head(odd=odd)
    yield 2000 * MIB


@_case("too-many-elements")
def two_gibibytes_of_zeros_in_an_endless_sequence(odd: bool) -> Iterator[bytes | int]:
    yield head(odd=odd) + element(0x00400275, "SQ", length=UNDEFINED)
    yield 2000 * MIB


@_case("header-too-large")
def two_gibibytes_of_zeros_in_an_endless_value(odd: bool) -> Iterator[bytes | int]:
    yield head(odd=odd) + element(0x00291010, "OB", length=UNDEFINED)
    yield 2000 * MIB


@_case("truncated")
def a_length_beyond_the_object(odd: bool) -> Iterator[bytes]:
    yield head(odd=odd) + element(0x0040A160, "UT", b"abcd", length=1000)


@_case("truncated")
def a_length_of_nearly_32_bits(odd: bool) -> Iterator[bytes]:
    yield head(odd=odd) + element(0x0040A160, "UT", b"abcd", length=0xFFFFFFFE)


@_case("value-too-long")
def a_length_of_nearly_32_bits_that_is_there(odd: bool) -> Iterator[bytes | int]:
    yield head(odd=odd) + element(0x0040A160, "UT", length=0xFFFFFFFE)
    yield 0xFFFFFFFE


@_case("too-many-elements", "header-too-large")
def names_by_the_million(odd: bool) -> Iterator[bytes]:
    names = item(element(0x00400275, "SQ") + element(0x0040A123, "PN", b"A\\" * 32000))
    yield head(odd=odd) + element(0x0040A730, "SQ", names * 200)


@_case("too-many-elements")
def one_name_of_millions(odd: bool) -> Iterator[bytes]:
    syntax = IMPLICIT
    yield head(syntax, odd=odd) + element(0x00404037, "PN", b"A\\" * (2 * MIB), syntax=syntax)


@_case("too-many-elements", "header-too-large")
def dates_and_times_by_the_million(odd: bool) -> Iterator[bytes]:
    times = item(element(0x00180022, "CS") + element(0x0018A002, "DT", b"20200101120000.5\\" * 3800))
    yield head(odd=odd) + element(0x0040A730, "SQ", times * 900)


@_case("too-many-elements", "header-too-large")
def faults_by_the_hundred_thousand(odd: bool) -> Iterator[bytes]:
    inner = item(element(0x00080012, "DA", b"never "))
    for count in (10, 10, 10, *[1] * 20, 400):
        inner = item(element(0x00540016, "SQ", inner * count))
    yield head(odd=odd) + element(0x00540016, "SQ", inner)


@_case("too-many-elements", "header-too-large")
def text_that_switches_sets_at_every_letter(odd: bool) -> Iterator[bytes]:
    sets = element(0x00080005, "CS", b"\\ISO 2022 IR 87 ")
    text = element(0x0040A160, "UT", b"\x1b$B0!\x1b(Bb" * 400_000)
    yield head(odd=odd) + element(0x0040A730, "SQ", item(sets + text) * 5)


@_case("value-too-long")
def a_character_set_of_many(odd: bool) -> Iterator[bytes]:
    sets = element(0x00080005, "CS", b"ISO 2022 IR 100\\" * 4000)
    yield head(odd=odd) + element(0x0040A730, "SQ", item(sets) * 100)


@_case("value-too-long")
def private_creators_with_endless_names(odd: bool) -> Iterator[bytes]:
    creators = b"".join(element(0x00290000 + n, "LO", b"%2d" % n + b"x" * 60000) for n in range(0x10, 0x100))
    yield head(odd=odd) + creators


@_case("deflate-bomb")
def a_deflate_bomb(odd: bool) -> Iterator[bytes]:
    yield from deflated(head(odd=odd), 300 * MIB)


@_case("")
def deflated_zeros_within_the_limit(odd: bool) -> Iterator[bytes]:
    yield from deflated(head(odd=odd) + element(0x7FE00010, "OW", length=200 * MIB), 200 * MIB)


@_case("too-many-fragments")
def fragments_by_the_million(odd: bool) -> Iterator[bytes]:
    yield head(odd=odd) + element(0x7FE00010, "OB", length=UNDEFINED)
    for _ in range(4):
        yield item() * MIB
    yield SEQUENCE_END


def deflated(data: bytes, zeros: int) -> Iterator[bytes]:
    """The object deflated, with so many zeros behind it."""
    begin = 132 + len(file_meta(EXPLICIT.uid))
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    yield bytes(128) + b"DICM" + file_meta(DEFLATED.uid) + packer.compress(data[begin:])
    for _ in range(zeros // MIB):
        yield packer.compress(bytes(MIB))
    yield packer.flush()
