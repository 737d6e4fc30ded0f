"""Zip archives, as PKWARE's APPNOTE 6.3 has them: stored and deflated members, also with the 64-bit extensions.

The directory at the end is read before any content: how many members there are, what they expand to and that no two
share bytes are known before anything expands. Where a transfer was cut the directory is missing; then members are
found by the headers before each of them, until one is not whole.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from hilum.storage.archives.interface import ArchiveFault, Entries, Limits, bomb, corrupt, cut_off, too_many
from hilum.storage.archives.zip_cut import found_by_headers
from hilum.storage.archives.zip_member import ENCRYPTED, FULL32, LOCAL, LOCAL_FORM, ZipMember, entry, wide

CENTRAL, END, END64, LOCATOR = b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
CENTRAL_FORM = struct.Struct("<4sHHHHHHIIIHHHHHII")
END_FORM = struct.Struct("<4sHHHHIIH")
END64_FORM = struct.Struct("<4sQHHIIQQQQ")
LOCATOR_FORM = struct.Struct("<4sIQI")
FULL16 = 0xFFFF
LONGEST_DIRECTORY = 1 << 26


def begins_zip(head: bytes) -> bool:
    """Whether a file that begins so is a zip archive."""
    return head[:4] in (LOCAL, END)


def entries(stream: BinaryIO, size: int, limits: Limits) -> Entries:
    """Entries in the order in which they lie; an encrypted one counts against the archive."""
    try:
        members = _members(stream, size, limits)
    except ArchiveFault as fault:
        if fault.reason not in ("archive-corrupt", "archive-truncated"):
            raise
        for member in found_by_headers(stream, size, limits):
            yield entry(member, limits)
        raise
    encrypted = 0
    for member in members:
        if member.flags & ENCRYPTED:
            encrypted += 1
        elif not member.is_folder:
            yield entry(member, limits)
    if encrypted:
        raise ArchiveFault(
            f"{encrypted:,} of its members are encrypted",
            reason="archive-encrypted",
            hint="unpack it with its password",
        )


def _members(stream: BinaryIO, size: int, limits: Limits) -> list[ZipMember]:
    """All of them, as they lie, once it is known that they are no trap."""
    end = _end(stream, size)
    if end is None:
        raise cut_off()
    members = sorted(_directory(stream, *end, limits), key=lambda member: member.offset)
    _check(members, end[0], size, limits)
    return members


def _end(stream: BinaryIO, size: int) -> tuple[int, int, int] | None:
    """Where the directory begins, its length and how many entries it has; None where the archive has no end."""
    reach = min(size, END_FORM.size + FULL16)
    stream.seek(size - reach)
    tail = stream.read(reach)
    at = tail.rfind(END)
    if at < 0 or len(tail) - at < END_FORM.size:
        return None
    *_, count, length, begins, comment = END_FORM.unpack_from(tail, at)
    if at + END_FORM.size + comment != len(tail):
        return None
    ends = size - reach + at
    if FULL32 in (length, begins) or count == FULL16:
        stream.seek(max(0, ends - LOCATOR_FORM.size))
        locator = stream.read(LOCATOR_FORM.size)
        if locator[:4] == LOCATOR and len(locator) == LOCATOR_FORM.size:
            ends = LOCATOR_FORM.unpack(locator)[2]
            if ends > size:
                raise corrupt("its end leads nowhere")
            stream.seek(ends)
            end = stream.read(END64_FORM.size)
            if len(end) < END64_FORM.size or end[:4] != END64:
                raise corrupt("its end leads nowhere")
            *_, count, length, begins = END64_FORM.unpack(end)
    if begins + length != ends:
        raise corrupt("its directory is not where its end says")
    return begins, length, count


def _directory(stream: BinaryIO, begins: int, length: int, count: int, limits: Limits) -> Iterator[ZipMember]:
    if count > limits.members:
        raise too_many(limits)
    if length > LONGEST_DIRECTORY:
        raise corrupt("its directory is too large")
    stream.seek(begins)
    data = stream.read(length)
    at = 0
    for _ in range(count):
        try:
            (
                sign, _made, _needs, flags, method, _time, _date, crc, packed, size,
                name_length, extra_length, comment, disk, _internal, external, offset,
            ) = CENTRAL_FORM.unpack_from(data, at)  # fmt: skip
        except struct.error:
            raise corrupt("its directory is too short") from None
        at += CENTRAL_FORM.size
        name, extra = data[at : at + name_length], data[at + name_length : at + name_length + extra_length]
        at += name_length + extra_length + comment
        if sign != CENTRAL or at > length:
            raise corrupt("its directory is wrong")
        size, packed, offset = wide(extra, size, packed, offset)
        if disk not in (0, FULL16):
            raise corrupt("it is one of several parts")
        yield ZipMember(name, flags, method, crc, packed, size, offset, external >> 16)
    if at != length:
        raise corrupt("its directory has more entries than its end says")


def _check(members: list[ZipMember], directory: int, size: int, limits: Limits) -> None:
    """No two members share bytes, and together they expand to no more than they may."""
    free = 0
    for member in members:
        if member.offset < free:
            raise ArchiveFault(
                "members of the archive share their bytes",
                reason="archive-overlap",
                hint="make the archive again with another program",
            )
        free = member.offset + LOCAL_FORM.size + len(member.name) + member.packed
        if free > directory:
            raise corrupt("a member is not where the directory says")
    if sum(member.size for member in members) > limits.expanded(size):
        raise bomb()
