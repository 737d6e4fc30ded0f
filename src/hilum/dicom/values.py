"""Encoded values to Python's (PS3.5 6.2): text is decoded with the object's character sets, numbers are unpacked.

Padding that the standard calls insignificant is taken off; nothing else is changed or judged here, so a date stays
the text that was sent.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from hilum.dicom.charsets import Charset, DoubtfulText

Value = str | int | float

BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
SINGLE_TEXT = frozenset({"LT", "ST", "UT", "UR"})
"""VRs in which a backslash is a character like any other and leading spaces mean something."""
STRIPPED = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"})
"""VRs of the default repertoire, in which spaces on either side mean nothing."""
LOCAL_TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""VRs that Specific Character Set (0008,0005) speaks of."""
TEXT = SINGLE_TEXT | STRIPPED | LOCAL_TEXT
NUMBERS = {"AT": "HH", "FD": "d", "FL": "f", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}

KNOWN = BINARY | TEXT | frozenset(NUMBERS) | {"SQ"}

PADDING = " \0"

Decoder = Callable[[bytes, bool, Charset], list[Value]]


class UndecodableError(ValueError):
    """The bytes are not of their VR or character set, so that whoever has them is to keep them.

    Attributes:
        values: the likeliest reading; none where there is none.
    """

    def __init__(self, values: list[Value]) -> None:
        super().__init__("not of the VR or the character set")
        self.values = values


def decode_value(vr: str, raw: bytes, little_endian: bool, charset: Charset) -> list[Value]:
    """The values of an element, none if it is empty.

    Args:
        vr: any but SQ and the binary ones.

    Raises:
        UndecodableError: its length is no multiple of its VR's, or its text is not what was declared.
    """
    return _DECODERS[vr](raw, little_endian, charset) if raw else []


def _text(vr: str) -> Decoder:
    local = vr in LOCAL_TEXT
    strip = str.strip if vr in STRIPPED else str.rstrip

    def values(text: str) -> list[Value]:
        text = strip(text, PADDING)
        if "\\" in text and vr not in SINGLE_TEXT:
            return [strip(part, PADDING) for part in text.split("\\")]
        return [text] if text else []

    def decode(raw: bytes, little_endian: bool, charset: Charset) -> list[Value]:
        try:
            return values(charset.decode(raw, vr) if local else charset.decode_default(raw, vr))
        except DoubtfulText as doubt:
            raise UndecodableError(values(doubt.text)) from None

    return decode


def _number(code: str) -> Decoder:
    """An attribute tag is two numbers of 16 bits, group and element, and becomes one of 32."""
    size = struct.calcsize(f"={code}")
    ones = {little: struct.Struct(f"{'<' if little else '>'}{code}") for little in (True, False)}

    def decode(raw: bytes, little_endian: bool, charset: Charset) -> list[Value]:
        one = ones[little_endian]
        if len(raw) == size:
            found = [one.unpack(raw)]
        elif len(raw) % size:
            raise UndecodableError([])
        else:
            found = list(one.iter_unpack(raw))
        if code == "HH":
            return [group << 16 | number for group, number in found]
        return [value for (value,) in found]

    return decode


_DECODERS: dict[str, Decoder] = {
    **{vr: _text(vr) for vr in TEXT},
    **{vr: _number(code) for vr, code in NUMBERS.items()},
}
