"""The scanner, our way through pydicom, and pydicom itself: every element of every file that packages bring along."""

from __future__ import annotations

import json
from typing import Any

import pytest

from beds.agreed import AGREED, rule_of
from beds.agreement import differences, read_with_elements, scan_row, scan_through_window
from beds.corpora import CORPORA, DEBIAN, contents
from beds.table import rows_of_table
from hilum.dicom.elements import DataElement
from hilum.dicom.facts import facts_of
from hilum.dicom.rows import row_text
from hilum.dicom.scan import Unsure, scan_elements
from hilum.errors import HilumError

LEAST = {"pydicom": 170, "pynetdicom": 4, "nibabel": 7, "debian": 40}
"""DICOM files that are in there, so that an empty folder does not pass."""


WINDOW = 700
"""Bytes, so that most headers come in many pieces."""


def row_as_sent(ours: list[DataElement]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(row_text(ours))
    return found


def scanned(data: bytes) -> list[DataElement] | None:
    """What the scanner says; None if it leaves the object to pydicom."""
    try:
        return scan_elements(data)
    except Unsure:
        return None


@pytest.mark.parametrize("corpus", CORPORA)
def test_on_every_file_of_a_package(corpus: str) -> None:
    if corpus == "debian" and not (DEBIAN / "complete").exists():
        pytest.skip("Debian's DICOM files are not here: run tools/beds")
    files = elements = left = 0
    faults = []
    for name, data in contents(corpus):
        try:
            ours = read_with_elements(data)
        except HilumError as error:
            faults += [f"{name}: {error.reason}, but scanned"] if can_scan(data) else []
            continue
        files += 1
        elements += len(ours)
        found = scanned(data)
        if found is None:
            left += 1
        else:
            faults += [f"{name}: {one} is not {other}" for one, other in unequal(found, ours)]
            faults += [f"{name}: another row"] * (scan_row(data) != (row_as_sent(ours), facts_of(ours)))
            faults += [f"{name}: not by pieces"] * (repr(scan_through_window(data, WINDOW)) != repr(ours))
        faults += [f"{name}: {each}" for each in differences(ours, data) if rule_of(each) is None]
    print(f"{corpus}: {files} files, {elements} top-level elements, {left} left to pydicom")  # noqa: T201 - `pytest -rP` shows it
    assert not faults, "\n".join(faults)
    assert files >= LEAST[corpus]


def can_scan(data: bytes) -> bool:
    try:
        return scanned(data) is not None
    except HilumError:
        return False


def unequal(
    found: list[DataElement], ours: list[DataElement]
) -> list[tuple[DataElement | None, DataElement | None]]:
    first, second = ({element.tag: element for element in side} for side in (found, ours))
    pairs = [(first.get(tag), second.get(tag)) for tag in sorted({*first, *second})]
    return [(one, other) for one, other in pairs if repr(one) != repr(other)]


def test_the_table_of_differences_is_the_documentations() -> None:
    documented = [(name, paragraph) for name, _, _, paragraph in rows_of_table("agreement.md")]
    assert documented == [(rule.name, rule.paragraph) for rule in AGREED]
