"""Bytes on their way to a bucket and back, with a CRC32C of our own over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from hilum.kernel.digest import CHUNK
from hilum.storage.gcs.client import TIMEOUT, Crc32c, retries, told
from hilum.storage.interface import ChecksumMismatch

if TYPE_CHECKING:
    from google.cloud.storage import Blob

PART = 1 << 25
"""Bytes of a large object that are sent in one request, and held in memory."""

DOWNLOADS = 3
"""Times that an object is fetched before it is said to come damaged."""


def upload(blob: Blob, stream: BinaryIO, *, if_absent: bool = False) -> None:
    """Make the object of this stream, from its beginning to its end.

    The checksum goes along, so that the server makes no object of other bytes, and is held against what it then has.
    An upload that must not be made twice is not tried again here.

    Raises:
        ObjectExists: and it was to be absent. ChecksumMismatch: there is no object.
    """
    checksum = Crc32c()
    stream.seek(0)
    while piece := stream.read(CHUNK):
        checksum.update(piece)
    size = stream.tell()
    stream.seek(0)
    blob.crc32c = checksum.text
    blob.chunk_size = PART
    with told():
        blob.upload_from_file(
            stream,
            size=size,
            content_type="application/octet-stream",
            if_generation_match=0 if if_absent else None,
            retry=None if if_absent else retries(),
            checksum=None,
            timeout=TIMEOUT,
        )
        if blob.crc32c != checksum.text:
            blob.delete(retry=retries(), timeout=TIMEOUT)
            raise ChecksumMismatch("Cloud Storage has other bytes than were sent")


def download(blob: Blob, stream: BinaryIO, name: str) -> None:
    """Write an object's bytes to an empty stream. A connection that breaks goes on where it was.

    Raises:
        ObjectMissing: it is absent. ChecksumMismatch: it came damaged, again and again.
    """
    for _ in range(DOWNLOADS):
        stream.seek(0)
        stream.truncate()
        sink = _Sink(stream)
        with told(name):
            blob.download_to_file(sink, raw_download=True, checksum=None, retry=retries(), timeout=TIMEOUT)
        if sink.checksum.text == blob.crc32c:
            return
    raise ChecksumMismatch("an object arrives with other bytes than Cloud Storage has")


class _Sink:
    """Where a download goes: it is summed up as it comes by."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.checksum = Crc32c()

    def write(self, data: bytes) -> int:
        self.checksum.update(data)
        return self._stream.write(data)
