"""Archives read in place: what is in a ``.zip``, ``.tar``, ``.tar.gz``, ``.tgz``, ``.tar.zst`` or ``x.gz``, member by
member, each with an address and a version of its own. Nothing is ever written under a name that an archive chose.

A name's ending says what to expect and the first bytes decide; a file of another content is an object like any other.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from hilum.errors import TerminalError, UnreadableError
from hilum.kernel.address import archive_of, member_uri
from hilum.storage.archives import tar
from hilum.storage.archives.interface import ArchiveFault, Entries, Entry, Limits, Place, too_large, too_many
from hilum.storage.archives.streams import GZIP, ZSTD, Expanded, TooLong, gunzip, kept, unzstd
from hilum.storage.archives.zip import begins_zip
from hilum.storage.archives.zip import entries as zip_entries

__all__ = ["ArchiveFault", "Kind", "Limits", "Member", "Place", "kind_of", "members"]

SOUGHT_IN, PASSING, ALONE = (".zip", ".tar"), (".tar.gz", ".tgz", ".tar.zst"), (".gz",)
ENDINGS = (*SOUGHT_IN, *PASSING, *ALONE)


class Kind(StrEnum):
    """How an archive can be read.

    Where its members lie is known at once (``sought in``), or they come by one after another (``passing``), or there
    is but one (``alone``).
    """

    SOUGHT_IN = "sought-in"
    PASSING = "passing"
    ALONE = "alone"


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive.

    Attributes:
        uri: its address. size: bytes. mark: what its version adds to the archive's.
        place: opens it, in another process too where the archive can be sought in.
        fault: why it cannot be had.
    """

    uri: str
    size: int
    mark: str
    place: Place
    fault: TerminalError | None = None


def kind_of(uri: str) -> Kind | None:
    """What kind of archive the object at this address calls itself; None if none, and for a member of one."""
    if archive_of(uri):
        return None
    name = uri.lower()
    if name.endswith(SOUGHT_IN):
        return Kind.SOUGHT_IN
    if name.endswith(PASSING):
        return Kind.PASSING
    return Kind.ALONE if name.endswith(ALONE) else None


def members(uri: str, stream: BinaryIO, size: int, limits: Limits | None = None) -> Iterator[Member] | None:
    """The members of an archive in the order in which they lie; None if the object is none.

    Args:
        stream: the archive, open as long as members are read. size: its bytes.

    Raises:
        ArchiveFault: while iterating, where what comes next cannot be had.
    """
    limits = limits or Limits()
    entries = _entries(uri, stream, size, limits)
    return None if entries is None else _members(uri, entries, limits)


def _entries(uri: str, stream: BinaryIO, size: int, limits: Limits) -> Entries | None:
    head, name = stream.read(tar.BLOCK), uri.lower()
    stream.seek(0)
    if name.endswith(".zip"):
        return zip_entries(stream, size, limits) if begins_zip(head) else None
    if name.endswith(".tar"):
        return tar.entries(stream, size, limits) if tar.begins_tar(head) else None
    if name.endswith(".tar.zst"):
        if not head.startswith(ZSTD):
            return None
        return tar.entries_in_passing(Expanded(stream, unzstd, limits.expanded(size)), limits)
    if not head.startswith(GZIP):
        return None
    expanded = Expanded(stream, gunzip, limits.expanded(size))
    if name.endswith((".tar.gz", ".tgz")):
        return tar.entries_in_passing(expanded, limits)
    return _one(uri.rpartition("/")[2], expanded, limits)


def _one(name: str, expanded: Expanded, limits: Limits) -> Entries:
    """A file that is compressed alone: its one member has its name, without the ending."""
    from urllib.parse import unquote_to_bytes

    content: BinaryIO = io.BytesIO()
    size, fault = 0, None
    try:
        content = kept(expanded.pieces(limits.member))
        size = content.seek(0, io.SEEK_END)
        content.seek(0)
    except TooLong:
        fault = too_large(limits)
    with content:
        yield Entry(unquote_to_bytes(name)[: -len(".gz")], size, "0", _Kept(content), fault)


@dataclass(frozen=True, slots=True)
class _Kept:
    content: BinaryIO

    def open(self, _archive: BinaryIO) -> BinaryIO:
        return self.content


def _members(uri: str, entries: Entries, limits: Limits) -> Iterator[Member]:
    seen: Counter[bytes] = Counter()
    for count, entry in enumerate(entries):
        if count >= limits.members:
            raise too_many(limits)
        name = entry.name.removeprefix(b"./")
        seen[name] += 1
        nth = seen[name] if len(name) <= limits.name else count + 1
        fault = _refused(name, limits) or entry.fault
        yield Member(member_uri(uri, name[: limits.name], nth), entry.size, entry.mark, entry.place, fault)


def _refused(name: bytes, limits: Limits) -> TerminalError | None:
    """What a member's name alone speaks against."""
    if len(name) > limits.name:
        return UnreadableError(
            f"the member's name has more than {limits.name:,} bytes", reason="member-name-too-long"
        )
    parts = name.replace(b"\\", b"/").split(b"/")
    if parts[0] == b"" or b".." in parts or parts[0][1:2] == b":":
        return UnreadableError(
            "the member's name leads out of the archive",
            reason="member-outside",
            hint="make the archive again with names relative to its folder",
        )
    if name.lower().decode("latin-1").endswith(ENDINGS):
        return UnreadableError(
            "the member is an archive itself", reason="member-archive", hint="unpack the outer archive"
        )
    return None
