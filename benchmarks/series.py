"""Series of CT and MR instances from real headers, made quickly enough for a million of them.

Headers are those of scanners that pydicom's wheel carries (GE, Siemens, Philips), brought to what the field has: a CT
header has 146 elements, 7 sequences and 38 private elements in 8.6 kB. pydicom writes a template for each series;
into it go the values by which its slices differ (UIDs, positions, times, doses), at fixed places.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

FILES = Path(pydicom.data.__file__).parent / "test_files"
PATIENTS = ("Weiß^Änne", "Doe^Jane^Q^Dr", "García^José", "Smith^John", "Østergård^Åse", "Nguyen^Lan")

ELEMENTS = 146
PRIVATE = (
    (0x00090000, 0x0009FFFF),
    (0x00190010, 0x00190010),
    (0x00191004, 0x0019102B),
    (0x00430010, 0x00430010),
    (0x00431027, 0x0043102A),
)
"""Those of GE's private elements that are kept, which with a sequence are 38."""
SEQUENCES: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("693_J2KI.dcm", (0x00082112, 0x00089215)),
    ("examples_overlay.dcm", (0x00081140, 0x00400275)),
    ("liver_1frame.dcm", (0x00081115,)),
    ("dicomdirtests/98892001/CT2N/6293", (0x00490010, 0x00491001)),
)
"""Whose sequences a CT's header takes; with OtherPatientIDsSequence they are seven, one of them private."""
ITEMS = (("SourceImageSequence", 6), ("ReferencedImageSequence", 14), ("DerivationCodeSequence", 4))
"""Repeated so often, so that a header has the field's 8.7 kB."""
DONORS = ("dicomdirtests/77654033/CT2/17106", "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm", "MR_small.dcm")

MARKS = {
    "uid": b"2.25.11111111111111111111111111111111111111",
    **{f"source-{item}": b"2.25." + b"2" * 37 + b"%d" % item for item in range(6)},
    "number": b"+087",
    "position": b"-987.1250",
    "location": b"-986.2500",
    "acquired": b"235959.111111",
    "content": b"235959.222222",
    "current": b"+041",
    "exposure": b"+042",
    "middle": b"98.222222",  # (0019,1024), middle of the scan, s
    "azimuth": b"\xe7\x9b\x15\x43",  # (0019,1026), angle of the tube
    "off": b"8765.333333",  # (0019,102B), where the X-ray went off
    "written": b"\x9d\x2f\xf1\x46",  # (0009,1027), when it was written
}
"""What stands in a template for a value that differs from slice to slice; the value is as long."""


class Series:
    """A series, whose instances are made one by one from its template."""

    def __init__(self, index: int, kind: str, syntax: UID, side: int) -> None:
        self._index = index
        self._template = _template(index, kind, syntax, side)
        places = sorted((at, name) for name in MARKS for at in _places(self._template, name))
        self._pieces: list[tuple[bytes, str]] = []
        start = 0
        for at, name in places:
            self._pieces.append((self._template[start:at], name))
            start = at + len(MARKS[name])
        self._rest = self._template[start:]

    def instance(self, number: int) -> bytes:
        """The file of the slice ``number`` (from 0)."""
        seconds = 30_000 + self._index % 30_000 + number
        clock = f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}"
        values = {
            "uid": _uid("instance", self._index, number).encode(),
            **{f"source-{item}": _uid("source", self._index, number, item).encode() for item in range(6)},
            "number": f"{number + 1:<4}".encode(),
            "position": f"{-899 + number * 1.25:.4f}".encode(),
            "location": f"{-898.5 + number * 1.25:.4f}".encode(),
            "acquired": f"{clock}.{number * 977 % 1_000_000:06}".encode(),
            "content": f"{clock}.{number * 1013 % 1_000_000:06}".encode(),
            "current": f"{150 + (number * 37 + self._index) % 350} ".encode(),
            "middle": f"{10 + number * 0.25:.6f}".encode(),
            "azimuth": (number * 977 % 3600).to_bytes(4, "little"),
            "off": f"{1000 + number * 12.5:.6f}".encode(),
            "written": (862_399_000 + seconds).to_bytes(4, "little"),
            "exposure": f"{100 + (number * 17 + self._index) % 350} ".encode(),
        }
        parts: list[bytes] = []
        for piece, name in self._pieces:
            assert len(values[name]) == len(MARKS[name]), f"{name} of slice {number} does not fit"
            parts += piece, values[name]
        return b"".join([*parts, self._rest])


def _places(template: bytes, name: str) -> Iterator[int]:
    """Where a mark is in a template's header; anywhere else its bytes mean something else."""
    header = template[: template.index(b"\xe0\x7f\x10\x00")]
    if (found := header.count(MARKS[name])) > (2 if name in ("uid", "content") else 1):
        raise AssertionError(f"the mark {name!r} is found {found} times")
    at = header.find(MARKS[name])
    while at >= 0:
        yield at
        at = header.find(MARKS[name], at + 1)


def _uid(*parts: object) -> UID:
    """A UID of fixed length that follows from its parts."""
    digest = int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:20], "big")
    return UID(f"2.25.{10**37 + digest % (9 * 10**37)}")


def _template(index: int, kind: str, syntax: UID, side: int) -> bytes:
    header = _describe(deepcopy(_header(kind)), index, side)
    header.file_meta = meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = header.SOPClassUID, header.SOPInstanceUID
    meta.ImplementationClassUID = UID("2.25.1")
    noise = np.random.default_rng(index).normal(1000, 40, (side, side))
    header.PixelData = noise.astype("<i2").tobytes()
    header["PixelData"].VR = "OW"
    if syntax in (RLELossless, JPEGLSLossless):
        header.compress(syntax, generate_instance_uid=False)
    meta.TransferSyntaxUID = syntax
    written = io.BytesIO()
    header.save_as(written, enforce_file_format=True)
    return written.getvalue()


def _describe(header: FileDataset, index: int, side: int) -> FileDataset:
    """Give a header a patient, a study and a series of its own, and marks where slices differ."""
    patient = index // 2
    name = PATIENTS[patient % len(PATIENTS)]
    day = f"20{10 + patient % 15}{1 + patient % 12:02}{1 + patient % 28:02}"
    header.SpecificCharacterSet = "ISO_IR 192" if patient % len(PATIENTS) == 4 else "ISO_IR 100"
    header.PatientName, header.PatientID = name, f"P{patient:07}"
    header.PatientBirthDate, header.PatientAge = f"19{30 + patient % 60}0417", f"0{30 + patient % 60}Y"
    header.PatientSex = "FM"[patient % 2]
    header.PatientWeight, header.AccessionNumber = f"{50 + patient % 60}.5", f"A{patient:08}"
    for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "InstanceCreationDate"):
        setattr(header, keyword, day)
    header.StudyTime, header.SeriesTime = "081500.000000", f"0820{index % 60:02}.500000"
    header.AcquisitionTime = MARKS["acquired"].decode()
    header.ContentTime = header.InstanceCreationTime = MARKS["content"].decode()
    header.StudyInstanceUID, header.SeriesInstanceUID = _uid("study", patient), _uid("series", index)
    header.FrameOfReferenceUID, header.SOPInstanceUID = _uid("frame", index), MARKS["uid"].decode()
    header.StudyID, header.SeriesNumber, header.InstanceNumber = f"{patient}", f"{index % 9 + 1}", "+087"
    header.ImagePositionPatient = ["-158.135803", "-179.035797", "-987.1250"]
    header.SliceLocation = "-986.2500"
    header.SliceThickness = ("0.625", "1.25", "2.5", "5")[index % 4]
    header.BodyPartExamined = ("CHEST", "ABDOMEN", "HEAD", "PELVIS")[index // 4 % 4]
    if "XRayTubeCurrent" in header:
        header.XRayTubeCurrent, header.Exposure = "+041", "+042"
    for number, item in enumerate(header.get("SourceImageSequence", [])):
        item.ReferencedSOPInstanceUID = MARKS[f"source-{number}"].decode()
    for number, item in enumerate(header.get("ReferencedImageSequence", [])):
        item.ReferencedSOPInstanceUID = _uid("scout", index, number)
    header.Rows = header.Columns = side
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 1
    return header


def real_header(name: str) -> FileDataset:
    """A header of pydicom's wheel."""
    return pydicom.dcmread(FILES / name, stop_before_pixels=True)


@cache
def _header(kind: str) -> FileDataset:
    if kind == "ct":
        return _ct()
    header = real_header(
        "examples_overlay.dcm" if kind == "mr-siemens" else "dicomdirtests/98892003/MR1/15820"
    )
    for tag in [each.tag for each in header if each.tag.group >= 0x6000]:
        del header[tag]
    for element in header:
        element.is_undefined_length = element.VR == "SQ"
    return header


def _ct() -> FileDataset:
    """A GE CT's header with some of its private groups, completed with elements of other real headers."""
    header = real_header("CT_small.dcm")
    for tag in [each.tag for each in header if each.tag.is_private]:
        if not any(low <= tag <= high for low, high in PRIVATE):
            del header[tag]
    for name, tags in SEQUENCES:
        source = real_header(name)
        for tag in map(Tag, tags):
            header.add(deepcopy(source[tag]))
    header[0x00191024].value, header[0x00191026].value = "98.222222", 0x43159BE7
    header[0x0019102B].value, header[0x00091027].value = "8765.333333", 0x46F12F9D
    for keyword, times in ITEMS:
        header[keyword].value = [deepcopy(item) for item in header[keyword].value for _ in range(times)]
    for element in (element for name in DONORS for element in real_header(name)):
        standard = not element.tag.is_private and element.tag.element and element.VR != "SQ"
        if standard and element.tag not in header and len(header) < ELEMENTS:
            header.add(deepcopy(element))
    return header
