"""One more instance like those that are there, or the same with another pixel: late arrivals and conflicts."""

from __future__ import annotations

from pathlib import Path

import pydicom

from hilum.dicom.phantom.headers import uid


def write_late(path: Path, neighbour: Path, *, places: int = 1) -> Path:
    """Write the next slice of a phantom series, ``places`` beyond ``neighbour``, with an identity of its own."""
    dataset = pydicom.dcmread(neighbour)
    dataset.SOPInstanceUID = uid("late", dataset.SOPInstanceUID, places)
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    x, y, z = map(float, dataset.ImagePositionPatient)
    dataset.ImagePositionPatient = [x, y, z + places * float(dataset.SliceThickness)]
    dataset.InstanceNumber = int(dataset.InstanceNumber) + places
    dataset.save_as(path)
    return path


def write_conflict(path: Path, original: Path) -> Path:
    """Write the same instance with one other pixel."""
    content = original.read_bytes()
    path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    return path
