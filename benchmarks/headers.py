"""Header to row against plain pydicom, side by side in one process on the same files.

    python benchmarks/headers.py [FILES]

Makes its own corpus: CT_small.dcm of pydicom's wheel with UIDs of its own and 500 kB of pixel data a file, which is
what a CT slice weighs in the field; its header has 256 elements, more than most. The limit is what reading and
hashing every byte takes, since intake does that as well.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pydicom
import pydicom.data
import pydicom.uid

from hilum.dicom.header import read_header

SOURCE = Path(pydicom.data.__file__).parent / "test_files" / "CT_small.dcm"
PIXEL_BYTES = 500_000
ROUNDS = 3


def make_corpus(folder: Path, count: int) -> list[Path]:
    """``count`` instances of one series, alike but for their UIDs."""
    dataset = pydicom.dcmread(SOURCE)
    dataset.PixelData = bytes(PIXEL_BYTES)
    paths = []
    for number in range(count):
        uid = pydicom.uid.UID(f"1.2.826.0.1.1.{number + 1}")
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        paths.append(folder / f"{number:06}.dcm")
        dataset.save_as(paths[-1])
    return paths


def read_and_hash(path: Path) -> None:
    """The limit: every byte once."""
    with path.open("rb") as stream:
        hashlib.file_digest(stream, "sha256").digest()


def hash_and_header(path: Path) -> None:
    """What intake does with an object, opened once."""
    with path.open("rb") as stream:
        read_header(path, stream)
        stream.seek(0)
        hashlib.file_digest(stream, "sha256").digest()


CONTENDERS: dict[str, Callable[[Path], object]] = {
    "pydicom, header parsed, no value decoded": lambda path: pydicom.dcmread(path, stop_before_pixels=True),
    "pydicom, header to DICOM JSON": lambda path: pydicom.dcmread(
        path, stop_before_pixels=True
    ).to_json_dict(),
    "hilum, header to row and facts": read_header,
    "hilum, header to row and facts, and SHA-256": hash_and_header,
    "read and SHA-256 (limit)": read_and_hash,
}


def files_per_second(work: Callable[[Path], object], paths: list[Path]) -> float:
    """The best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for path in paths:
            work(path)
        best = min(best, time.perf_counter() - start)
    return len(paths) / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="?", type=int, default=200, help="size of the corpus (default 200)")
    parser.add_argument("--quick", action="store_true", help="20 files, to see that it works")
    chosen = parser.parse_args()
    count = min(chosen.files, 20) if chosen.quick else chosen.files
    with tempfile.TemporaryDirectory() as folder:
        paths = make_corpus(Path(folder), count)
        rates = {name: files_per_second(work, paths) for name, work in CONTENDERS.items()}
    reference = rates["pydicom, header to DICOM JSON"]
    print(f"{count} files of {PIXEL_BYTES // 1000} kB, Python {sys.version.split()[0]}, one process")
    for name, rate in rates.items():
        print(f"{name:48}{rate:9,.0f} files/s{rate / reference:8.1f} x DICOM JSON")


if __name__ == "__main__":
    main()
