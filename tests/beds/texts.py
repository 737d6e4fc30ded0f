"""Real text in every character set of DICOM, encoded here by the tables of PS3.3 C.12.1.1.2 and not by the code
under test: escapes are written as PS3.5 6.1.2.5.3 wants them, and forgotten at its delimiters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

_CONTROLS = "\t\n\f\r"


@dataclass(frozen=True, slots=True)
class Repertoire:
    """Sets as Specific Character Set declares them, with words in them.

    Attributes:
        terms: the attribute's value. encoder: any text of these sets to bytes, and the delimiters in it.
    """

    terms: str
    words: tuple[str, ...]
    encoder: Callable[[str, str], bytes] = field(repr=False)

    def encode(self, text: str, vr: str = "PN") -> bytes:
        """The text as a value of this VR, whose delimiters are its own (PS3.5 6.1.2.5.3)."""
        own = {"PN": "\\^=", "LT": "", "ST": "", "UT": ""}.get(vr, "\\")
        return self.encoder(text, _CONTROLS + own)


def _jis(character: str, prefix: bytes) -> bytes:
    """JIS X 0208 or, behind 8/15, JIS X 0212, by way of EUC, which has their bytes 128 higher."""
    found = character.encode("euc_jp")
    pair = found.removeprefix(prefix)
    if found != prefix + pair or len(pair) != 2 or min(pair) < 0xA1:
        raise UnicodeError
    return bytes(byte & 0x7F for byte in pair)


def _plain(codec: str) -> Callable[..., bytes]:
    return lambda text, delimiters="": text.encode(codec)


def _katakana(character: str) -> bytes:
    found = character.encode("shift_jis")
    if len(found) > 1 or found[0] < 0x80:
        raise UnicodeError
    return found


_LATIN = ("Müller", "Jörg", "Ångström", "señor", "É")
_SINGLE = {
    100: (b"\x1b-A", "iso8859_1", _LATIN),
    101: (b"\x1b-B", "iso8859_2", ("Łęcka", "Żaneta", "Dvořák", "Őszi")),
    109: (b"\x1b-C", "iso8859_3", ("Ġużeppi", "ħobż", "ĉiuĵaŭde")),
    110: (b"\x1b-D", "iso8859_4", ("Ķēniņš", "Jānis", "Ŋa", "Sørensen")),
    126: (b"\x1b-F", "iso8859_7", ("Παπαδοπούλου", "Ελένη", "ώμος")),
    127: (b"\x1b-G", "iso8859_6", ("محمد", "علي", "مستشفى")),
    138: (b"\x1b-H", "iso8859_8", ("כהן", "דוד", "ירושלים")),
    144: (b"\x1b-L", "iso8859_5", ("Иванова", "Ольга", "Ђорђевић", "Щёлково")),
    148: (b"\x1b-M", "iso8859_9", ("Yılmaz", "Şükrü", "İğdır")),
    166: (b"\x1b-T", "iso8859_11", ("สมชาย", "ใจดี", "กรุงเทพ")),
    203: (b"\x1b-b", "iso8859_15", ("œuvre", "Šárka", "5 €")),
}
"""By number in the ISO register: escape sequence, Python's codec, words."""

_SETS: dict[bytes, tuple[bool, Callable[[str], bytes]]] = {
    b"\x1b$B": (True, lambda text: _jis(text, b"")),
    b"\x1b$(D": (True, lambda text: _jis(text, b"\x8f")),
    b"\x1b)I": (False, _katakana),
    b"\x1b$)C": (False, _plain("euc_kr")),
    b"\x1b$)A": (False, _plain("gb2312")),
    **{escape: (False, _plain(codec)) for escape, codec, _ in _SINGLE.values()},
}
"""Escape sequence to whether it takes ASCII's place, and to how a character is encoded in its set."""


def _extended(text: str, delimiters: str, value_1: bytes, others: tuple[bytes, ...]) -> bytes:
    """Text with code extensions; ``value_1`` is the escape of value 1's set, empty for ASCII alone."""
    encoded, below, above = bytearray(), b"", value_1
    for character in text:
        if character.isascii():
            encoded += (b"\x1b(B" if below else b"") + character.encode()
            below, above = b"", value_1 if character in delimiters else above
            continue
        escape, found = _in_a_set(character, (below, above, value_1, *others))
        if escape not in (below, above):
            encoded += escape
        if _SETS[escape][0]:
            below = escape
        else:
            above = escape
        encoded += found
    return bytes(encoded) + (b"\x1b(B" if below else b"")


def _in_a_set(character: str, escapes: tuple[bytes, ...]) -> tuple[bytes, bytes]:
    """The first set that has the character, and its bytes there."""
    for escape in filter(None, escapes):
        try:
            return escape, _SETS[escape][1](character)
        except UnicodeError:
            continue
    raise AssertionError(f"{character!r} is in none of the sets")


_KANA, _KANJI, _RARE = ("ﾔﾏﾀﾞ", "ﾀﾛｳ"), ("山田", "太郎", "やまだ", "放射線科", "ソ表"), ("丂", "丄丅")
_HANGUL, _HANZI = ("김", "민수", "金", "영상의학과"), ("张", "伟", "王", "放射科")


def _with(terms: str, words: tuple[str, ...], value_1: bytes, *others: bytes) -> Repertoire:
    return Repertoire(terms, words, partial(_extended, value_1=value_1, others=others))


REPERTOIRES = (
    Repertoire("", ("Doe", "Jane", "x"), _plain("ascii")),
    Repertoire("ISO_IR 6", ("Doe", "Jane"), _plain("ascii")),
    *(Repertoire(f"ISO_IR {number}", words, _plain(codec)) for number, (_, codec, words) in _SINGLE.items()),
    Repertoire("ISO_IR 13", _KANA, _plain("shift_jis")),
    Repertoire(
        "ISO_IR 192",
        tuple(word for *_, words in _SINGLE.values() for word in words) + _KANJI,
        _plain("utf_8"),
    ),
    Repertoire("GB18030", (*_HANZI, "㐀", "𠀀", "Müller", "誠"), _plain("gb18030")),
    Repertoire("GBK", (*_HANZI, "镕", "誠"), _plain("gbk")),
    *(_with(f"\\ISO 2022 IR {number}", words, b"", escape) for number, (escape, _, words) in _SINGLE.items()),
    _with("ISO 2022 IR 13\\ISO 2022 IR 87", _KANA + _KANJI, b"\x1b)I", b"\x1b$B"),
    _with("\\ISO 2022 IR 87\\ISO 2022 IR 159", _KANJI + _RARE, b"", b"\x1b$B", b"\x1b$(D"),
    _with("ISO 2022 IR 6\\ISO 2022 IR 13\\ISO 2022 IR 87", _KANA + _KANJI, b"", b"\x1b)I", b"\x1b$B"),
    _with("\\ISO 2022 IR 149", _HANGUL, b"", b"\x1b$)C"),
    _with("\\ISO 2022 IR 58", _HANZI, b"", b"\x1b$)A"),
    _with("ISO 2022 IR 100\\ISO 2022 IR 144", _LATIN + _SINGLE[144][2], b"\x1b-A", b"\x1b-L"),
    _with(
        "ISO 2022 IR 144\\ISO 2022 IR 126\\ISO 2022 IR 87",
        _SINGLE[144][2] + _SINGLE[126][2] + _KANJI,
        b"\x1b-L",
        b"\x1b-F",
        b"\x1b$B",
    ),
    _with(
        "ISO 2022 IR 100\\ISO 2022 IR 149\\ISO 2022 IR 203",
        (*_LATIN, *_HANGUL, "œuvre", "5 €"),
        b"\x1b-A",
        b"\x1b$)C",
        b"\x1b-b",
    ),
)
