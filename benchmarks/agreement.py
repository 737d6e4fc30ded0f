"""Before anything is timed: what Hilum gives is what pydicom gives. A fast wrong answer is worth nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pydicom

import hilum
from benchmarks.scanning import json_scanner

COMPARED = (
    *("Modality", "Manufacturer", "PatientID", "BodyPartExamined", "SliceThickness", "InstanceNumber", "KVP"),
    *("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "Rows", "Columns", "SeriesDescription"),
)


def check_json(paths: Iterable[Path]) -> int:
    """Hold the scanner's DICOM JSON against pydicom's, element by element; how many elements.

    One difference is right: an empty value among several is null (PS3.18 F.2.5), where pydicom has empty text.

    Raises:
        SystemExit: they differ.
    """
    count, scan_json = 0, json_scanner()
    for path in paths:
        ours = dict(_flat(json.loads(scan_json(path))))
        theirs = dict(_flat(pydicom.dcmread(path, stop_before_pixels=True).to_json_dict()))
        for place in ours.keys() | theirs.keys():
            if ours.get(place) != theirs.get(place):
                raise SystemExit(f"{path.name} {place}: {ours.get(place)}, to pydicom {theirs.get(place)}")
        count += len(ours)
    return count


def _flat(item: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The elements of an item and of all items in it, each with its place; a sequence's value is how many it has."""
    for tag, element in item.items():
        values = element.get("Value", [])
        if element["vr"] == "SQ":
            yield above + tag, len(values)
            for number, nested in enumerate(values):
                yield from _flat(nested, f"{above}{tag}[{number}].")
        else:
            plain = [None if value == "" else value for value in values]
            yield above + tag, (element["vr"], plain, element.get("InlineBinary"))


def check_warehouse(home: Path, paths: list[Path], digest: bool) -> None:
    """Hold a home's table of headers against what pydicom and hashlib say of the same files.

    Raises:
        SystemExit: they differ.
    """
    with hilum.open(home) as opened:
        names = ", ".join(("SOPInstanceUID", "FileSHA256", "TransferSyntaxUID", *COMPARED))
        rows = opened.query(f"SELECT {names} FROM dicom_metadata").to_pylist()
    found = {row["SOPInstanceUID"]: row for row in rows}
    if len(rows) != len(paths) or len(found) != len(paths):
        raise SystemExit(f"{len(rows)} rows of {len(found)} instances for {len(paths)} files")
    for path in paths[::20]:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        row = found[header.SOPInstanceUID]
        for keyword in COMPARED:
            wanted = header.get(keyword)
            if str("" if wanted is None else wanted) != str("" if row[keyword] is None else row[keyword]):
                raise SystemExit(f"{path.name}: {keyword} is {row[keyword]!r}, to pydicom {wanted!r}")
        if row["TransferSyntaxUID"] != header.file_meta.TransferSyntaxUID:
            raise SystemExit(f"{path.name}: {row['TransferSyntaxUID']} is not its transfer syntax")
        if digest and row["FileSHA256"] != hashlib.sha256(path.read_bytes()).hexdigest():
            raise SystemExit(f"{path.name}: its digest is wrong")
