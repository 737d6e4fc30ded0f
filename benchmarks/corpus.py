"""The files that intake's figures are measured on, made here from real headers (:mod:`benchmarks.series`), since no
patient's files may lie in a repository and a benchmark on one file copied a thousand times flatters caches and
compression. They are made once and kept outside the checkout.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import pydicom
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, RLELossless

from benchmarks.enhanced import write_enhanced
from benchmarks.series import Series, real_header

VERSION = 2
"""Goes up with every change of what is made, so that no figure comes from another corpus than it says."""

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hilum" / "benchmarks"
SLICES = 150
THOUSAND = 1000
SHARES = (
    (0.160, "ct", ExplicitVRLittleEndian),
    (0.185, "ct", ExplicitVRLittleEndian),
    (0.175, "ct", ExplicitVRLittleEndian),
    (0.110, "mr-siemens", ExplicitVRLittleEndian),
    (0.090, "mr-philips", ExplicitVRLittleEndian),
    (0.190, "ct", ImplicitVRLittleEndian),
    (0.080, "mr-siemens", ImplicitVRLittleEndian),
    (0.005, "ct", RLELossless),
    (0.005, "ct", JPEGLSLossless),
)
"""Each series' share of the files: explicit 72 %, implicit 27 %, the rest compressed; CT 72 %, MR 28 %."""
SIDE = {"ct": 512, "mr-siemens": 512, "mr-philips": 256}


def corpus(count: int = 1000) -> list[Path]:
    """About ``count`` files in a folder for each series; each thousand of them is of five patients."""

    def make(folder: Path) -> None:
        for start in range(0, count, THOUSAND):
            size = min(THOUSAND, count - start)
            for index, (share, kind, syntax) in enumerate(SHARES, start=start // 100):
                series = Series(index, kind, syntax, SIDE[kind])
                below = folder / f"series-{index}"
                below.mkdir()
                for number in range(max(1, round(size * share))):
                    (below / f"{number:04}.dcm").write_bytes(series.instance(number))

    return sorted(_made(f"corpus-{count}", make).rglob("*.dcm"))


def headers_alone(count: int = 1000) -> list[Path]:
    """The corpus without pixel data, for tools that know no way to stop before it."""

    def make(folder: Path) -> None:
        for path in corpus(count):
            target = folder / path.parent.name / path.name
            target.parent.mkdir(exist_ok=True)
            pydicom.dcmread(path, stop_before_pixels=True).save_as(target)

    return sorted(_made(f"headers-{count}", make).rglob("*.dcm"))


def strangers(count: int = 1000) -> list[Path]:
    """CT instances of which no two are of one series and no three of one patient, with 8 x 8 pixels.

    What a reader learns from a series' first slice does not help it here.
    """

    def make(folder: Path) -> None:
        for index in range(count):
            series = Series(1000 + index, "ct", ExplicitVRLittleEndian, 8)
            (folder / f"{index:04}.dcm").write_bytes(series.instance(index % SLICES))

    return sorted(_made(f"strangers-{count}", make).glob("*.dcm"))


def enhanced() -> list[Path]:
    """Enhanced MR objects of :mod:`benchmarks.enhanced`, of which the first is to get used to their like."""

    def make(folder: Path) -> None:
        for index in range(11):
            write_enhanced(folder / f"{index:02}.dcm", real_header("examples_overlay.dcm"), index)

    return sorted(_made("enhanced", make).glob("*.dcm"))


def many(folder: Path, count: int) -> None:
    """Write ``count`` explicit CT instances with whole headers and 8 x 8 pixels (9 kB), 150 a series.

    Pixels have no part in a header-only index, and half a terabyte of them would only measure the disk.
    """
    starts = range(0, count, SLICES)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as workers:
        sizes = (min(SLICES, count - start) for start in starts)
        list(workers.map(_write_series, repeat(folder), range(len(starts)), sizes, chunksize=20))


def _write_series(folder: Path, index: int, size: int) -> None:
    series = Series(index, "ct", ExplicitVRLittleEndian, 8)
    below = folder / f"{index // 100:03}" / f"{index % 100:02}"
    below.mkdir(parents=True)
    for number in range(size):
        (below / f"{number:03}.dcm").write_bytes(series.instance(number))


def _made(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache, made if it is not there; it appears whole or not at all, and of two makers one wins."""
    folder = CACHE / f"{VERSION}-{name}"
    if not folder.exists():
        making = folder.with_name(f"{folder.name}.{os.getpid()}")
        making.mkdir(parents=True)
        make(making)
        try:
            making.rename(folder)
        except OSError:
            shutil.rmtree(making)
    return folder
