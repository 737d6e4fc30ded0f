"""Very many tiny instances, for tests of scale. Writing each with a DICOM library would take longer than what
is to be tested, so one file is built and only the bytes that differ are put in, at fixed places.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hilum.dicom.phantom import headers
from hilum.dicom.phantom.faults import Slice

DIGITS = 38  # of the integer after 2.25.: fixed, so that every UID is as long as its place


def many_instances(
    folder: Path, count: int, *, per_series: int = 100, series_per_study: int = 4, seed: int = 1
) -> Iterator[Path]:
    """Write ``count`` valid CT instances of 8 x 8 pixels, lazily: each is written when its path is asked for.

    Args:
        folder: gets ``ST00001/SE00001/IM00001.dcm`` and so on.
        per_series, series_per_study: sizes; the last ones may be smaller. Each series is a regular stack.
    """
    study, series, instance = (_uid("mark", mark) for mark in ("study", "series", "instance"))
    template = _template(folder, study, series, instance)
    places = {
        mark: _places(template, mark.encode())
        for mark in (study, series, instance, "INSTNO", "SERIESNO", "POSITION-Z")
    }
    path = folder
    for index in range(count):
        series_index, number = divmod(index, per_series)
        study_index = series_index // series_per_study
        if number == 0:
            path = folder / f"ST{study_index + 1:05d}" / f"SE{series_index + 1:05d}"
            path.mkdir(parents=True, exist_ok=True)
            values = {
                study: _uid("study", seed, study_index).encode(),
                series: _uid("series", seed, series_index).encode(),
                "SERIESNO": f"{series_index % series_per_study + 1:8d}".encode(),
            }
        values[instance] = _uid("instance", seed, index).encode()
        values["INSTNO"] = f"{number + 1:6d}".encode()
        values["POSITION-Z"] = f"{number * 2.5:10.2f}".encode()
        data = bytearray(template)
        for mark, value in values.items():
            for place in places[mark]:
                data[place : place + len(value)] = value
        file = path / f"IM{number + 1:05d}.dcm"
        file.write_bytes(data)
        yield file


def _uid(*parts: object) -> str:
    digest = int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:20], "big")
    return f"2.25.{10 ** (DIGITS - 1) + digest % (9 * 10 ** (DIGITS - 1))}"


def _template(folder: Path, study: str, series: str, instance: str) -> bytes:
    header = headers.common("CT", headers.CT_IMAGE, 1, "Many", 1)
    header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPInstanceUID = study, series, instance
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.KVP = "120"
    header.AcquisitionNumber, header.InstanceNumber, header.SeriesNumber = "1", "111111", "11111111"
    header.FrameOfReferenceUID = study
    header.PositionReferenceIndicator = ""
    header.ImagePositionPatient = ["-10", "-10", "-111111.11"]
    header.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    header.PixelSpacing, header.SliceThickness = ["2.5", "2.5"], "2.5"
    headers.describe_pixels(header, bits=12, signed=False)
    header.RescaleIntercept, header.RescaleSlope = "-1024", "1"
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / ".template"
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8) * 16
    headers.write(scratch, Slice(header, pixels), headers.EXPLICIT_LITTLE_ENDIAN)
    data = scratch.read_bytes()
    scratch.unlink()
    for mark, stand_in in (("SERIESNO", b"11111111"), ("INSTNO", b"111111"), ("POSITION-Z", b"-111111.11")):
        data = data.replace(stand_in, mark.encode(), 1)
    return data


def _places(data: bytes, mark: bytes) -> list[int]:
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + 1)
    assert found, "the template lost a mark"
    return found
