"""Streams that archives are read with: a window on a file, content kept aside so that it can be sought in, and what a
compressed file expands to, counted.
"""

from __future__ import annotations

import errno
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Protocol, cast

from hilum.storage.archives.interface import ArchiveFault, bomb, corrupt, cut_off
from hilum.storage.interface import StorageFull

PIECE = 1 << 18
KEPT_IN_MEMORY = 1 << 25
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class Window(io.RawIOBase):
    """``size`` bytes of a seekable stream from ``start`` on, as a stream of their own that is read only."""

    def __init__(self, base: BinaryIO, start: int, size: int) -> None:
        self._base, self._start, self._size = base, start, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), max(0, self._size - self._at))
        self._base.seek(self._start + self._at)
        found = self._base.read(wanted)
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


def window(base: BinaryIO, start: int, size: int) -> BinaryIO:
    """See :class:`Window`."""
    return cast(BinaryIO, Window(base, start, size))


def kept(pieces: Iterable[bytes]) -> BinaryIO:
    """A stream of these pieces, in memory while they are few, else in a temporary file.

    Raises:
        StorageFull: there is no room for that file.
    """
    stream = tempfile.SpooledTemporaryFile(max_size=KEPT_IN_MEMORY)  # noqa: SIM115
    try:
        for piece in pieces:
            stream.write(piece)
    except BaseException as error:
        stream.close()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull("no space left to expand a member", hint="free some space in TMPDIR") from None
        raise
    stream.seek(0)
    return cast(BinaryIO, stream)


class Forward(Protocol):
    """What can be read from front to back."""

    def read(self, size: int, /) -> bytes:
        """Exactly so many bytes, fewer only at the end."""
        ...

    def skip(self, size: int, /) -> None:
        """Leave so many bytes out.

        Raises:
            ArchiveFault: ``archive-truncated``, there are not as many.
        """
        ...


class Plain:
    """An uncompressed file of ``size`` bytes, from front to back."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.stream, self.size = stream, size

    def read(self, size: int) -> bytes:
        return self.stream.read(size)

    def skip(self, size: int) -> None:
        if self.stream.tell() + size > self.size:
            raise cut_off()
        self.stream.seek(size, io.SEEK_CUR)


class TooLong(Exception):
    """There is more than was asked for."""


class Expanded:
    """What a compressed file holds, from front to back.

    Args:
        expander: opens the file's stream.
        allowed: bytes that it may expand to; ``archive-bomb`` beyond.
    """

    def __init__(self, stream: BinaryIO, expander: Callable[[BinaryIO], BinaryIO], allowed: int) -> None:
        self._stream, self._expander = stream, expander
        self._expanded: BinaryIO | None = None
        self._left = allowed

    def read(self, size: int) -> bytes:
        pieces = []
        while size > 0 and (piece := self._piece(min(size, PIECE))):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def skip(self, size: int) -> None:
        while size > 0:
            piece = self._piece(min(size, PIECE))
            if not piece:
                raise cut_off()
            size -= len(piece)

    def pieces(self, limit: int) -> Iterator[bytes]:
        """All of it; TooLong beyond ``limit`` bytes."""
        while piece := self._piece(PIECE):
            limit -= len(piece)
            if limit < 0:
                raise TooLong
            yield piece

    def drain(self) -> None:
        """Read to the end, where the file's own check of its content is."""
        while self._piece(PIECE):
            pass

    def _piece(self, size: int) -> bytes:
        try:
            if self._expanded is None:
                self._expanded = self._expander(self._stream)
            piece = self._expanded.read(size)
        except EOFError:
            raise cut_off() from None
        except (
            Exception
        ) as error:  # decompressors have errors of many kinds; only the system's own have a number
            if getattr(error, "errno", None) is not None:
                raise
            raise _broken(error) from None
        self._left -= len(piece)
        if self._left < 0:
            raise bomb()
        return piece


def gunzip(stream: BinaryIO) -> BinaryIO:
    """The expander of gzip."""
    from isal import igzip

    return cast(BinaryIO, igzip.IGzipFile(fileobj=stream, mode="rb"))  # type: ignore[no-untyped-call]


def unzstd(stream: BinaryIO) -> BinaryIO:
    """The expander of Zstandard."""
    import pyarrow

    return cast(
        BinaryIO, pyarrow.CompressedInputStream(pyarrow.PythonFile(cast(io.IOBase, stream), mode="r"), "zstd")
    )


def _broken(error: Exception) -> ArchiveFault:
    """A decompressor's complaint as ours; Arrow has no other sign of an early end than its words."""
    return cut_off() if "Truncated" in str(error) else corrupt("it does not expand")
