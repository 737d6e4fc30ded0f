"""A small imaging collection for questions about headers: real files of many kinds, phantoms, and their warehouse."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pydicom
from pydicom.dataset import FileDataset

from beds.real import real_file
from hilum.dicom.header import read_header
from hilum.dicom.phantom import chest_ct, mr_series
from hilum.dicom.rows import line_of
from hilum.warehouse.local import LocalWarehouse

SINGLE = (
    *("693_J2KI.dcm", "CT_small.dcm", "ExplVR_BigEnd.dcm", "JPEG2000.dcm", "MR_small.dcm"),
    *("SC_rgb_small_odd.dcm", "examples_overlay.dcm", "examples_palette.dcm", "examples_rgb_color.dcm"),
    *("examples_ybr_color.dcm", "liver_1frame.dcm", "reportsi.dcm", "rtdose_1frame.dcm", "rtplan.dcm"),
    *("test-SR.dcm", "waveform_ecg.dcm"),
)
PATIENTS = ("77654033", "98892001", "98892003")
"""Folders of files without an ending: CR, CT and MR of two people."""


def write_phantoms(folder: Path) -> list[Path]:
    """Six slices of a chest and eight of a head."""
    chest = chest_ct(folder / "chest", slices=6, rows=32, columns=32, seed=1)
    head = mr_series(folder / "head", slices=4, rows=32, columns=32, echoes=(30.0, 90.0), seed=3)
    return [*chest.paths, *head.paths]


@cache
def real_files() -> tuple[Path, ...]:
    """The real ones, in order of name."""
    folders = (real_file("dicomdirtests") / name for name in PATIENTS)
    inside = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return tuple(sorted([*map(real_file, SINGLE), *inside]))


def lines_of(paths: list[Path]) -> list[str]:
    """A row of ``dicom_metadata`` for each of these files, as a line."""
    lines = []
    for path in paths:
        header = read_header(path)
        found = {"FileURI": path.as_uri(), "FileSize": path.stat().st_size, "Source": path.parent.name}
        lines.append(line_of({"_row_id": path.as_uri(), **found, **json.loads(header.row)}) + "\n")
    return lines


def warehouse_of(folder: Path, paths: list[Path]) -> LocalWarehouse:
    """A warehouse below ``folder`` with the headers of these files, in two batches."""
    lines = lines_of(paths)
    warehouse = LocalWarehouse(folder / "warehouse")
    half = len(lines) // 2
    for number, part in enumerate((lines[:half], lines[half:]), 1):
        warehouse.append(number, {}, "".join(part).encode())
    return warehouse


def data_sets(paths: list[Path]) -> list[FileDataset]:
    """The same files as pydicom reads them."""
    return [pydicom.dcmread(path, stop_before_pixels=True, force=True) for path in paths]
