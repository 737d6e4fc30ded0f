"""Two readings of one object side by side, element by element: ours and pydicom's own.

The reference is plain :func:`pydicom.dcmread` and the values of its elements, none of our code, so that a fault in
our way through pydicom cannot hide behind itself. What the two may read differently is in :mod:`beds.agreed`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from hilum.dicom.elements import DataElement, decode
from hilum.dicom.quiet import quiet_pydicom
from hilum.dicom.reader import corrupt, parse
from hilum.dicom.scan import Scanner
from hilum.dicom.scan.elements import ElementForm
from hilum.dicom.scan.feed import Feed, whole
from hilum.dicom.scan.row import RowForm
from hilum.dicom.values import BINARY
from hilum.errors import HilumError

UNREADABLE = "unreadable"
"""The VR of an element whose value pydicom refuses to give."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An element as one side has it: its VR, and its values in a form that can be compared."""

    vr: str
    values: tuple[Any, ...]
    undecoded: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """An element that the two sides do not have alike; None where a side lacks it.

    Attributes:
        path: tags and item numbers from the top level down. raw: its bytes, if pydicom had not converted them.
        terms: Specific Character Set as it holds there.
    """

    path: str
    tag: int
    ours: Reading | None
    theirs: Reading | None
    raw: bytes | None
    terms: str

    def __str__(self) -> str:
        return f"{self.path} {self.terms!r}: ours {self.ours}, pydicom's {self.theirs}, bytes {self.raw!r}"


def read_with_elements(data: bytes) -> list[DataElement]:
    """The elements as our way through pydicom has them, which is the scanner's fallback.

    Raises:
        HilumError: as of :func:`hilum.dicom.header.read_header`.
    """
    with quiet_pydicom():
        try:
            parsed = parse(io.BytesIO(data))
            return decode(parsed.meta) + decode(parsed.dataset, allowance=parsed.allowance)
        except HilumError:
            raise
        except Exception:  # of many kinds
            raise corrupt() from None


def scan_through_window(data: bytes, window: int) -> list[DataElement]:
    """The scanner's elements where it has the object in memory only by so many bytes at first.

    Raises:
        Unsure, UnreadableError: as of :func:`hilum.dicom.scan.scan_elements`.
    """
    return Scanner(ElementForm()).scan(Feed(io.BytesIO(data), len(data), window)).parts


def scan_row(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The scanner's row and facts; raises as :func:`scan_through_window`."""
    form = RowForm()
    scanned = Scanner(form).scan(whole(data))
    text, facts = form.finish(scanned.parts, scanned.others)
    return json.loads(text), facts


def differences(ours: Sequence[DataElement], data: bytes) -> list[Difference]:
    """Where these elements of an object are not those that pydicom itself reads from it."""
    with quiet_pydicom():
        reference = pydicom.dcmread(io.BytesIO(data), force=True, stop_before_pixels=True)
        meta = [element for element in ours if element.tag >> 16 == 2]
        rest = [element for element in ours if element.tag >> 16 != 2]
        return [*_compare(meta, reference.file_meta, "", ""), *_compare(rest, reference, "", "")]


def _compare(ours: Sequence[DataElement], reference: Dataset, path: str, terms: str) -> Iterator[Difference]:
    mine = {element.tag: element for element in ours}
    assert len(mine) == len(ours), "an element came twice"
    tags = reference.keys()  # iterating the data set itself would convert its elements
    raws = {int(tag): reference.get_item(tag, keep_deferred=True) for tag in tags}
    if 0x00080005 in raws:
        theirs = _reference(reference, 0x00080005)
        terms = (
            "\\".join(map(str, _values(theirs))) if isinstance(theirs, pydicom.DataElement) else UNREADABLE
        )
    for tag in sorted({*mine, *raws}):
        where, raw = f"{path}{tag:08X}", raws.get(tag)
        element, theirs = mine.get(tag), None if raw is None else _reference(reference, tag)
        ours_items = element.values if element is not None and element.vr == "SQ" else None
        their_items = theirs.value if isinstance(theirs, pydicom.DataElement) and theirs.VR == "SQ" else None
        if ours_items is not None and their_items is not None and len(ours_items) == len(their_items):
            for number, (item, other) in enumerate(zip(ours_items, their_items, strict=True)):
                yield from _compare(item, other, f"{where}[{number}].", terms)
            continue
        first, second = _our_reading(element), _their_reading(theirs)
        if first != second:
            stored = raw.value if isinstance(raw, tuple) else None
            yield Difference(where, tag, first, second, stored, terms)


def _reference(reference: Dataset, tag: int) -> pydicom.DataElement | Reading:
    try:
        return reference[tag]
    except Exception:  # of many kinds: pydicom cannot give its value
        return Reading(UNREADABLE, ())


def _our_reading(element: DataElement | None) -> Reading | None:
    if element is None:
        return None
    values = ("items", len(element.values)) if element.vr == "SQ" else map(_comparable, element.values)
    return Reading(element.vr, tuple(values), element.undecoded)


def _their_reading(element: pydicom.DataElement | Reading | None) -> Reading | None:
    if element is None or isinstance(element, Reading):
        return element
    return Reading(str(element.VR), tuple(_values(element)))


def _values(element: pydicom.DataElement) -> Iterable[Any]:
    value = element.value
    if element.VR in BINARY or value is None or value in ("", b""):
        return ()
    if element.VR == "SQ":
        return ("items", len(value))
    return map(_comparable, value if isinstance(value, (list, MultiValue)) else [value])


def _comparable(value: Any) -> Any:
    """NaN equals NaN, a number is as it was sent, a tag is a number, anything else is text or bytes."""
    original = getattr(value, "original_string", None)
    if isinstance(original, str):
        return original
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, int):
        return int(value)
    return value if isinstance(value, bytes) else str(value)
