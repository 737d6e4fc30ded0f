"""The real DICOM that pydicom's wheel carries, grouped into series as intake would."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pydicom.data

TEST_FILES = Path(pydicom.data.__file__).parent / "test_files"


def real_file(name: str) -> Path:
    """A file of pydicom's by name."""
    return TEST_FILES / name


def real_images() -> list[Path]:
    """Every file with pixel data, in order of name."""
    return [path for path in sorted(TEST_FILES.rglob("*")) if path.is_file() and has_pixels(path)]


def real_series() -> dict[str, list[Path]]:
    """Image series of more than one file in one folder, by the name of their first file."""
    series = defaultdict(list)
    for path in real_images():
        header = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        series[path.parent, header.get("SeriesInstanceUID")].append(path)
    return {
        str(paths[0].relative_to(TEST_FILES)): paths
        for (folder, _), paths in series.items()
        if folder != TEST_FILES and len(paths) > 1
    }


def has_pixels(path: Path) -> bool:
    """By looking for the tag itself, since some files are too damaged or too odd to parse in full."""
    if path.suffix in (".json", ".txt", ".dump", ".gz", ".icc"):
        return False
    header = pydicom.dcmread(path, force=True, defer_size=1024)
    return any(keyword in header for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"))
