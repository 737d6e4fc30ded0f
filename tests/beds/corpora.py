"""Every DICOM file that packages bring along: wheels that tests need, and Debian's, which tools/beds fetches."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path

DEBIAN = Path(__file__).resolve().parents[2] / "build" / "beds" / "dicom"
_WHEELS = {"pydicom": "data", "pynetdicom": "tests/dicom_files", "nibabel": "nicom/tests/data"}
CORPORA = (*_WHEELS, "debian")


def folder(corpus: str) -> Path:
    if corpus == "debian":
        return DEBIAN
    found = importlib.util.find_spec(corpus)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / _WHEELS[corpus]


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.name.endswith(".dcm.gz") else data


@cache
def _files() -> dict[str, list[Path]]:
    seen: set[bytes] = set()
    return {corpus: list(_new(folder(corpus), seen)) for corpus in CORPORA}


def _new(folder: Path, seen: set[bytes]) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and (digest := hashlib.sha256(_content(path)).digest()) not in seen:
            seen.add(digest)
            yield path


def contents(corpus: str) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file of a corpus, DICOM or not, without those that a corpus before it has too."""
    for path in _files()[corpus]:
        yield path.relative_to(folder(corpus)).as_posix(), _content(path)
