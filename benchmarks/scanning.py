"""Hilum's scanner as the figures call it: from a file's path to a dict, DICOM JSON text or a row's text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hilum.dicom.elements import DataElement
from hilum.dicom.header import read_header
from hilum.dicom.scan import Scanner
from hilum.dicom.scan.elements import ElementForm
from hilum.dicom.scan.feed import Feed
from hilum.dicom.scan.json import JsonForm

_elements, _json_form = Scanner(ElementForm()), JsonForm()
_json = Scanner(_json_form)


def scan_dict(path: Path) -> dict[int, list[Any]]:
    """Every element's values by tag; a sequence's are such dicts."""
    with path.open("rb", buffering=0) as stream:
        return _values(_elements.scan(Feed(stream, path.stat().st_size)).parts)


def _values(elements: list[DataElement]) -> dict[int, list[Any]]:
    return {
        tag: [_values(item) for item in values] if vr == "SQ" else values for tag, vr, values, _ in elements
    }


def scan_json(path: Path) -> str:
    """DICOM JSON text, without file meta information."""
    with path.open("rb", buffering=0) as stream:
        scanned = _json.scan(Feed(stream, path.stat().st_size))
    return str(_json_form.item(scanned.parts, scanned.others))


def scan_row(path: Path) -> str:
    """A warehouse row's text, with the checks that intake makes."""
    return read_header(path).row
