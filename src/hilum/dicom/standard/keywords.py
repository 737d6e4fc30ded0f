"""The data dictionary (PS3.6) by keyword and by tag.

A selector names attributes by keyword and the warehouse names its columns so; both ask here. The table is read at
the first question, in a few milliseconds, and pydicom is not needed for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("dictionary.tsv")


class Element(NamedTuple):
    """An entry of the data dictionary.

    Attributes:
        tag: group and element in one number; a repeating group stands under its first, 5000 or 6000.
        vr: value representation (PS3.5 6.2); some have a choice, such as ``US or SS``.
        vm: value multiplicity (PS3.5 6.4), such as ``1``, ``3`` or ``1-n``.
        keyword: as in ``PatientID``. name: as in ``Patient ID``.
    """

    tag: int
    vr: str
    vm: str
    keyword: str
    name: str

    @property
    def single(self) -> bool:
        """Whether it holds one value at most, which makes it a scalar in facts and rows."""
        return self.vm == "1" and self.vr != "SQ"

    @property
    def repeating(self) -> bool:
        """Whether it is of a repeating group (PS3.5 7.6), so that one header may hold it several times."""
        return self.tag >> 24 in (0x50, 0x60)


@cache
def edition() -> str:
    """The edition of PS3.6 that the table is from, such as ``2024c``."""
    with TABLE.open(encoding="utf-8") as lines:
        return lines.readline().removeprefix("# PS3.6 ").partition(";")[0]


@cache
def elements() -> dict[int, Element]:
    """The whole table by tag, in tag order; not to be changed."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()[1:]
    found = {}
    for tag, vr, vm, keyword, name in (line.split("\t") for line in lines):
        number = int(tag, 16)
        found[number] = Element(number, vr, vm, keyword, name)
    return found


@cache
def _tags() -> dict[str, int]:
    return {element.keyword: tag for tag, element in elements().items()}


def lookup(keyword: str) -> Element | None:
    """The entry with this keyword, or None. Case matters, as it does in the standard."""
    tag = _tags().get(keyword)
    return None if tag is None else elements()[tag]


def by_tag(tag: int) -> Element | None:
    """The entry of this tag, or None; tags of repeating groups (50xx, 60xx) find theirs under the first group."""
    if tag >> 24 in (0x50, 0x60) and not tag & 0x00010000:
        tag &= 0xFF00FFFF
    return elements().get(tag)


def keywords() -> Iterator[str]:
    """All keywords, in tag order."""
    return iter(_tags())


def nearest(keyword: str, count: int = 3) -> list[str]:
    """Keywords that somebody who wrote ``keyword`` may have meant, best first; may be empty."""
    import difflib

    lowered = {known.lower(): known for known in _tags()}
    word = keyword.lower()
    close = difflib.get_close_matches(word, lowered, n=count, cutoff=0.7)
    longer = sorted((known for known in lowered if len(word) > 3 and known.startswith(word)), key=len)
    return [lowered[known] for known in dict.fromkeys([*close, *longer])][:count]
