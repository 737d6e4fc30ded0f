"""Encoded values to Python's (PS3.5 6.2): text is decoded with the object's character sets, numbers are unpacked.

Padding that the standard calls insignificant is taken off; nothing else is changed or judged here, so a date stays
the text that was sent.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

Value = str | int | float

BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
SINGLE_TEXT = frozenset({"LT", "ST", "UT", "UR"})
"""VRs in which a backslash is a character like any other and leading spaces mean something."""
STRIPPED = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"})
"""VRs of the default repertoire, in which spaces on either side mean nothing."""
LOCAL_TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""VRs that Specific Character Set (0008,0005) speaks of."""
NUMBERS = {"AT": "HH", "FD": "d", "FL": "f", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}

KNOWN = BINARY | SINGLE_TEXT | STRIPPED | LOCAL_TEXT | frozenset(NUMBERS) | {"SQ"}

_PADDING = " \0"
_ESCAPE = 0x1B
_NAME_DELIMITERS = {0x5E, 0x3D}
_TEXT_DELIMITERS = {0x0D, 0x0A, 0x09, 0x0C}

Decoder = Callable[[bytes, bool, Sequence[str]], list[Value]]


def decode_value(vr: str, raw: bytes, little_endian: bool, encodings: Sequence[str]) -> list[Value]:
    """The values of an element, none if it is empty.

    Args:
        vr: any but SQ and the binary ones. encodings: Python's names of the object's character sets.

    Raises:
        ValueError: its length is no multiple of its VR's.
    """
    return _DECODERS[vr](raw, little_endian, encodings) if raw else []


def decode_text(raw: bytes, encodings: Sequence[str], vr: str) -> str:
    """Text in the object's character sets, code extensions included (PS3.5 6.1.2.5)."""
    if raw.isascii() and _ESCAPE not in raw:
        return raw.decode("ascii")
    from pydicom.charset import decode_bytes

    return decode_bytes(raw, encodings, _NAME_DELIMITERS if vr == "PN" else _TEXT_DELIMITERS)


def _stripped(raw: bytes, little_endian: bool, encodings: Sequence[str]) -> list[Value]:
    text = raw.decode("latin-1").strip(_PADDING)
    if "\\" in text:
        return [part.strip(_PADDING) for part in text.split("\\")]
    return [text] if text else []


def _text(vr: str) -> Decoder:
    def decode(raw: bytes, little_endian: bool, encodings: Sequence[str]) -> list[Value]:
        text = decode_text(raw, encodings, vr).rstrip(_PADDING)
        if "\\" in text and vr not in SINGLE_TEXT:
            return [part.rstrip(_PADDING) for part in text.split("\\")]
        return [text] if text else []

    return decode


def _number(code: str) -> Decoder:
    """An attribute tag is two numbers of 16 bits, group and element, and becomes one of 32."""
    size = struct.calcsize(f"={code}")
    ones = {little: struct.Struct(f"{'<' if little else '>'}{code}") for little in (True, False)}

    def decode(raw: bytes, little_endian: bool, encodings: Sequence[str]) -> list[Value]:
        one = ones[little_endian]
        if len(raw) == size:
            found = [one.unpack(raw)]
        elif len(raw) % size:
            raise ValueError("length is no multiple of the value's size")
        else:
            found = list(one.iter_unpack(raw))
        if code == "HH":
            return [group << 16 | number for group, number in found]
        return [value for (value,) in found]

    return decode


_DECODERS: dict[str, Decoder] = {
    **dict.fromkeys(STRIPPED, _stripped),
    **{vr: _text(vr) for vr in LOCAL_TEXT | SINGLE_TEXT},
    **{vr: _number(code) for vr, code in NUMBERS.items()},
}
