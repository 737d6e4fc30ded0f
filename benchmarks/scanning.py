"""Hilum's scanner as the figures call it: from a file's path to a dict or DICOM JSON text.

A scanner remembers what values became, which is much of its speed. So each round gets a new one: in the field no file
is read twice.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hilum.dicom.elements import DataElement
from hilum.dicom.scan import Scanner
from hilum.dicom.scan.elements import ElementForm
from hilum.dicom.scan.feed import Feed
from hilum.dicom.scan.json import JsonForm


def dict_scanner() -> Callable[[Path], dict[int, list[Any]]]:
    """Gives every element's values by tag; a sequence's are such dicts."""
    scanner = Scanner(ElementForm())

    def scan(path: Path) -> dict[int, list[Any]]:
        with path.open("rb", buffering=0) as stream:
            return _values(scanner.scan(Feed(stream, path.stat().st_size)).parts)

    return scan


def _values(elements: list[DataElement]) -> dict[int, list[Any]]:
    return {
        tag: [_values(item) for item in values] if vr == "SQ" else values for tag, vr, values, _ in elements
    }


def json_scanner() -> Callable[[Path], str]:
    """Gives DICOM JSON text, without file meta information."""
    form = JsonForm()
    scanner = Scanner(form)

    def scan(path: Path) -> str:
        with path.open("rb", buffering=0) as stream:
            scanned = scanner.scan(Feed(stream, path.stat().st_size))
        return str(form.item(scanned.parts, scanned.others))

    return scan
