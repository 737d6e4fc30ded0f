"""What a bucket has, as its store tells it: addresses, versions and checksums, and no object is read for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from hilum.errors import TerminalError, TransientError
from hilum.model.content import Attested

WHY_NOT = ("object-missing", "storage-refused")
"""What may be the answer to the question what is at an address."""
OURS = ("storage-credentials", "extra-missing")
"""Faults of whoever asks, whatever he asks for: nothing can be had, of any object."""
NOT_ITS_FAULT = (*OURS, "storage-refused", "bucket-missing", "storage-error")
"""Faults that are no object's: nothing is said of it, and it is to be looked at again once they are mended."""


def waited_for(error: TerminalError) -> TransientError:
    """One of these faults, to whoever can wait until it is mended."""
    return TransientError(error.message, reason=error.reason, hint=error.hint)


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


def entries(bucket: str, prefix: str = "", user_project: str = "") -> Iterator[Entry]:
    """Objects of which the name begins with ``prefix``, in the order of names, in pages as they are asked for. Names
    that end with a slash are folders that a console made, and are left out.

    Args:
        user_project: the project that pays; by default the one that the environment names.

    Raises:
        TerminalError: ``bucket-missing``, ``storage-refused``, ``storage-credentials``.
        TransientError: ``storage-unavailable``.
    """
    from hilum.storage.gcs.listing import entries as listed

    return listed(bucket, prefix, user_project)


def entries_at(uris: Iterable[str]) -> Iterator[tuple[str, Entry | TerminalError]]:
    """What is at each of these addresses of objects now, several asked for at once; ``object-missing`` where nothing
    is, ``storage-refused`` where nobody lets us see.

    Raises:
        TransientError: ``storage-unavailable``, or what else is no answer: a fault that may be mended meanwhile.
    """
    from hilum.storage.gcs.listing import entries_at as looked_up

    return looked_up(uris)
