"""Objects of a bucket as input: streams that can be sought in and that ask for no more than is read, so that a header
costs its first 64 KiB however large the object is. What is read from front to back comes in ever larger pieces, and
its CRC32C is held against the server's at the end.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from hilum.dicom.limits import changed
from hilum.errors import HilumError, TerminalError, UnreadableError
from hilum.kernel.address import bucket_object
from hilum.kernel.ahead import ahead
from hilum.model.arrival import Arrival
from hilum.storage.gcs.client import TIMEOUT, Crc32c, open_bucket, payer, retries, told
from hilum.storage.gcs.listing import entry_at
from hilum.storage.gcs.transfer import download
from hilum.storage.interface import ChecksumMismatch, ObjectMissing
from hilum.storage.listing import OURS, Entry, waited_for

if TYPE_CHECKING:
    from google.cloud.storage import Blob

FIRST, LARGEST = 1 << 16, 1 << 23
"""Bytes asked for at once: at first and wherever somebody jumps, and at most."""


def open_in_bucket(uri: str, seen: Arrival | Entry | None = None) -> BinaryIO:
    """An object as a stream; should it be replaced, reading it ends with ``changed-while-read``.

    Args:
        seen: the object as a source or listing told of it, which need not be asked for again; else it is opened as
            it is now.

    Raises:
        UnreadableError: ``object-missing``. TerminalError: ``storage-refused``, ``storage-error``.
        TransientError: ``storage-unavailable``, or a fault of ours, such as ``storage-credentials``.
    """
    try:
        found = seen if seen is not None and seen.attested.crc32c else entry_at(uri)
        blob = _blob(uri, found.version)
    except ObjectMissing:
        raise _missing() from None
    except TerminalError as error:
        raise _told(error) from None
    return io.BufferedReader(BucketObject(blob, found.size, found.attested.crc32c), FIRST)


def open_ahead(
    uris: Iterable[str], seen: Mapping[str, Arrival]
) -> Iterator[tuple[str, BinaryIO | TerminalError]]:
    """Objects in their order, each with its first piece at hand; those behind it are asked for meanwhile."""

    def opened(uri: str) -> BinaryIO | TerminalError:
        try:
            stream = open_in_bucket(uri, seen.get(uri))
            with suppress(ChecksumMismatch):  # whoever reads is told
                stream.peek(1)  # type: ignore[attr-defined]
        except TerminalError as error:
            if error.reason in OURS:
                raise waited_for(error) from None
            return error
        return stream

    return ahead(opened, uris)


def download_object(uri: str, stream: BinaryIO, version: str = "") -> None:
    """Write the object at this address to an empty stream; ObjectMissing if there is none.

    Args:
        version: the generation that is wanted. Where it is gone, what took its place is written; the caller sees
            by its content whether that is another.
    """
    try:
        download(_blob(uri, version), stream, "of that name")
    except ObjectMissing:
        if not version:
            raise
        download(_blob(uri), stream, "of that name")


def _missing() -> UnreadableError:
    return UnreadableError(
        "the object is gone",
        reason="object-missing",
        hint="if it should be there, restore it or send it again",
    )


def _told(error: TerminalError) -> HilumError:
    return waited_for(error) if error.reason in OURS else error


class BucketObject(io.RawIOBase):
    """One generation of an object, of which the server has said what it is.

    Args:
        blob: with its generation. size: bytes. crc32c: of all of it, as Cloud Storage writes it.
    """

    def __init__(self, blob: Blob, size: int, crc32c: str) -> None:
        self._blob, self._generation = blob, blob.generation
        self._size, self._crc32c = size, crc32c
        self._at = 0
        self._head = b""
        self._piece, self._base = b"", 0
        self._next = FIRST
        self._summed, self._checksum = 0, Crc32c()

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
        if self._at >= self._size:
            return 0
        if self._at < len(self._head):
            found = self._head[self._at : self._at + len(buffer)]
        else:
            if not self._base <= self._at < self._base + len(self._piece):
                self._ask()
            found = self._piece[self._at - self._base :][: len(buffer)]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _ask(self) -> None:
        """Ask for the piece that begins where the next byte is wanted."""
        goes_on = self._at == self._base + len(self._piece)
        self._next = min(2 * self._next, LARGEST) if goes_on and self._at else FIRST
        end = min(self._at + self._next, self._size) - 1
        try:
            with told("of that name"):
                self._piece = self._blob.download_as_bytes(
                    start=self._at,
                    end=end,
                    raw_download=True,
                    checksum=None,
                    retry=retries(),
                    timeout=TIMEOUT,
                )
        except ObjectMissing:
            raise changed() from None
        if self._blob.generation != self._generation or len(self._piece) != end + 1 - self._at:
            raise changed()
        self._base = self._at
        self._head = self._head or (self._piece if self._at == 0 else b"")
        self._sum_up()

    def _sum_up(self) -> None:
        if self._base != self._summed:
            return
        self._checksum.update(self._piece)
        self._summed += len(self._piece)
        if self._summed == self._size and self._checksum.text != self._crc32c:
            self._head = self._piece = b""  # or whoever reads on after the error is given them
            self._summed, self._checksum = 0, Crc32c()
            raise ChecksumMismatch("an object arrives with other bytes than Cloud Storage has")


def _blob(uri: str, version: str = "") -> Blob:
    bucket, name = bucket_object(uri)
    generation = int(version) if version.isdigit() else None
    return open_bucket(bucket, payer()).blob(name, generation=generation)
