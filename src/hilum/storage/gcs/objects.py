"""Objects of a bucket as input: streams that can be sought in and that ask for no more than is read, so that a header
costs its first 64 KiB however large the object is. What is read from front to back comes in ever larger pieces, and
its CRC32C is held against the server's at the end.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, BinaryIO

from hilum.dicom.limits import changed
from hilum.errors import TerminalError, UnreadableError
from hilum.kernel.address import bucket_object
from hilum.storage.gcs.client import TIMEOUT, ChecksumMismatch, Crc32c, open_bucket, retries, told
from hilum.storage.gcs.transfer import download
from hilum.storage.interface import ObjectMissing

if TYPE_CHECKING:
    from google.cloud.storage import Blob

PAYS = "GOOGLE_CLOUD_QUOTA_PROJECT"
"""Names the project that pays, where a bucket makes the requester pay; Google's other tools read it, too."""

FIRST, LARGEST = 1 << 16, 1 << 23
"""Bytes asked for at once: at first and wherever somebody jumps, and at most."""


def open_in_bucket(uri: str) -> BinaryIO:
    """The object at this address as it is now; should it be replaced, reading it ends with ``changed-while-read``.

    Raises:
        UnreadableError: ``unreadable``: it is absent or may not be read. TransientError: ``storage-unavailable``.
    """
    try:
        blob = _found(uri)
    except TerminalError as error:
        raise UnreadableError(
            f"the object cannot be read: {error.message}", reason="unreadable", hint=error.hint
        ) from None
    return io.BufferedReader(BucketObject(blob), FIRST)


def generation(uri: str) -> str | None:
    """The version of the object at this address; None where nothing is."""
    try:
        return str(_found(uri).generation)
    except TerminalError:
        return None


def download_object(uri: str, stream: BinaryIO) -> None:
    """Write the object at this address to an empty stream; ObjectMissing if there is none."""
    download(_blob(uri), stream, "of that name")


class BucketObject(io.RawIOBase):
    """One generation of an object, of which the server has said what it is.

    Args:
        found: what it said. It names a link as well, which would be taken around any endpoint that was configured.
    """

    def __init__(self, found: Blob) -> None:
        self._size: int = found.size
        self._generation, self._crc32c = found.generation, found.crc32c
        self._blob = found.bucket.blob(found.name, generation=found.generation)
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
            raise ChecksumMismatch("an object arrives with other bytes than Cloud Storage has")


def _found(uri: str) -> Blob:
    blob = _blob(uri)
    with told("of that name"):
        blob.reload(retry=retries(), timeout=TIMEOUT)
    return blob


def _blob(uri: str) -> Blob:
    bucket, name = bucket_object(uri)
    return open_bucket(bucket, os.environ.get(PAYS, "")).blob(name)
