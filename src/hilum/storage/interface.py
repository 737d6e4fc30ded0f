"""The storage port. Everything above writes content under names that are decided by what it is, and commits by
creating one small object if it is absent. That one guarantee, held by every adapter and raced for in the
behavioural suite, is what makes duplicates, retries and crashes harmless; nothing here needs conditional
deletes, renames or listings that are consistent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hilum.errors import TerminalError, TransientError, UsageError


class StorageFull(TransientError):
    """No space left; a retry may find some."""

    reason = "storage-full"


class ObjectMissing(TerminalError):
    """No object has that name."""

    reason = "object-missing"


class CreationInDoubt(TransientError):
    """The connection broke too often to know whether the object was created: it may be there, whole."""

    reason = "creation-in-doubt"


class ChecksumMismatch(TransientError):
    """Bytes were changed on their way."""

    reason = "checksum-mismatch"


@dataclass(frozen=True, slots=True)
class ObjectStat:
    """An object's name and size in bytes."""

    name: str
    size: int


def checked(name: str) -> str:
    """An object's name, if it is one; UsageError ``bad-object-name`` if it could lead elsewhere."""
    if "\0" in name or not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise UsageError(
            "an object's name must be relative, with no empty part and no '..'", reason="bad-object-name"
        )
    return name


class Storage(ABC):
    """Objects under slash-separated names. Names hold no patient data and never ``..``."""

    @property
    @abstractmethod
    def uri(self) -> str:
        """What :func:`hilum.storage.open_storage` makes this same storage of again."""

    @abstractmethod
    def create(self, name: str, data: bytes) -> bool:
        """Create an object if there is none: True for exactly one of any number of racing callers.

        When it returns, the object is complete and outlives any process; nobody ever sees a part of it. A power cut
        may take the newest objects back, whole: their results are computed again (``hilum doctor --mend``).

        Raises:
            CreationInDoubt: from storage that is reached over a network. Any other error means: not created.
        """

    @abstractmethod
    def put_file(self, name: str, path: Path) -> None:
        """Store a file's content under a name that nobody else writes; ``path`` may be consumed (moved)."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """An object's bytes; ObjectMissing if there is none."""

    @abstractmethod
    def fetch(self, name: str, destination: Path) -> None:
        """Make ``destination`` a file with the object's content (a link where that is cheap)."""

    @abstractmethod
    def stat(self, name: str) -> ObjectStat | None:
        """The object's size, or None if there is none."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        """Every object whose name begins with ``prefix``, in the order of names."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove an object; absent is fine."""

    def sweep(self, before: datetime) -> int:
        """Remove what killed writers left half written, if it was last written ``before``; how many pieces."""
        return 0

    def local_path(self, name: str) -> Path | None:
        """The object as a file on this machine where it is one already, else None."""
        return None
