"""Storage in a bucket. Create-if-absent is an upload under the precondition that the object has no generation. An
object appears whole or not at all. An upload that was broken off leaves a session that nobody sees and that expires
by itself, so there is nothing to sweep. Nothing here leans on a condition of a delete, a copy or a read.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from hilum.errors import HilumError
from hilum.kernel.retry import backoff_seconds
from hilum.storage.gcs.client import (
    FIRST_WAIT,
    LONGEST_WAIT,
    TIMEOUT,
    ObjectExists,
    open_bucket,
    retries,
    told,
)
from hilum.storage.gcs.location import GcsLocation
from hilum.storage.gcs.transfer import download, upload
from hilum.storage.interface import CreationInDoubt, ObjectMissing, ObjectStat, Storage, checked

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket

CREATIONS = 8
"""Times that a creation is tried; with the waits between them that is half a minute."""

UPLOADS = 3
"""Times that a file is sent."""

PAGE = 1000
CREATION = "hilum-creation"
"""Metadata of an object: what its creator drew, so that it knows its own object again."""


class GcsStorage(Storage):
    """Objects of a bucket below a prefix."""

    def __init__(self, location: GcsLocation) -> None:
        self.location = location

    @property
    def uri(self) -> str:
        return self.location.uri

    def create(self, name: str, data: bytes) -> bool:
        """After a try of which the answer was lost, the object that is in the way may be our own: its mark tells."""
        mark = token_hex(16)
        blob = self._blob(name, mark)
        lost: HilumError | None = None
        for attempt in range(1, CREATIONS + 1):
            try:
                try:
                    upload(blob, io.BytesIO(data), if_absent=True)
                    return True
                except ObjectExists:
                    return lost is not None and self._mark(name) == mark
            except HilumError as error:
                if lost is None and not error.transient:
                    raise
                lost = error
            time.sleep(backoff_seconds(attempt, base=FIRST_WAIT, cap=LONGEST_WAIT))
        assert lost is not None
        raise CreationInDoubt(lost.message, hint=lost.hint)

    def put_file(self, name: str, path: Path) -> None:
        """A large file goes in parts that are tried again; when its session is lost, it begins anew.

        A lost session is answered as a missing bucket is, so everything is tried again.
        """
        with path.open("rb") as stream:
            for left in reversed(range(UPLOADS)):
                try:
                    upload(self._blob(name), stream)
                    break
                except HilumError:
                    if not left:
                        raise

    def read(self, name: str) -> bytes:
        stream = io.BytesIO()
        download(self._blob(name), stream, name)
        return stream.getvalue()

    def fetch(self, name: str, destination: Path) -> None:
        blob = self._blob(name)
        destination.parent.mkdir(parents=True, exist_ok=True)
        with destination.open("xb") as stream:
            try:
                download(blob, stream, name)
            except BaseException:
                destination.unlink()
                raise

    def stat(self, name: str) -> ObjectStat | None:
        blob = self._found(name)
        return None if blob is None else ObjectStat(name, blob.size)

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        ours = len(self.location.prefix)
        with told():
            for blob in self._bucket.list_blobs(
                prefix=self.location.prefix + prefix,
                page_size=PAGE,
                fields="items(name,size),nextPageToken",
                retry=retries(),
                timeout=TIMEOUT,
            ):
                yield ObjectStat(blob.name[ours:], blob.size)

    def delete(self, name: str) -> None:
        try:
            with told(name):
                self._blob(name).delete(retry=retries(), timeout=TIMEOUT)
        except ObjectMissing:
            return

    def _mark(self, name: str) -> str:
        blob = self._found(name)
        return "" if blob is None else (blob.metadata or {}).get(CREATION, "")

    def _found(self, name: str) -> Blob | None:
        """An object with what the server says of it, if it is there."""
        blob = self._blob(name)
        try:
            with told(name):
                blob.reload(retry=retries(), timeout=TIMEOUT)
        except ObjectMissing:
            return None
        return blob

    def _blob(self, name: str, mark: str = "") -> Blob:
        options = self.location.options
        blob = self._bucket.blob(self.location.prefix + checked(name), kms_key_name=options.kms_key or None)
        if mark:
            blob.metadata = {CREATION: mark}
        return blob

    @property
    def _bucket(self) -> Bucket:
        return open_bucket(self.location.bucket, self.location.options.user_project)
