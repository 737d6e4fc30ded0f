"""What a bucket has, as its store tells it: addresses, versions and checksums, and no object is read for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from hilum.errors import TerminalError
from hilum.model.content import Attested


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a bucket.

    Attributes:
        uri: its address. size: bytes. version: its generation. attested: the checksums that the store keeps.
        created: when this version came to be.
    """

    uri: str
    size: int
    version: str
    attested: Attested
    created: datetime


def entries(bucket: str, prefix: str = "") -> Iterator[Entry]:
    """Objects of which the name begins with ``prefix``, in the order of names, in pages as they are asked for.

    Raises:
        TerminalError: ``bucket-missing``, ``storage-refused``, ``storage-credentials``.
        TransientError: ``storage-unavailable``.
    """
    from hilum.storage.gcs.listing import entries as listed

    return listed(bucket, prefix)


def entries_at(uris: Iterable[str]) -> Iterator[tuple[str, Entry | TerminalError]]:
    """What is at each of these addresses of objects now, several asked for at once; ``object-missing`` where nothing
    is, ``storage-refused`` where nobody lets us see.

    Raises:
        TerminalError: ``storage-credentials``. TransientError: ``storage-unavailable``.
    """
    from hilum.storage.gcs.listing import entries_at as looked_up

    return looked_up(uris)
