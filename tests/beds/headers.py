"""Headers made for tests, written by pydicom as any sender would write them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydicom
import pydicom.data
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from hilum.dicom.elements import DataElement, decode
from hilum.dicom.rows import line_of

PYDICOM = Path(pydicom.data.__file__).parent
CT = PYDICOM / "test_files" / "CT_small.dcm"


def wheel_files() -> list[Path]:
    """Every file in pydicom's wheel that is there to be read, DICOM or not."""
    folders = [PYDICOM / name for name in ("test_files", "charset_files", "palettes")]
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def instance(**attributes: Any) -> Dataset:
    """A small instance, complete in its UIDs; ``attributes`` by keyword, None takes one away."""
    dataset = Dataset()
    identity = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "SOPInstanceUID": "1.2.3.1",
        "Modality": "CT",
        "StudyInstanceUID": "1.2.3.3",
        "SeriesInstanceUID": "1.2.3.2",
    }
    for keyword, value in (identity | attributes).items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


def written(dataset: Dataset, syntax: str = ExplicitVRLittleEndian, preamble: bool = True) -> bytes:
    """The instance as the bytes of a file; without ``preamble`` the data set alone."""
    stream = io.BytesIO()
    if preamble:
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(stream, enforce_file_format=True)
    else:
        vars(dataset).pop("file_meta", None)
        implicit, little = pydicom.uid.UID(syntax).is_implicit_VR, pydicom.uid.UID(syntax).is_little_endian
        dataset.save_as(stream, implicit_vr=implicit, little_endian=little)
    return stream.getvalue()


def lines(*rows: Mapping[str, Any]) -> bytes:
    """Rows of ``dicom_metadata`` as the warehouse takes them."""
    return "".join(f"{line_of(row)}\n" for row in rows).encode()


def read_back(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> list[DataElement]:
    """The instance's decoded elements after a journey through bytes, file meta information aside."""
    return decode(pydicom.dcmread(io.BytesIO(written(dataset, syntax))))
