"""Listings and look-ups of a bucket's objects. Only the fields that are used are asked for, a page at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hilum.errors import TerminalError
from hilum.kernel.address import bucket_object, bucket_object_uri
from hilum.kernel.ahead import ahead
from hilum.model.content import Attested
from hilum.storage.gcs.client import TIMEOUT, open_bucket, payer, retries, told
from hilum.storage.listing import WHY_NOT, Entry, waited_for

if TYPE_CHECKING:
    from google.cloud.storage import Blob

PAGE = 5000
"""Objects of a page at most; Cloud Storage gives 1,000 whatever more is asked for."""

FIELDS = "items(name,size,generation,md5Hash,crc32c,timeCreated),nextPageToken"


def entries(bucket: str, prefix: str, user_project: str) -> Iterator[Entry]:
    """See :func:`hilum.storage.listing.entries`."""
    with told(bucket=bucket):
        for blob in open_bucket(bucket, user_project or payer()).list_blobs(
            prefix=prefix or None, page_size=PAGE, fields=FIELDS, retry=retries(), timeout=TIMEOUT
        ):
            if not blob.name.endswith("/"):
                yield entry_of(blob)


def entries_at(uris: Iterable[str]) -> Iterator[tuple[str, Entry | TerminalError]]:
    """See :func:`hilum.storage.listing.entries_at`."""
    return ahead(_entry_or_why_not, uris)


def _entry_or_why_not(uri: str) -> Entry | TerminalError:
    try:
        return entry_at(uri)
    except TerminalError as error:
        if error.reason not in WHY_NOT:
            raise waited_for(error) from None
        return error


def generations(uris: Iterable[str]) -> Iterator[tuple[str, str | None]]:
    """Versions of objects by address; None where nothing is, or nobody lets us see."""

    def generation(uri: str) -> str | None:
        found = _entry_or_why_not(uri)
        return found.version if isinstance(found, Entry) else None

    return ahead(generation, uris)


def entry_at(uri: str) -> Entry:
    """What is at this address now; ObjectMissing where nothing is."""
    bucket, name = bucket_object(uri)
    blob = open_bucket(bucket, payer()).blob(name)
    with told("of that name"):
        blob.reload(retry=retries(), timeout=TIMEOUT)
    return entry_of(blob)


def entry_of(blob: Blob) -> Entry:
    """An object of which the server has said what it is."""
    return Entry(
        bucket_object_uri(blob.bucket.name, blob.name),
        int(blob.size),
        str(blob.generation),
        Attested(blob.crc32c or "", blob.md5_hash or ""),
        blob.time_created,
    )
