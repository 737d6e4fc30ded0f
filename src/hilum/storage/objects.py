"""The one place where an object is opened by its address, be it a file, an object of a bucket or a member of an
archive in either. Who reads objects (intake, attempts, the doctor) knows addresses only; another kind of address is
added here.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from types import MappingProxyType
from typing import BinaryIO

from hilum.errors import TerminalError, UnreadableError
from hilum.kernel.address import archive_of, file_version, is_in_bucket, is_local, local_path
from hilum.model.arrival import Arrival
from hilum.storage.archives import ArchiveFault, Member, members

Opened = BinaryIO | TerminalError


@contextmanager
def open_object(uri: str) -> Iterator[BinaryIO]:
    """An object as a stream that can be sought in.

    Raises:
        UnreadableError: ``not-regular``, ``unreadable``, ``unknown-address``, ``member-missing``, or what is wrong
            with an archive or its member.
    """
    for _uri, opened in open_objects([uri]):
        if isinstance(opened, TerminalError):
            raise opened
        yield opened


def open_objects(
    uris: Iterable[str], seen: Mapping[str, Arrival] = MappingProxyType({})
) -> Iterator[tuple[str, Opened]]:
    """Each of these objects as a stream, valid until the next is asked for, or why it cannot be had.

    Neighbours of one archive come in one pass over it, in the order in which they lie; neighbours in buckets are
    asked for several at once.

    Args:
        seen: what sources told of some of them, by address: that version is opened, and nobody asks which it is.
    """
    for archive, group in groupby(uris, key=archive_of):
        if archive:
            yield from _open_members(archive, dict.fromkeys(group))
            continue
        for in_bucket, some in groupby(group, key=is_in_bucket):
            for uri, opened in _open_in_buckets(some, seen) if in_bucket else _open_each(some):
                if isinstance(opened, TerminalError):
                    yield uri, opened
                    continue
                with opened:
                    yield uri, opened


def _open_each(uris: Iterable[str]) -> Iterator[tuple[str, Opened]]:
    for uri in uris:
        try:
            yield uri, _open(uri)
        except TerminalError as error:
            yield uri, error


def _open_in_buckets(uris: Iterable[str], seen: Mapping[str, Arrival]) -> Iterator[tuple[str, Opened]]:
    from hilum.storage.gcs.objects import open_ahead

    return open_ahead(uris, seen)


@contextmanager
def open_archive(uri: str) -> Iterator[tuple[BinaryIO, Iterator[Member] | None]]:
    """An archive and its members; None if the object is none.

    Raises:
        UnreadableError: as :func:`open_object`; :class:`~hilum.storage.archives.ArchiveFault` while iterating.
    """
    with _open(uri) as stream:
        yield stream, _members(uri, stream)


def version_at(uri: str) -> str | None:
    """The version of the object at this address, of a member's archive; None where nothing is."""
    uri = archive_of(uri) or uri
    return versions_at([uri])[uri]


def versions_at(uris: Iterable[str]) -> dict[str, str | None]:
    """The versions of objects that are no members, by address; None where nothing is, or nobody lets us see."""
    found: dict[str, str | None] = {}
    in_buckets = []
    for uri in uris:
        if is_in_bucket(uri):
            in_buckets.append(uri)
            continue
        try:
            found[uri] = file_version(os.stat(local_path(uri)))
        except (OSError, ValueError):
            found[uri] = None
    if in_buckets:
        from hilum.storage.gcs.listing import generations

        found.update(generations(in_buckets))
    return found


def _open(uri: str) -> BinaryIO:
    if is_local(uri):
        from hilum.dicom.header import open_object as open_file

        return open_file(local_path(uri))
    if is_in_bucket(uri):
        from hilum.storage.gcs.objects import open_in_bucket

        return open_in_bucket(uri)
    raise UnreadableError(
        "the object lies at an address that Hilum cannot read",
        reason="unknown-address",
        hint="objects must lie in files of this machine or in a bucket",
    )


def _members(uri: str, stream: BinaryIO) -> Iterator[Member] | None:
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return members(uri, stream, size)


def _open_members(archive: str, wanted: dict[str, None]) -> Iterator[tuple[str, Opened]]:
    missing: TerminalError = UnreadableError(
        "the archive has no such member", reason="member-missing", hint="run over the archive again"
    )
    try:
        with _open(archive) as stream:
            for member in _members(archive, stream) or ():
                if member.uri in wanted:
                    del wanted[member.uri]
                    yield member.uri, open_member(member, stream)
                if not wanted:
                    return
    except OSError as error:
        missing = _unreadable("archive", error)
    except TerminalError as error:
        missing = error
    yield from ((uri, missing) for uri in wanted)


def open_member(member: Member, archive: BinaryIO) -> Opened:
    """A member of this open archive, or why it cannot be had.

    Raises:
        ArchiveFault: neither it nor what comes behind can be had.
    """
    if member.fault is not None:
        return member.fault
    try:
        return member.place.open(archive)
    except ArchiveFault:
        raise
    except TerminalError as error:
        return error
    except OSError as error:
        return _unreadable("member", error)


def _unreadable(what: str, error: OSError) -> UnreadableError:
    return UnreadableError(
        f"the {what} cannot be read: {os.strerror(error.errno or 0).lower()}", reason="unreadable"
    )
