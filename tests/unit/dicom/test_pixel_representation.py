"""What is signed by Pixel Representation (PS3.5 A.1) is so also where that comes later in the dataset."""

from __future__ import annotations

import struct
from pathlib import Path

import pydicom
import pytest

from hilum.dicom.header import read_header
from hilum.dicom.phantom import chest_ct


@pytest.mark.parametrize(("representation", "expected"), [(0, 0xFFFB), (1, -5)])
def test_an_ambiguous_element_before_pixel_representation_has_its_sign(
    tmp_path: Path, representation: int, expected: int
) -> None:
    chest_ct(tmp_path, slices=1, rows=8, columns=8)
    [path] = [each for each in tmp_path.rglob("*") if each.is_file()]
    dataset = pydicom.dcmread(path)
    dataset.PixelRepresentation = representation
    dataset.add_new(0x00189810, "US", 0xFFFB)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    dataset.save_as(path, implicit_vr=True, little_endian=True)
    assert struct.pack("<HHL", 0x0018, 0x9810, 2) in path.read_bytes()
    assert f'"ZeroVelocityPixelValue":{expected}' in str(read_header(path)).replace(" ", "")
