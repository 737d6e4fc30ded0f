"""Hilum's scanner as the figures call it: from a file's path to a dict or DICOM JSON text.

A scanner remembers what values became, which is much of its speed. So each round gets a new one: in the field no file
is read twice.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hilum.dicom.scan import Scanner, scan_elements
from hilum.dicom.scan.feed import Feed
from hilum.dicom.scan.json import JsonForm
from hilum.dicom.scan.tables import Context, Form, decoder, plain
from hilum.dicom.values import TEXT

Values = dict[int, list[Any]]
"""Every element's values by tag; a sequence's are such dicts."""


class DictForm(Form):
    """Parts are pairs of a tag and a list of values."""

    mixed = True

    def leaf(self, tag: int, vr: str, context: Context) -> Callable[[bytes], Any]:
        decode = decoder(tag, vr, context)
        if vr not in TEXT:
            return lambda raw: (tag, decode(raw)[0])
        text_of = plain(vr)

        def make(raw: bytes) -> tuple[int, list[Any]]:
            text = text_of(raw)
            return tag, [text] if text else decode(raw)[0]

        return make

    other = leaf

    def binary(self, tag: int, vr: str) -> tuple[int, list[Any]]:
        return tag, []

    def sequence(self, tag: int, items: list[Any], context: Context) -> tuple[int, list[Any]]:
        return tag, items

    def item(self, parts: list[Any], others: list[Any]) -> Values:
        return dict(parts)


def dict_scanner() -> Callable[[Path], Values]:
    """Gives the values of a file's header."""
    scanner = Scanner(DictForm())

    def scan(path: Path) -> Values:
        with open(path, "rb", buffering=0) as stream:
            return dict(scanner.scan(Feed(stream, stream.seek(0, 2))).parts)

    return scan


def decoded(path: Path) -> Values:
    """The same by way of the scanner's elements, which tests hold against pydicom's."""

    def values(elements: list[Any]) -> Values:
        return {
            tag: [values(item) for item in found] if vr == "SQ" else found for tag, vr, found, _ in elements
        }

    return values(scan_elements(path.read_bytes()))


def json_scanner() -> Callable[[Path], str]:
    """Gives DICOM JSON text, without file meta information."""
    form = JsonForm()
    scanner = Scanner(form)

    def scan(path: Path) -> str:
        with open(path, "rb", buffering=0) as stream:
            scanned = scanner.scan(Feed(stream, stream.seek(0, 2)))
        return str(form.item(scanned.parts, scanned.others))

    return scan
