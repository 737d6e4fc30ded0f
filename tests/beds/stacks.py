"""Small series whose geometry and pixel encoding a test states slice by slice, as phantoms do not let it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def write_stack(
    folder: Path,
    slices: int = 5,
    *,
    size: tuple[int, int] = (12, 10),
    orientation: Sequence[float] = AXIAL,
    distances: Sequence[float] | None = None,
    shear: float = 0.0,
    **attributes: Any,
) -> list[Path]:
    """Write CT slices with random pixels; their paths, in order of Instance Number.

    Args:
        size: rows, columns. distances: mm of each slice along the normal, by default 2.5 mm apart.
        shear: mm down a column from slice to slice.
        attributes: values by keyword, or functions of the slice's number; None leaves the attribute out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    series, study = (
        generate_uid(entropy_srcs=[str(folder)]),
        generate_uid(entropy_srcs=[str(folder), "study"]),
    )
    along = distances if distances is not None else [2.5 * number for number in range(slices)]
    paths = []
    for number in range(slices):
        image = _header(series, study, number, size)
        position = (
            np.array([-10.0, -20, 30]) + np.cross(row, column) * along[number] + column * shear * number
        )
        image.ImageOrientationPatient = [f"{value:.9g}" for value in orientation]
        image.ImagePositionPatient = [f"{value:.9g}" for value in position]
        for keyword, value in attributes.items():
            _set(image, keyword, value(number) if isinstance(value, Callable) else value)
        high = 1 << min(image.BitsStored, 11)
        low = -high if image.PixelRepresentation else 0
        dtype = np.dtype(f"{'i' if image.PixelRepresentation else 'u'}{image.BitsAllocated // 8}")
        values = random.integers(low, high, (image.Rows, image.Columns, image.SamplesPerPixel)).astype(dtype)
        image.PixelData = values.tobytes()
        image["PixelData"].VR = "OB" if image.BitsAllocated == 8 else "OW"
        paths.append(folder / f"{number:04}.dcm")
        image.save_as(paths[-1], enforce_file_format=True)
    return paths


def _set(image: Dataset, keyword: str, value: Any) -> None:
    if value is None:
        delattr(image, keyword)
    else:
        setattr(image, keyword, value)


def _header(series: str, study: str, number: int, size: tuple[int, int]) -> Dataset:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID = CTImageStorage
    image.SOPInstanceUID = f"{series}.{number + 1}"[:64]
    image.Modality, image.Manufacturer = "CT", "GE MEDICAL SYSTEMS"
    image.StudyInstanceUID, image.SeriesInstanceUID = study, series
    image.FrameOfReferenceUID = study
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.SeriesNumber, image.InstanceNumber, image.AcquisitionNumber = 3, number + 1, 1
    image.StudyDate = image.AcquisitionDate = "20200101"
    image.StudyTime = image.AcquisitionTime = "101010"
    image.Rows, image.Columns = size
    image.PixelSpacing, image.SliceThickness = [0.8, 0.7], 2.5
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 1
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.RescaleSlope, image.RescaleIntercept = 1, -1024
    return image
