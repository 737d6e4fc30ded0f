"""Headers against pydicom on every DICOM file in its wheel: no value differs and no element is lost."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import BaseTag

from beds.headers import PYDICOM, wheel_files
from hilum.dicom.elements import decode
from hilum.dicom.header import read_header
from hilum.dicom.json_model import json_text
from hilum.dicom.rows import row_of
from hilum.dicom.standard import keywords
from hilum.errors import HilumError

BINARY = {"OB", "OW", "OF", "OD", "OL", "OV", "UN"}
UNPARSABLE = {"badVR.dcm", "no_meta.dcm"}
"""pydicom itself cannot give the values of these."""

TRUNCATED = {"MR_truncated.dcm", "rtplan_truncated.dcm"}
WITHOUT_UIDS = {
    *("chrSQEncoding.dcm", "chrSQEncoding1.dcm", "empty_charset_LEI.dcm", "meta_missing_tsyntax.dcm"),
    *("JPEGLSNearLossless_08.dcm", "JPEGLSNearLossless_16.dcm", "no_meta_group_length.dcm"),
    *("SC_rgb_jls_lossy_line.dcm", "SC_rgb_jls_lossy_sample.dcm", "UN_sequence.dcm"),
    *("nested_priv_SQ.dcm", "priv_SQ.dcm"),
}

pytestmark = pytest.mark.filterwarnings("ignore")


def dicom_files() -> list[Path]:
    found = []
    for path in wheel_files():
        try:
            pydicom.dcmread(path, stop_before_pixels=True, force=path.name.find("Meta") > 0)
        except InvalidDicomError:
            continue
        if path.name not in UNPARSABLE | TRUNCATED:
            found.append(path)
    return found


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    FILES = dicom_files()


def outcome(path: Path) -> str:
    try:
        read_header(path)
    except HilumError as error:
        return error.reason
    return "read"


def deserved(path: Path) -> str:
    if path.suffix not in ("", ".dcm") or path.name in ("no_meta.dcm", "README"):
        return "not-dicom"
    if path.name.startswith("DICOMDIR"):
        return "dicomdir"
    if path.name in TRUNCATED:
        return "truncated"
    return "missing-uid" if path.name in WITHOUT_UIDS or path.parent.name == "palettes" else "read"


def test_every_file_of_the_wheel_has_the_outcome_that_it_deserves() -> None:
    assert {path: outcome(path) for path in wheel_files()} == {path: deserved(path) for path in wheel_files()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PYDICOM).as_posix())
def test_every_element_is_in_the_row_with_pydicoms_value(path: Path) -> None:
    reference = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    row = row_of(decode(pydicom.dcmread(path, stop_before_pixels=True, force=True)))
    faults = Counter(fault["Keyword"] for fault in row.pop("conversion_faults", ()))
    compare(reference, row, "", faults)
    assert not +faults


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if deserved(path) != "dicomdir"],
    ids=lambda path: path.relative_to(PYDICOM).as_posix(),
)
def test_the_json_model_is_pydicoms(path: Path) -> None:
    reference = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    found = json.loads(json_text(path.read_bytes()))
    expected = reference.to_json_dict(suppress_invalid_tags=True)
    expected = {
        tag: entry for tag, entry in expected.items() if not tag.endswith("0000")
    }  # group lengths: F.2.2
    # what pydicom leaves out it could not convert
    assert expected.keys() <= found.keys() <= {f"{int(element.tag):08X}" for element in reference}
    for tag, entry in expected.items():
        assert said(found[tag]) == said(entry), tag


def said(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry but for three liberties of pydicom's: "" where PS3.18 F.2.5 has null, an empty list where it has no
    Value, and spaces behind values of CS, which PS3.5 6.2 calls insignificant."""
    values = entry.get("Value")
    if not values:
        return {"vr": entry["vr"], "InlineBinary": entry.get("InlineBinary")}
    if entry["vr"] == "SQ":
        values = [{tag: said(each) for tag, each in item.items()} for item in values]
    else:
        values = [None if each == "" else each.strip() if isinstance(each, str) else each for each in values]
    return {"vr": entry["vr"], "Value": values}


def test_the_dictionary_is_pydicoms() -> None:
    from pydicom import datadict
    from pydicom._version import __dicom_version__

    assert keywords.edition() == __dicom_version__
    for tag, entry in keywords.elements().items():
        assert (entry.vr, entry.vm, entry.keyword, entry.name) == (
            datadict.dictionary_VR(tag),
            datadict.dictionary_VM(tag),
            datadict.dictionary_keyword(tag),
            datadict.dictionary_description(tag),
        )


def compare(reference: Dataset, row: dict[str, Any], path: str, faults: Counter[str]) -> None:
    """Every element against its place in the row; what is left of the row afterwards is nobody's."""
    left = dict(row)
    others = {entry["Tag"]: entry["Data"] for entry in left.pop("OtherElements", ())}
    for element in reference:
        name = f"Tag_{int(element.tag):08X}"
        entry = keywords.by_tag(int(element.tag))
        if entry is not None and (set(entry.vr.split(" or ")) & BINARY):
            continue
        if element.VR in BINARY:
            continue
        if element.VR == "SQ":
            key = name if entry is None else entry.keyword
            items = left.pop(key)
            assert len(items) == len(element.value)
            for item, found in zip(element.value, items, strict=True):
                compare(item, found, f"{path}{key}.", faults)
        elif entry is None:
            assert others.pop(name) == [plain(value) for value in values_of(element)]
        else:
            value = left[entry.keyword]
            if entry.repeating:
                value = next(each["Value"] for each in value if each["Id"] == name[4:8])
                left[entry.keyword] = [each for each in left[entry.keyword] if each["Id"] != name[4:8]]
            else:
                del left[entry.keyword]
            if value in (None, []) and faults[path + entry.keyword]:
                faults[path + entry.keyword] -= 1
            else:
                agree(element, entry.vr, value, entry.single)
    assert not others
    assert not [key for key, value in left.items() if value]


def agree(element: DataElement, vr: str, found: Any, single: bool) -> None:
    expected = [converted(vr, value) for value in values_of(element)]
    if single and vr not in ("PN",) and len(expected) > 1:
        expected = ["\\".join(expected)]
    assert ([] if found in (None, {}) else [found] if single else found) == [e for e in expected if e != {}]


def values_of(element: DataElement) -> Iterator[Any]:
    if element.value is None or element.value == "" or element.value == b"":
        return iter(())
    return iter(element.value if element.VM > 1 else [element.value])


def converted(vr: str, value: Any) -> Any:
    """A value of pydicom's as a row has it, said again in other words than the code under test."""
    if vr == "DA":
        return (datetime.strptime(value.replace(".", ""), "%Y%m%d") - datetime(1970, 1, 1)).days
    if vr == "TM":
        clock, _, fraction = value.strip().replace(":", "").partition(".")
        clock = clock.ljust(6, "0")
        seconds = 3600 * int(clock[:2]) + 60 * int(clock[2:4]) + int(clock[4:])
        return 1_000_000 * seconds + int(fraction.ljust(6, "0"))
    if vr == "DT":
        clock, _, fraction = value.partition(".")
        clock = clock.ljust(14, "0")
        day, time = f"{clock[:4]}-{clock[4:6]}-{clock[6:8]}", f"{clock[8:10]}:{clock[10:12]}:{clock[12:]}"
        return f"{day}T{time}.{fraction.ljust(6, '0')}Z"
    if vr == "PN":
        groups = {
            "Alphabetic": (
                value.family_name,
                value.given_name,
                value.middle_name,
                value.name_prefix,
                value.name_suffix,
            ),
            "Ideographic": tuple(value.ideographic.split("^")),
            "Phonetic": tuple(value.phonetic.split("^")),
        }
        parts = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
        named = {
            group: {part: text.strip() for part, text in zip(parts, texts, strict=False) if text.strip()}
            for group, texts in groups.items()
        }
        return {group: texts for group, texts in named.items() if texts}
    if vr in ("US", "SS", "UL", "SL", "UV", "SV", "AT", "FL", "FD", "US or SS"):
        return value
    return plain(value)


def plain(value: Any) -> str:
    original = getattr(value, "original_string", None)
    text = original if isinstance(original, str) else str(int(value) if isinstance(value, BaseTag) else value)
    return text.strip(" \0")
