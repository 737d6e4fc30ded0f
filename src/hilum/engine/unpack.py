"""Archives on their way in: an archive's arrival becomes arrivals of its members, and at last one of its own.

The archive's own outcome comes behind those of its members, so an archive with an outcome was taken in completely,
and need not be opened again. Where members can be sought in they are only listed, and read like other objects; what
comes by once is read as it does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import BinaryIO, TypeVar

from hilum.errors import HilumError, IgnoredError, TerminalError
from hilum.kernel.address import archive_of, member_version
from hilum.model.arrival import Arrival, Received
from hilum.model.content import NOTHING
from hilum.storage.archives import Member
from hilum.storage.interface import ChecksumMismatch
from hilum.storage.objects import Opened, open_archive, open_member, open_objects

Receive = Callable[[Arrival, Opened], Received]
Taken = TypeVar("Taken")


@dataclass(frozen=True, slots=True)
class Listed:
    """A member that waits to be read, and where it lies."""

    arrival: Arrival
    member: Member


def listed(archive: Arrival) -> Iterator[Arrival | Listed | Received]:
    """What an archive holds that can be sought in; the arrival itself if it is none."""

    def waiting(arrival: Arrival, member: Member, _stream: BinaryIO) -> Listed | Received:
        return Listed(arrival, member) if member.fault is None else refused(arrival, member.fault)

    return _unpacked(archive, waiting)


def read_in_passing(archive: Arrival, receive: Receive) -> Iterator[Received]:
    """What an archive holds that comes by once, read; or the object that only seemed to be one."""

    def read(arrival: Arrival, member: Member, stream: BinaryIO) -> Received:
        return receive(arrival, open_member(member, stream))

    for item in _unpacked(archive, read):
        if isinstance(item, Received):
            yield item
        else:
            for _uri, opened in open_objects([archive.uri]):
                yield receive(archive, opened)


def read_listed(items: Sequence[Listed], receive: Receive) -> Iterator[Received]:
    """Members that were listed, in their order."""
    for archive, group in groupby(items, key=lambda item: archive_of(item.arrival.uri)):
        rest = iter(group)
        try:
            with open_archive(archive) as (stream, _members):
                for item in rest:
                    yield receive(item.arrival, open_member(item.member, stream))
        except (TerminalError, ChecksumMismatch) as error:
            yield from (refused(item.arrival, error) for item in rest)


def _unpacked(
    archive: Arrival, take: Callable[[Arrival, Member, BinaryIO], Taken]
) -> Iterator[Taken | Arrival | Received]:
    """What ``take`` makes of each member, and behind them the archive's own outcome; its arrival, if it is none."""
    end: HilumError = IgnoredError("its members arrived by themselves", reason="archive")
    try:
        with open_archive(archive.uri) as (stream, members):
            if members is None:
                yield archive
                return
            for member in members:
                version = member_version(archive.version, member.mark)
                arrival = replace(
                    archive, uri=member.uri, size=member.size, version=version, attested=NOTHING
                )
                yield take(arrival, member, stream)
    except OSError as error:
        yield barred(archive, error)
        return
    except (TerminalError, ChecksumMismatch) as error:
        end = error
    yield refused(archive, end)


def refused(arrival: Arrival, error: HilumError, digest: str = "") -> Received:
    """An arrival that is no instance, and why."""
    ignored = isinstance(error, IgnoredError)
    return Received(arrival, digest, problem=error.reason, ignored=ignored, detail=error.message)


def barred(arrival: Arrival, error: OSError, digest: str = "") -> Received:
    """An arrival that the system does not let us read."""
    detail = f"cannot be read: {os.strerror(error.errno or 0)}"
    return Received(arrival, digest, problem="unreadable", detail=detail)
