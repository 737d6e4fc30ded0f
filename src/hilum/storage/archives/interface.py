"""What an archive's format gives: its entries, one after another, in one pass; and what nobody takes from strangers.

An entry that cannot be had is the entry's own fault and the next one follows. What is wrong with the archive itself
ends it with :class:`ArchiveFault`: what came before that stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from hilum.errors import TerminalError, UnreadableError


class ArchiveFault(UnreadableError):
    """What is wrong with an archive as a whole: members that were not given yet cannot be had."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may ask of a machine.

    Attributes:
        members: how many it may have.
        member: bytes that a compressed member may expand to.
        ratio, slack: all of it may expand to ``ratio`` times its own size and ``slack`` bytes.
        name: bytes of a member's name.
    """

    members: int = 250_000
    member: int = 4 << 30
    ratio: int = 100
    slack: int = 1 << 30
    name: int = 4096

    def expanded(self, size: int) -> int:
        """Bytes that an archive of ``size`` bytes may expand to."""
        return size * self.ratio + self.slack


class Place(Protocol):
    """Where an entry's content lies. Those of an archive that can be sought in can be pickled."""

    def open(self, archive: BinaryIO) -> BinaryIO:
        """The content as a seekable stream, valid as long as the archive's, or until the next entry is asked for.

        Raises:
            UnreadableError: ``member-corrupt``.
            ArchiveFault: neither it nor what comes behind can be had.
        """
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in an archive, as the archive tells it.

    Attributes:
        name: bytes as the archive has them, in whatever encoding. size: bytes once expanded.
        mark: tells apart what was at this name in other states of the archive.
        fault: why it cannot be had; it is not opened then.
    """

    name: bytes
    size: int
    mark: str
    place: Place
    fault: TerminalError | None = None


Entries = Iterator[Entry]


def corrupt(what: str) -> ArchiveFault:
    """The archive breaks its format's rules; what comes behind cannot be found."""
    return ArchiveFault(
        f"the archive is damaged: {what}", reason="archive-corrupt", hint="make it again, or send it again"
    )


def cut_off() -> ArchiveFault:
    """The archive ends too early."""
    return ArchiveFault(
        "the archive ends before its members do",
        reason="archive-truncated",
        hint="send it again; the transfer was cut",
    )


def too_many(limits: Limits) -> ArchiveFault:
    """The archive has more members than anyone should put into one."""
    return ArchiveFault(
        f"the archive has more than {limits.members:,} members",
        reason="archive-too-many-members",
        hint="unpack it, if you trust it",
    )


def bomb() -> ArchiveFault:
    """The archive is a small one of something huge."""
    return ArchiveFault(
        "the archive expands to more than its size can justify",
        reason="archive-bomb",
        hint="unpack it, if you trust it",
    )


def too_large(limits: Limits) -> UnreadableError:
    """A compressed member is huge."""
    return UnreadableError(
        f"the member expands to more than {limits.member >> 20:,} MiB",
        reason="member-too-large",
        hint="unpack the archive, if you trust it",
    )


def damaged(what: str) -> UnreadableError:
    """A member's bytes are not those that were put in."""
    return UnreadableError(
        f"the member is damaged: {what}", reason="member-corrupt", hint="make the archive again"
    )
