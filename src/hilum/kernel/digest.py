"""Digests: the identity of content. Everything that Hilum remembers is named by SHA-256 over bytes or over
canonical JSON (RFC 8785 in spirit: sorted keys, no white space, UTF-8), so equal things have equal names on
every machine.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

CHUNK = 1 << 18


def canonical_json(value: Any) -> bytes:
    """``value`` as canonical JSON bytes; NaN and infinity are refused with ValueError."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest_bytes(data: bytes) -> str:
    """SHA-256 of bytes, as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:
    """SHA-256 over canonical JSON."""
    return digest_bytes(canonical_json(value))


def digest_stream(stream: BinaryIO) -> str:
    """SHA-256 of what a binary stream still holds."""
    digest = hashlib.sha256()
    if readinto := getattr(stream, "readinto", None):  # one buffer for all of it
        view = memoryview(bytearray(CHUNK))
        while count := readinto(view):
            digest.update(view[:count])
    else:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return digest_stream(stream)


def digest_tree(path: Path) -> str:
    """SHA-256 over a file, or over the names and contents of all files below a folder.

    What seems unchanged (sizes, times, inodes) is not read twice by a process. FileNotFoundError if there is no file.
    """
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    if not files:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    stats = [(each, each.stat()) for each in files]
    return _digest_files(
        path.parent, tuple((each, stat.st_size, stat.st_mtime_ns, stat.st_ino) for each, stat in stats)
    )


@lru_cache(maxsize=64)
def _digest_files(base: Path, files: tuple[tuple[Path, int, int, int], ...]) -> str:
    return digest_json([[each.relative_to(base).as_posix(), digest_file(each)] for each, *_ in files])


def digest_set(digests: Iterable[str]) -> str:
    """The digest over sorted digests: the same for any order of arrival, each counted once."""
    return digest_bytes("\n".join(sorted(set(digests))).encode())


def short_id(prefix: str, *parts: str) -> str:
    """A deterministic id ``prefix-`` + 16 hex digits over ``parts``, for rows that people type."""
    return f"{prefix}-{digest_bytes(chr(0).join(parts).encode())[:16]}"
