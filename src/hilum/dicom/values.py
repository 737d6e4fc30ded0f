"""Encoded values to Python's (PS3.5 6.2): text is decoded with the object's character sets, numbers are unpacked.

Padding that the standard calls insignificant is taken off; nothing else is changed or judged here, so a date stays
the text that was sent.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

Value = str | int | float

BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
SINGLE_TEXT = frozenset({"LT", "ST", "UT", "UR"})
"""VRs in which a backslash is a character like any other and leading spaces mean something."""
STRIPPED = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"})
"""VRs of the default repertoire, in which spaces on either side mean nothing."""
LOCAL_TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""VRs that Specific Character Set (0008,0005) speaks of."""
NUMBERS = {"FD": "d", "FL": "f", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}

KNOWN = BINARY | SINGLE_TEXT | STRIPPED | LOCAL_TEXT | frozenset(NUMBERS) | {"AT", "SQ"}

_PADDING = " \0"
_ESCAPE = 0x1B
_NAME_DELIMITERS = {0x5E, 0x3D}
_TEXT_DELIMITERS = {0x0D, 0x0A, 0x09, 0x0C}


def decode_value(vr: str, raw: bytes, little_endian: bool, encodings: Sequence[str]) -> list[Value]:
    """The values of an element, none if it is empty.

    Args:
        vr: any but SQ and the binary ones. encodings: Python's names of the object's character sets.

    Raises:
        ValueError: its length is no multiple of its VR's.
    """
    if not raw:
        return []
    if code := NUMBERS.get(vr):
        return list(_unpack(code, raw, little_endian))
    if vr == "AT":
        halves = _unpack("H", raw, little_endian)
        if len(halves) % 2:
            raise ValueError("an attribute tag has four bytes")
        return [high << 16 | low for high, low in zip(halves[::2], halves[1::2], strict=True)]
    text = decode_text(raw, encodings, vr) if vr in LOCAL_TEXT else raw.decode("latin-1")
    if vr in SINGLE_TEXT:
        text = text.rstrip(_PADDING)
        return [text] if text else []
    if "\\" not in text:
        text = text.strip(_PADDING) if vr in STRIPPED else text.rstrip(_PADDING)
        return [text] if text else []
    if vr in STRIPPED:
        return [part.strip(_PADDING) for part in text.split("\\")]
    return [part.rstrip(_PADDING) for part in text.split("\\")]


def decode_text(raw: bytes, encodings: Sequence[str], vr: str) -> str:
    """Text in the object's character sets, code extensions included (PS3.5 6.1.2.5)."""
    if raw.isascii() and _ESCAPE not in raw:
        return raw.decode("ascii")
    from pydicom.charset import decode_bytes

    return decode_bytes(raw, encodings, _NAME_DELIMITERS if vr == "PN" else _TEXT_DELIMITERS)


def _unpack(code: str, raw: bytes, little_endian: bool) -> tuple[Any, ...]:
    count, rest = divmod(len(raw), struct.calcsize(f"={code}"))
    if rest:
        raise ValueError("length is no multiple of the value's size")
    return struct.unpack(f"{'<' if little_endian else '>'}{count}{code}", raw)
