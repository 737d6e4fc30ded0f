"""The one module that knows Google's client: how a bucket is reached, what is tried again, and what its errors mean
to us. What a server says in an error may hold names of objects, so of it only the status code is told.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hilum.errors import HilumError, TerminalError, TransientError, UsageError
from hilum.storage.gcs.credentials import TOKEN_FILE, from_file
from hilum.storage.interface import ChecksumMismatch, ObjectMissing, StorageFull

if TYPE_CHECKING:
    from google.api_core.retry import Retry
    from google.cloud.storage import Bucket, Client

EMULATOR = "STORAGE_EMULATOR_HOST"
PAYS = "GOOGLE_CLOUD_QUOTA_PROJECT"
"""Names the project that pays, where a bucket makes the requester pay; Google's other tools read it, too."""

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two signs of life of an answer."""

PATIENCE = 60.0
"""Seconds that a request is tried again for."""

FIRST_WAIT, LONGEST_WAIT = 0.2, 30.0
TRANSIENT = (408, 429, *range(500, 600))


class ObjectExists(TerminalError):
    """There is an object of that name already."""

    reason = "object-exists"


def open_bucket(name: str, user_project: str = "") -> Bucket:
    """A bucket, of which nothing is asked yet.

    Raises:
        TerminalError: ``storage-credentials``. UsageError: ``extra-missing``.
    """
    client = _client(os.environ.get(EMULATOR), os.getpid())
    return client.bucket(name, user_project=user_project or None)


def payer() -> str:
    """The project that pays for objects that somebody else keeps, where the requester has to; empty where none is
    named."""
    return os.environ.get(PAYS, "")


@cache
def retries() -> Retry:
    """How requests are tried again that may be made twice."""
    from google.api_core.retry import Retry

    return Retry(
        predicate=is_transient, initial=FIRST_WAIT, maximum=LONGEST_WAIT, multiplier=2, timeout=PATIENCE
    )


class Crc32c:
    """A CRC32C of bytes as they come by."""

    def __init__(self) -> None:
        import google_crc32c

        self._checksum: Any = google_crc32c.Checksum()  # type: ignore[no-untyped-call]

    def update(self, data: bytes) -> None:
        self._checksum.update(data)

    @property
    def text(self) -> str:
        """As Cloud Storage writes it."""
        from base64 import b64encode

        return b64encode(self._checksum.digest()).decode()


@contextmanager
def told(name: str = "", bucket: str = "") -> Iterator[None]:
    """What goes wrong in the block, as an error of ours; ObjectMissing where the object of this name is absent.

    Args:
        bucket: its name, for whoever has to find out which one is meant.
    """
    try:
        yield
    except HilumError:
        raise
    except Exception as error:
        known = error_of(error, name, bucket)
        if known is error:
            raise
        raise known from None


def error_of(error: Exception, name: str = "", bucket: str = "") -> Exception:
    """An error of Google's client as one of ours; anything else as it came."""
    from google.api_core.exceptions import RetryError
    from google.auth.exceptions import GoogleAuthError

    if isinstance(error, RetryError) and isinstance(error.cause, Exception):
        return error_of(error.cause, name, bucket)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(
            "no space left to fetch an object", hint="free some space; the task is tried again"
        )
    status = _status(error)
    if is_transient(error):
        return TransientError(
            f"Cloud Storage {f'answers {status}' if status else 'cannot be reached'}",
            reason="storage-unavailable",
            hint="if it lasts, see the network and the project's quotas",
        )
    if isinstance(error, GoogleAuthError) or status == 401:
        return TerminalError(
            "there are no credentials that Cloud Storage takes",
            reason="storage-credentials",
            hint="run `gcloud auth application-default login`, or give the machine a service account",
        )
    return _refused(status, str(error).lower(), name, bucket) if status else error


def is_transient(error: Exception) -> bool:
    """Whether it may pass: the connection, the server's state or too many requests."""
    import requests
    import urllib3
    from google.auth.exceptions import GoogleAuthError, TransportError

    if status := _status(error):
        return status in TRANSIENT
    if isinstance(error, GoogleAuthError):
        return isinstance(error, TransportError) or bool(error.retryable)
    broken = (
        ConnectionError,
        TimeoutError,
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        urllib3.exceptions.HTTPError,
    )
    return isinstance(error, broken)


def _refused(status: int, said: str, name: str, bucket: str) -> TerminalError | ChecksumMismatch:
    the_bucket = f"the bucket {bucket}" if bucket else "the bucket"
    if status == 404 and name:
        return ObjectMissing(f"storage has no object {name}")
    if status == 404:
        return TerminalError(
            f"{the_bucket} does not exist", reason="bucket-missing", hint="check its name, or make it"
        )
    if status == 412:
        return ObjectExists("storage has an object of that name")
    if status == 403:
        return TerminalError(
            f"Cloud Storage refuses access to {the_bucket}",
            reason="storage-refused",
            hint="roles/storage.objectUser on the bucket is needed, and use of the key where one is set",
        )
    if status == 400 and "crc32c" in said:
        return ChecksumMismatch("Cloud Storage received other bytes than were sent")
    if status == 400 and "requester pays" in said:
        return TerminalError(
            "whoever uses this bucket has to pay for it",
            reason="storage-refused",
            hint="say which project does: ?user_project=PROJECT behind its address",
        )
    return TerminalError(f"Cloud Storage refuses the request ({status})", reason="storage-error")


def _status(error: Exception) -> int:
    """The status code of an answer; 0 where there was none."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.cloud.storage.exceptions import InvalidResponse

    if isinstance(error, GoogleAPICallError):
        return int(error.code or 0)
    return int(error.response.status_code) if isinstance(error, InvalidResponse) else 0


@cache
def _client(emulator: str | None, process: int) -> Client:
    """A client for each process, since a connection cannot be shared with a fork. It finds the emulator by itself."""
    try:
        from google.cloud.storage import Client
    except ImportError:
        raise UsageError(
            "gs:// addresses need Google's client", reason="extra-missing", hint="pip install 'hilum[gcs]'"
        ) from None
    # Else the client also asks for each bucket's own metadata, in a thread of its own, for traces that nobody takes.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    with told():
        if path := os.environ.get(TOKEN_FILE):
            return Client(project=None, credentials=from_file(Path(path)))
        return Client(project=None)  # a project matters only where buckets are made or listed
