"""Single files of an image, read out of its layers from the top, so that no image need be pulled to know it.

A layer is read to its end and held against its digest before anything in it is believed.
"""

from __future__ import annotations

import errno
import io
import tarfile
from collections.abc import Iterable
from hashlib import sha256
from http.client import HTTPResponse
from typing import BinaryIO, cast

from hilum.errors import TerminalError
from hilum.executors.registry.client import unreadable
from hilum.kernel.digest import CHUNK
from hilum.storage.archives.streams import GZIP, ZSTD, Expanded, gunzip, unzstd

LARGEST_FILE = 1 << 20
LARGEST_LAYER = 1 << 36
"""Bytes that a layer may expand to."""

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"


class Wanted:
    """Files that are looked for from layer to layer.

    Attributes:
        found: their bytes, by the path that was asked for.
        left: those that a lower layer may still have.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.found: dict[str, bytes] = {}
        self.left = {_clean(path): path for path in paths}

    def look_into(self, layer: HTTPResponse, digest: str) -> None:
        """See what this layer has of them, and what it hides of those below.

        Raises:
            UsageError: ``image-unreadable``.
        """
        source = _Digested(layer)
        found: dict[str, bytes | None] = {}
        hidden: set[str] = set()
        try:
            expanded = _expanded(io.BufferedReader(source, CHUNK))
            with tarfile.open(fileobj=cast(BinaryIO, expanded), mode="r|") as archive:
                for entry in archive:
                    self._see(archive, entry, found, hidden)
            expanded.drain()
        except (tarfile.TarError, TerminalError):
            raise unreadable("a layer of the image is damaged") from None
        while source.read(CHUNK):
            pass
        if f"sha256:{source.digest.hexdigest()}" != digest:
            raise unreadable("a layer of the image is not what its manifest says")
        for path, content in found.items():
            asked = self.left.pop(path)
            if content is not None:
                self.found[asked] = content
        for path in hidden & self.left.keys():
            del self.left[path]

    def _see(
        self,
        archive: tarfile.TarFile,
        entry: tarfile.TarInfo,
        found: dict[str, bytes | None],
        hidden: set[str],
    ) -> None:
        path = _clean(entry.name)
        folder, _, name = path.rpartition("/")
        if path in self.left:
            found[path] = _content(archive, entry) if entry.isreg() else None
        elif name == OPAQUE:
            hidden.update(_below(folder, self.left))
        elif name.startswith(WHITEOUT):
            gone = f"{folder}/{name.removeprefix(WHITEOUT)}".lstrip("/")
            hidden.update({gone}, _below(gone, self.left))
        elif not entry.isdir():  # where a lower layer may have had a folder
            hidden.update(_below(path, self.left))


class _Digested(io.RawIOBase):
    """A blob as it comes, of which the digest is known when it was read."""

    def __init__(self, stream: HTTPResponse) -> None:
        self._stream = stream
        self.digest = sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        piece = self._stream.read(len(buffer))
        if not piece and self._stream.length:
            raise ConnectionResetError(errno.ECONNRESET, "the connection broke")
        self.digest.update(piece)
        buffer[: len(piece)] = piece
        return len(piece)


def _expanded(stream: io.BufferedReader) -> Expanded:
    start = stream.peek(4)
    expander = gunzip if start.startswith(GZIP) else unzstd if start.startswith(ZSTD) else _as_it_is
    return Expanded(cast(BinaryIO, stream), expander, LARGEST_LAYER)


def _as_it_is(stream: BinaryIO) -> BinaryIO:
    return stream


def _content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    if entry.size > LARGEST_FILE:
        raise unreadable("a file of the image that should be a small text is none")
    content = archive.extractfile(entry)
    assert content is not None
    return content.read()


def _below(folder: str, paths: Iterable[str]) -> set[str]:
    return {path for path in paths if not folder or path.startswith(f"{folder}/")}


def _clean(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in ("", "."))
