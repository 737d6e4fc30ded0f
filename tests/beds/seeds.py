"""What a fuzzer begins with: headers that reach much of the reader, and words that headers are made of."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from beds.encoding import (
    BIG_ENDIAN,
    DEFLATED,
    EXPLICIT,
    GE_PRIVATE,
    IMPLICIT,
    Item,
    Node,
    encode,
    in_order,
    pixels,
    written,
)
from beds.headers import wheel_files
from beds.texts import REPERTOIRES
from hilum.dicom.values import KNOWN

PIXELS = (b"\xe0\x7f\x10\0", b"\x7f\xe0\0\x10")


def seeds(longest: int) -> Iterator[bytes]:
    """Headers of up to so many bytes, of real files without their pixel data and generated ones."""
    for path in wheel_files():
        data = without_pixels(path.read_bytes())
        if len(data) <= longest:
            yield data
    syntaxes = (EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED, GE_PRIVATE)
    for syntax, undefined in product(syntaxes, (False, True)):
        yield written(encode(_nodes(undefined), syntax) + pixels(syntax), syntax)
    yield written(encode(_nodes(True), EXPLICIT), EXPLICIT, preamble=False, meta=b"")


def without_pixels(data: bytes) -> bytes:
    """An object up to its pixel data, which makes it a complete one without any."""
    end = max(map(data.rfind, PIXELS))
    return data[:end] if end > 0 else data


def _nodes(undefined: bool) -> list[Node]:
    """A header with something of everything."""
    inner = Item((Node(0x00080100, "SH", b"T-1"), Node(0x00080104, "LO", b"Thorax")), undefined)
    outer = Item((Node(0x0040A043, "SQ", (inner, Item((), undefined)), undefined=undefined),), undefined)
    return in_order(
        [
            Node(0x00080005, "CS", b"\\ISO 2022 IR 87"),
            Node(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2"),
            Node(0x00080018, "UI", b"1.2.3.1"),
            Node(0x00080020, "DA", b"20240229"),
            Node(0x0008002A, "DT", b"20240229235959.5+0100"),
            Node(0x00080201, "SH", b"-0430"),
            Node(0x00081030, "LO", b"a\x1b$B;3\x1b(B"),
            Node(0x00100010, "PN", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"),
            Node(0x00180050, "DS", b"1.5e0 "),
            Node(0x0020000D, "UI", b"1.2.3.3"),
            Node(0x0020000E, "UI", b"1.2.3.2"),
            Node(0x00200037, "DS", b"1\\0\\0\\0\\1\\0"),
            Node(0x00280103, "US", (1,)),
            Node(0x00280106, "SS", (-5,)),
            Node(0x00281101, "SS", (-1, 0, 16)),
            Node(0x00290010, "LO", b"SIEMENS CSA HEADER"),
            Node(0x00291008, "CS", b"IMAGE NUM 4"),
            Node(0x00291010, "OB", bytes(6)),
            Node(0x0040A730, "SQ", (outer,), undefined=undefined),
            Node(0x00409211, "FD", (1.5, float("nan"))),
            Node(0x60000010, "US", (8,)),
            Node(0x60000050, "SS", (1, 1)),
            *([Node(0x00291020, "SQ", (inner,), told="UN", undefined=True)] if undefined else []),
        ]
    )


def words() -> Iterator[bytes]:
    """What headers are made of."""
    yield from (vr.encode() for vr in sorted(KNOWN))
    yield from (repertoire.terms.encode() for repertoire in REPERTOIRES)
    for group, number in (
        (0xFFFE, 0xE000),
        (0xFFFE, 0xE00D),
        (0xFFFE, 0xE0DD),
        (0x0008, 0x0005),
        (0x0028, 0x0103),
    ):
        yield group.to_bytes(2, "little") + number.to_bytes(2, "little")
        yield group.to_bytes(2, "big") + number.to_bytes(2, "big")
    yield from (
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"\xff\xff\xff\x7f",
        b"\\",
        b"\x1b$B",
        b"\x1b(B",
        b"\x1b$)C",
    )
    yield from (b"+0100", b"2024", b"1e5", b"^", b"=", b"\0\1", b"\1\0")
