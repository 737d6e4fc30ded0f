"""A series in which every attribute that can hold text holds a marker: whatever gets out can be found by it."""

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
    """Put the marker into every attribute of a text VR, into a nested sequence and into private ones."""
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
        if vr in TEXT and keyword and keyword not in keep and tag.group > 0x0007 and tag.group % 2 == 0:
            dataset.add_new(tag, vr, f"{MARKER}^{MARKER}={MARKER}={MARKER}" if vr == "PN" else MARKER)
