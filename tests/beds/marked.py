"""A series in which every attribute that can hold text holds a marker, and those that hold a date, a time, an age or
a number about the patient an odd value: whatever gets out can be found by them.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import pydicom
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from hilum.dicom.phantom import chest_ct

MARKER = "MRKRZQX"
TEXT = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
ODD = {
    "DA": "19031117",
    "TM": "133742.918273",
    "DT": "18730429151647.382911",
    "AS": "937Y",
    "DS": "73519.6247",
    "IS": "918273645",
}
"""What stands in attributes that hold no text, by VR: dates, times, ages, weights."""
ABOUT_THE_PATIENT = {
    *(
        "PatientSize",
        "PatientBodyMassIndex",
        "PatientWeight",
        "MeasuredAPDimension",
        "MeasuredLateralDimension",
    ),
    *("HeartRate", "LowRRValue", "HighRRValue"),
}
"""Numbers that get an odd value; most others say how pixels are read. Of dates, times and ages all get one."""
MARKS = (
    MARKER.lower(),
    *(value.lower() for value in ODD.values()),
    *("1903-11-17", "13:37:42.918273", "1873-04-29", "15:16:47.382911"),
)
"""What to look for, in lower case: the values as headers have them, dates and times also as the warehouse does."""
NEEDED = {
    *("SpecificCharacterSet", "Modality", "PhotometricInterpretation", "ImageType", "PatientPosition"),
    *("BodyPartExamined", "RescaleType", "PresentationLUTShape", "VOILUTFunction", "PixelPresentation"),
}
"""Text that decides how pixels are read; a polite series keeps it."""


def write_marked(folder: Path, *, seed: int, slices: int = 4, polite: bool = True) -> tuple[Path, ...]:
    """Write a CT series; a polite one can be processed, another holds the marker even where a code is expected."""
    paths = chest_ct(folder, slices=slices, rows=24, columns=24, seed=seed).paths
    marked = []
    for number, path in enumerate(paths):
        dataset = pydicom.dcmread(path)
        keep = NEEDED if polite else {"SpecificCharacterSet", "PhotometricInterpretation"}
        fill(dataset, keep)
        dataset.file_meta.SourceApplicationEntityTitle = MARKER
        dataset.file_meta.ImplementationVersionName = MARKER
        target = folder / f"{MARKER}^{number:03d} {MARKER.lower()}.dcm"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset.save_as(target)
        path.unlink()
        marked.append(target)
    return tuple(marked)


def fill(dataset: Dataset, keep: set[str]) -> None:
    """Put the marks into every attribute that can hold one, into a nested sequence and into private ones."""
    _mark(dataset, keep)
    inner, outer = Dataset(), Dataset()
    _mark(inner, set())
    outer.CodeMeaning = MARKER
    outer.ConceptNameCodeSequence = Sequence([inner])
    dataset.RequestAttributesSequence = Sequence([outer])
    block = dataset.private_block(0x0099, MARKER, create=True)
    block.add_new(0x01, "LO", MARKER)
    block.add_new(0x02, "UT", MARKER * 3)
    block.add_new(0x03, "UN", MARKER.encode() + b"\0")
    block.add_new(0x04, "SQ", Sequence([inner]))


def _mark(dataset: Dataset, keep: set[str]) -> None:
    for number, (vr, _vm, _name, _retired, keyword) in DicomDictionary.items():
        tag = Tag(number)
        if not keyword or keyword in keep or tag.group <= 0x0007 or tag.group % 2:
            continue
        if vr in TEXT:
            dataset.add_new(tag, vr, f"{MARKER}^{MARKER}={MARKER}={MARKER}" if vr == "PN" else MARKER)
        elif vr in ODD and (vr not in ("DS", "IS") or keyword in ABOUT_THE_PATIENT):
            dataset.add_new(tag, vr, ODD[vr])


def marks_in(text: str) -> list[str]:
    """The marks that a text holds."""
    lowered = text.lower()
    return [mark for mark in MARKS if mark in lowered]
