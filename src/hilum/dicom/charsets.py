"""Text in every character set of DICOM (PS3.3 C.12.1.1.2), code extensions of ISO 2022 included (PS3.5 6.1.2.5).

Senders declare wrongly: UTF-8 that is called Latin-1, Shift-JIS that is called JIS X 0201, terms that are misspelt,
escapes that were not announced. Text that the declaration does not carry is still decoded, by the likeliest other
set, but never silently: :class:`DoubtfulText` is raised with that guess, and whoever has the bytes keeps them.

05/12 and 07/14 stay backslash and tilde in ISO-IR 14 too, where JIS X 0201 draws a yen sign and an overline: that is
what other software does, and paths survive it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

CODECS = {
    6: "ascii",
    13: "shift_jis",
    58: "gb2312",
    87: "iso2022_jp",
    100: "latin_1",
    101: "iso8859_2",
    109: "iso8859_3",
    110: "iso8859_4",
    126: "iso8859_7",
    127: "iso8859_6",
    138: "iso8859_8",
    144: "iso8859_5",
    148: "iso8859_9",
    149: "euc_kr",
    159: "iso2022_jp_2",
    166: "tis_620",
    192: "utf_8",
    203: "iso8859_15",
}
"""Python's codecs by number in the ISO register; each has ASCII below 128 (tables C.12-2 to C.12-5)."""

_NAMED = {"GB18030": "gb18030", "GBK": "gbk", "ISO2022GBK": "gbk", "ISO202258": "gb2312", "UTF8": "utf_8"}
_NUMBERED = re.compile(r"ISO(?:2022)?IR([0-9]+)")
_STAND_ALONE = frozenset({"utf_8", "gb18030", "gbk"})
"""Codecs of sets that are used without code extensions, each alone (PS3.5 6.1.2.5.4 d)."""
_KANJI = {"iso2022_jp": b"\x1b$B", "iso2022_jp_2": b"\x1b$(D"}
"""Two-byte sets that take ASCII's place (G0); all others are above it (G1). Their codecs want their escapes."""

_FINALS = zip((100, 101, 109, 110, 126, 127, 138, 144, 148, 166, 203), "ABCDFGHLMTb", strict=True)
_ESCAPES = {
    b"\x1b(B": "ascii",
    b"\x1b(J": "ascii",
    b"\x1b)I": "shift_jis",
    b"\x1b$@": "iso2022_jp",
    b"\x1b$B": "iso2022_jp",
    b"\x1b$(D": "iso2022_jp_2",
    b"\x1b$)A": "gb2312",
    b"\x1b$)C": "euc_kr",
    **{b"\x1b-" + final.encode(): CODECS[number] for number, final in _FINALS},
}
"""Escape sequences of tables C.12-3 and C.12-4, and of JIS X 0208's first edition."""

LONGEST = 1024
"""Bytes of a declaration; all sets together take half of it."""
_ESC = 0x1B
_ESCAPE = re.compile(rb"(\x1b(?:\$[()]?|[()-])[@-~])")
_CONTROL = rb"\x00-\x1a\x1c-\x1f"
_BREAKS = {
    **dict.fromkeys(("LT", "ST", "UT"), re.compile(rb"[" + _CONTROL + rb"]")),
    "PN": re.compile(rb"[" + _CONTROL + rb"\\^=]"),
}
_BREAK = re.compile(rb"[" + _CONTROL + rb"\\]")
"""Where the set of value 1 is active again (PS3.5 6.1.2.5.3), for PN, for VRs of one value and for all others."""
_KANJI_BREAK = _BREAKS["LT"]
_KANJI_RUN = re.compile(rb"((?:[\x21-\x7e]{2})+)|([\x80-\xff]+)|( +)|(.)", re.DOTALL)

_OUTSIDE = {"shift_jis": re.compile(rb"[\x80-\xa0\xe0-\xff]")}
_OUTSIDE_SINGLE = re.compile(rb"[\x80-\x9f]")
_MULTIPLE = frozenset({"utf_8", "gb18030", "gbk", "gb2312", "euc_kr", "ascii", *_KANJI})
"""Codecs that refuse by themselves what is not of their set; the others take controls from 128 to 159 too."""
_UTF_8 = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")
_LATIN = frozenset({"latin_1", "iso8859_9"})
"""Here the bytes of UTF-8 beyond ASCII read as a capital letter and a symbol, which nobody writes."""
_RELATIVES = {
    **dict.fromkeys(("shift_jis", *_KANJI), ("shift_jis", "cp932", "euc_jp")),
    **dict.fromkeys(("gb2312", "gbk"), ("gb18030",)),
    "euc_kr": ("euc_kr", "cp949"),
    "tis_620": ("cp874",),
    **{
        f"iso8859_{iso}": (f"cp125{windows}",)
        for iso, windows in zip((2, 5, 7, 9, 8, 6, 4), "0134567", strict=True)
    },
}
"""What senders use in place of a set that they declare: Windows' counterparts, and encodings without escapes."""


class DoubtfulText(ValueError):
    """The bytes are not text of the declared character sets.

    Attributes:
        text: the likeliest reading.
    """

    def __init__(self, text: str) -> None:
        super().__init__("not text of the declared character sets")
        self.text = text


class Charset:
    """The character sets of an object or item, by value of Specific Character Set (0008,0005)."""

    def __init__(self, terms: tuple[str, ...]) -> None:
        found = [_codec(term) for term in terms] or ["ascii"]
        self._known = None not in found
        first = found[0] or "ascii"
        declared = [first] if first in _STAND_ALONE else [each for each in found if each]
        self._declared = frozenset(declared) - _STAND_ALONE | {"ascii"}
        self._stand_alone = first in _STAND_ALONE
        self._first = "ascii" if first in _KANJI else first
        self._guesses = (
            "utf_8",
            *(each for codec in declared for each in _RELATIVES.get(codec, ())),
            "cp1252",
        )

    def decode(self, raw: bytes, vr: str) -> str:
        """The text of a whole value field, backslashes and padding included.

        Raises:
            DoubtfulText: the bytes are not what was declared; has the likeliest text.
        """
        if raw.isascii() and _ESC not in raw:
            return raw.decode("ascii")
        try:
            if _ESC in raw and not (self._stand_alone and not _ESCAPE.search(raw)):
                return self._with_escapes(raw, vr)
            text = _strict(raw, self._first)
        except UnicodeError:
            raise DoubtfulText(self._guess(raw, vr)) from None
        if not self._known or (self._first in _LATIN and _UTF_8.search(raw) and _is_utf_8(raw)):
            raise DoubtfulText(self._guess(raw, vr))
        return text

    def decode_default(self, raw: bytes, vr: str) -> str:
        """The text of a VR that has the default repertoire alone (PS3.5 6.1.2.2), such as CS.

        Raises:
            DoubtfulText: it is beyond that; has the text that it is in the object's own character set.
        """
        if raw.isascii():
            return raw.decode("ascii")
        raise DoubtfulText(self.decode(raw, vr))

    def _with_escapes(self, raw: bytes, vr: str) -> str:
        text, invoked = self._switched(raw, _BREAKS.get(vr, _BREAK))
        if not invoked <= self._declared or self._stand_alone or not self._known:
            raise DoubtfulText(text)
        return text

    def _switched(self, raw: bytes, breaks: re.Pattern[bytes] | None) -> tuple[str, set[str]]:
        """Text with escapes, and the codecs that they invoked; without ``breaks`` a set is active until the next.

        Raises:
            UnicodeError: an unknown escape, or bytes that are not of the active set.
        """
        value_1 = "ascii" if self._stand_alone else self._first
        below, above = "ascii", value_1
        pieces = _ESCAPE.split(raw)
        texts = [_run(piece, below, above) for piece in pieces[:1]]
        invoked: set[str] = set()
        for escape, piece in zip(pieces[1::2], pieces[2::2], strict=True):
            codec = _ESCAPES.get(escape)
            if codec is None:
                raise UnicodeError("unknown escape sequence")
            invoked.add(codec)
            if codec == "ascii" or codec in _KANJI:
                below = codec
            else:
                above = codec
            end = breaks and (_KANJI_BREAK if below in _KANJI else breaks).search(piece)
            if end:
                texts.append(_run(piece[: end.start()], below, above))
                below, above, piece = "ascii", value_1, piece[end.start() :]
            texts.append(_run(piece, below, above))
        return "".join(texts), invoked

    def _guess(self, raw: bytes, vr: str) -> str:
        """The likeliest text: with escapes whose set stays on, UTF-8, a relative of the declared, Western."""
        if _ESC in raw:
            try:
                return self._switched(raw, None)[0]
            except UnicodeError:
                pass
        for codec in self._guesses:
            try:
                return raw.decode(codec)
            except UnicodeError:
                continue
        return raw.decode("latin_1")


def codec(specific_character_set: bytes | tuple[str, ...]) -> Charset:
    """The character sets that a value of Specific Character Set (0008,0005) declares.

    Args:
        specific_character_set: the value's bytes, or its terms; misspelt terms are understood where they can be.
    """
    if not isinstance(specific_character_set, bytes):
        specific_character_set = "\\".join(specific_character_set).encode("latin-1", "replace")
    return _charset(specific_character_set[:LONGEST])


@lru_cache(maxsize=256)
def _charset(declared: bytes) -> Charset:
    text = declared.decode("latin-1").strip(" \0")
    return Charset(tuple(text.split("\\")) if text else ())


DEFAULT = codec(())
"""The default repertoire, ISO-IR 6, which holds where nothing is declared."""


def _codec(term: str) -> str | None:
    """Python's codec for a defined term, by its letters and digits alone; ISO-IR 6 where it is empty."""
    plain = re.sub(r"[^A-Z0-9]", "", term.upper())
    if not plain:
        return "ascii"
    numbered = _NUMBERED.fullmatch(plain)
    return CODECS.get(int(numbered[1])) if numbered else _NAMED.get(plain)


def _strict(raw: bytes, codec: str) -> str:
    """Text of one set; UnicodeError for bytes that are not of it, controls beyond ASCII included."""
    if codec not in _MULTIPLE and _OUTSIDE.get(codec, _OUTSIDE_SINGLE).search(raw):
        raise UnicodeError("not of the character set")
    return raw.decode(codec)


def _run(raw: bytes, below: str, above: str) -> str:
    """Text between two switches: ``below`` has the bytes under 128 (G0), ``above`` the others (G1)."""
    if below not in _KANJI:
        return _strict(raw, above)
    return "".join(_kanji(raw, below, above))


def _kanji(raw: bytes, below: str, above: str) -> Iterator[str]:
    for pairs, others, spaces, rest in _KANJI_RUN.findall(raw):
        if rest:
            raise UnicodeError("half a character")
        yield (_KANJI[below] + pairs).decode(below) if pairs else _strict(others, above) + spaces.decode()


def _is_utf_8(raw: bytes) -> bool:
    try:
        raw.decode("utf_8")
    except UnicodeError:
        return False
    return True
