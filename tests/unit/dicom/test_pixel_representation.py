"""What is signed by Pixel Representation (PS3.5 A.1) is so also where that comes later in the dataset."""

from __future__ import annotations

import struct
from pathlib import Path

import pydicom
import pytest

from hilum.dicom.header import read_header
from hilum.dicom.phantom import chest_ct


@pytest.mark.parametrize(
    "within", [None, 0x00081115, 0x00400275], ids=["by itself", "item before", "item behind"]
)
@pytest.mark.parametrize(("representation", "expected"), [(0, 0xFFFB), (1, -5)])
def test_an_ambiguous_element_has_its_sign_wherever_pixel_representation_is(
    tmp_path: Path, representation: int, expected: int, within: int | None
) -> None:
    chest_ct(tmp_path, slices=1, rows=8, columns=8)
    [path] = [each for each in tmp_path.rglob("*") if each.is_file()]
    dataset = pydicom.dcmread(path)
    dataset.PixelRepresentation = representation
    tag = 0x00189810 if within is None else 0x00280106
    holder = dataset if within is None else pydicom.Dataset()
    holder.add_new(tag, "US", 0xFFFB)
    if within is not None:
        dataset.add_new(within, "SQ", [holder])
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    dataset.save_as(path, implicit_vr=True, little_endian=True)
    assert struct.pack("<HHL", tag >> 16, tag & 0xFFFF, 2) in path.read_bytes()
    name = "ZeroVelocityPixelValue" if within is None else "SmallestImagePixelValue"
    assert f'"{name}":{expected}' in str(read_header(path)).replace(" ", "")
