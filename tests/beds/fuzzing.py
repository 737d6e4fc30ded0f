"""What has to hold of any bytes whatsoever when their header is read: checked on what a fuzzer makes up, and on what
it once found.
"""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from beds.agreement import read_with_elements
from beds.encoding import BIG_ENDIAN
from hilum.dicom.columns import columns_of
from hilum.dicom.header import Header, _parsed, read_header
from hilum.dicom.quiet import quiet_pydicom
from hilum.dicom.scan import Scanner, Unsure
from hilum.dicom.scan.elements import ElementForm
from hilum.dicom.scan.feed import WINDOW, Feed
from hilum.dicom.scan.json import JsonForm
from hilum.dicom.scan.row import RowForm
from hilum.dicom.scan.tables import Form
from hilum.errors import HilumError

REASONS = {
    *("not-dicom", "dicomdir", "empty", "truncated", "corrupt-header", "missing-uid", "invalid-uid"),
    *("nested-too-deep", "too-many-elements", "header-too-large", "value-too-long", "deflate-bomb"),
    *("too-many-fragments",),
}


NARROW = 300
"""Bytes of a window that ends in the midst of things."""
KEPT: dict[type[Form], Scanner] = {form: Scanner(form()) for form in (RowForm, ElementForm, JsonForm)}
"""Scanners that have seen everything so far."""


def check(data: bytes) -> None:
    """Read it in every way; AssertionError where something does not hold.

    One reason or one header; columns for every row; the scanner's answer is pydicom's, and the same whatever it has
    seen before.
    """
    header = outcome(data)
    if isinstance(header, Header):
        assert columns_of([json.loads(header.row)])
        json.dumps(header.facts)
    else:
        assert header in REASONS, header
    _agrees(data, header)
    _is_what_a_new_scanner_says(data)


def outcome(data: bytes) -> Header | str:
    """The header, or the reason why there is none."""
    try:
        return read_header(Path("unused"), io.BytesIO(data))
    except HilumError as error:
        return error.reason


def _agrees(data: bytes, header: Header | str) -> None:
    """What the scanner says for certain pydicom says too."""
    found = _scan(KEPT[ElementForm], data)
    if isinstance(found, str) or (isinstance(header, Header) and _decided_by_the_standard(header, data)):
        return
    try:
        other: Any = read_with_elements(data)
    except HilumError as error:
        other = error.reason  # its pixel data, which the walk does not look at, are damaged
    assert repr(other) == repr(header if isinstance(other, str) else found)
    if isinstance(header, Header):
        with quiet_pydicom():
            parsed = _parsed(io.BytesIO(data))
        assert replace(header, row="") == replace(parsed, row="")
        ours, theirs = json.loads(header.row), json.loads(parsed.row)
        for name in {**ours, **theirs}:
            assert ours.get(name, "absent") == theirs.get(name, "absent"), name


def _decided_by_the_standard(header: Header, data: bytes) -> bool:
    """An unknown sequence is implicit little endian everywhere (PS3.5 6.2.2); pydicom thinks otherwise."""
    return header.transfer_syntax_uid == BIG_ENDIAN.uid and b"UN\0\0\xff\xff\xff\xff" in data


def _is_what_a_new_scanner_says(data: bytes) -> None:
    for form in (RowForm, JsonForm):
        kept, new = _scan(KEPT[form], data), _scan(Scanner(form()), data, NARROW)
        assert kept == new, (kept, new)
        if form is JsonForm and not isinstance(kept, str):
            json.loads(f"{{{''.join(kept)[:-1]}}}")


def _scan(scanner: Scanner, data: bytes, window: int = WINDOW) -> Any:
    """What it becomes, read as files are, or why it cannot be told."""
    try:
        scanned = scanner.scan(Feed(io.BytesIO(data), len(data), window))
    except (Unsure, HilumError) as error:
        return getattr(error, "reason", "unsure")
    if isinstance(scanner.form, RowForm):
        return scanner.form.finish(scanned.parts, scanned.others)
    return scanned.parts
