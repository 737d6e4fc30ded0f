"""Which files have a header in the warehouse, as one number a file: a million of them take 8 MB.

A file is its address and its version. Two in 10^9 share a number with a probability of 0.03, and then one of them is
not indexed until somebody asks for all to be read again; nothing else relies on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from hilum.model.arrival import Arrival

FINGERPRINT = "md5_number_lower(FileURI || ' ' || FileVersion)"
"""In DuckDB's SQL, what :func:`fingerprint` is; null where no version is known."""
DIGESTED = "FileSHA256 <> '' OR FileCRC32C <> ''"
"""In either SQL, whether a file's bytes were vouched for, by us or by the store that they lie in."""


def fingerprint(uri: str, version: str) -> int:
    """The second half of the MD5 of both, as a little-endian number."""
    digest = hashlib.md5(f"{uri} {version}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "little")


class KnownFiles:
    """A set of files by fingerprint, in any order, nulls left out; by default none."""

    def __init__(self, fingerprints: pa.ChunkedArray[Any] | None = None) -> None:
        self._sorted = np.empty(0, np.uint64)
        if fingerprints is not None:
            self._sorted = np.sort(np.from_dlpack(fingerprints.drop_null().combine_chunks()))

    def contain(self, arrivals: Sequence[Arrival]) -> list[bool]:
        """Which of these are known, in this version."""
        wanted = np.array([fingerprint(each.uri, each.version) for each in arrivals], np.uint64)
        if not len(self._sorted):
            return [False] * len(wanted)
        places = np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)
        found: list[bool] = (self._sorted[places] == wanted).tolist()
        return found
