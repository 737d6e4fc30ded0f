"""Headers of phantom images: complete enough for viewers, converters and archives to treat them as real."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from hilum.dicom.phantom.faults import Slice
    from hilum.dicom.phantom.grid import Grid

IMPLEMENTATION_UID = "2.25.211186403873016409617906553471290483917"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"
NATIVE = {"1.2.840.10008.1.2", EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, "1.2.840.10008.1.2.1.99"}


def uid(*parts: object) -> str:
    """A UID under 2.25 (PS3.5 B.2) derived from ``parts``: the same on every machine."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def decimals(values: Iterable[float]) -> list[str]:
    """Numbers as DS, each within its 16 characters."""
    from pydicom.valuerep import format_number_as_ds

    return [format_number_as_ds(round(float(value), 9) + 0.0) for value in values]


def common(modality: str, sop_class: str, seed: int, description: str, number: int) -> Dataset:
    """Patient, study, series and equipment of a fictional patient; everything but image and pixels."""
    from pydicom.dataset import Dataset

    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 100"
    header.SOPClassUID = sop_class
    header.StudyDate = header.SeriesDate = header.AcquisitionDate = header.ContentDate = "20240115"
    header.StudyTime, header.SeriesTime, header.AcquisitionTime = "101500", "101800", "101830"
    header.ContentTime = "101900"
    header.AccessionNumber = f"PH{seed:06d}"
    header.Modality = modality
    header.Manufacturer = "Hilum"
    header.ManufacturerModelName = "Phantom"
    header.InstitutionName = "Nowhere Hospital"
    header.ReferringPhysicianName = "Nobody^Nora"
    header.StudyDescription = f"{modality} phantom"
    header.SeriesDescription = description
    header.PatientName = "Phantom^Paul"
    header.PatientID = f"PHANTOM-{seed}"
    header.PatientBirthDate = "19700101"
    header.PatientSex = "O"
    header.PatientAge = "054Y"
    header.SoftwareVersions = "1"
    header.StudyInstanceUID = uid("study", seed)
    header.SeriesInstanceUID = uid("series", seed, modality, description, number)
    header.StudyID = str(seed)
    header.SeriesNumber = str(number)
    return header


def describe_pixels(header: Dataset, *, bits: int, signed: bool) -> None:
    """The image pixel module for greyscale in 16 allocated bits; rows and columns come with the pixels."""
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.BitsAllocated = 16
    header.BitsStored = bits
    header.HighBit = bits - 1
    header.PixelRepresentation = int(signed)


def place(header: Dataset, grid: Grid, index: int) -> None:
    """Image plane and frame of reference of slice ``index``."""
    position = grid.position(index)
    normal = np.cross(grid.row_direction, grid.column_direction)
    header.FrameOfReferenceUID = uid("frame", header.StudyInstanceUID)
    header.PositionReferenceIndicator = ""
    header.ImagePositionPatient = decimals(position)
    header.ImageOrientationPatient = decimals([*grid.row_direction, *grid.column_direction])
    header.PixelSpacing = decimals(grid.pixel_spacing)
    header.SliceThickness = decimals([grid.slice_spacing])[0]
    header.SliceLocation = decimals([float(position @ normal)])[0]
    header.PatientPosition = "HFS"


def write(path: Path, image: Slice, transfer_syntax: str) -> None:
    """Write one image as a DICOM file, compressed if the transfer syntax is."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    dataset = image.header
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "HILUM"
    native = transfer_syntax in NATIVE
    meta.TransferSyntaxUID = UID(transfer_syntax if native else EXPLICIT_LITTLE_ENDIAN)
    dataset.file_meta = meta
    pixels = image.pixels
    first = 1 if "NumberOfFrames" in dataset else 0
    dataset.Rows, dataset.Columns = pixels.shape[first : first + 2]
    if transfer_syntax == EXPLICIT_BIG_ENDIAN:
        pixels = pixels.astype(pixels.dtype.newbyteorder(">"))
    data = pixels.tobytes()
    data += b"\0" * (len(data) % 2)
    if image.truncated:
        data = data[: len(data) // 4 * 2]
    dataset.add_new("PixelData", "OW" if pixels.dtype.itemsize > 1 else "OB", data)
    if not native:
        dataset.compress(transfer_syntax, generate_instance_uid=False)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    if image.cut:
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) - len(dataset.PixelData) // 2])
