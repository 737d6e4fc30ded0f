"""The scanner, our way through pydicom, and pydicom itself: every element of data sets that nobody has sent yet."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import event, given, settings

from beds.agreed import rule_of
from beds.agreement import differences, read_with_elements, scan_row, scan_through_window
from beds.datasets import Sample, samples
from hilum.dicom.elements import DataElement
from hilum.dicom.facts import facts_of
from hilum.dicom.rows import row_text
from hilum.dicom.scan import Unsure, scan_elements
from hilum.errors import HilumError

EXAMPLES = 200
WINDOW = 300
"""Bytes; most of these headers come in two or three pieces then."""


@settings(max_examples=EXAMPLES)
@given(samples())
def test_on_what_correct_senders_write(sample: Sample) -> None:
    ours = read_with_elements(sample.data)
    assert repr(scan_elements(sample.data)) == repr(ours)
    assert repr(scan_through_window(sample.data, WINDOW)) == repr(ours)
    assert scan_row(sample.data) == (json.loads(row_text(ours)), facts_of(ours))
    assert not [element for element in everything(ours) if element.undecoded]
    assert not [str(each) for each in differences(ours, sample.data) if rule_of(each) is None]


@settings(max_examples=EXAMPLES)
@given(samples(odd=True))
def test_on_what_others_write(sample: Sample) -> None:
    try:
        ours = read_with_elements(sample.data)
    except HilumError as error:
        event(f"refused: {error.reason}")
        with pytest.raises((Unsure, HilumError)):
            scan_elements(sample.data)
        return
    try:
        found = scan_elements(sample.data)
        event("scanned")
        assert repr(found) == repr(ours)
        assert scan_row(sample.data) == (json.loads(row_text(ours)), facts_of(ours))
    except Unsure:
        event("left to pydicom")
    assert not [str(each) for each in differences(ours, sample.data) if rule_of(each) is None]


def everything(elements: list[DataElement]) -> Iterator[DataElement]:
    for element in elements:
        yield element
        if element.vr == "SQ":
            for item in element.values:
                yield from everything(item)
