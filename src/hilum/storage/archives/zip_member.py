"""A zip archive's member: what its headers say of it, and its content, held against its check sum."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from hilum.errors import TerminalError, UnreadableError
from hilum.storage.archives.interface import Entry, Limits, damaged, too_large
from hilum.storage.archives.streams import PIECE, kept, window
from hilum.storage.archives.tar import link

LOCAL = b"PK\x03\x04"
LOCAL_FORM = struct.Struct("<4sHHHHHIIIHH")
ENCRYPTED, SIZES_BEHIND = 0x1, 0x8
STORED, DEFLATED = 0, 8
UNIX_LINK, UNIX_KIND = 0o120000, 0o170000
FULL32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class ZipMember:
    """What a header tells: sizes ``packed`` and expanded, where the local header is, Unix's mode if any."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int = 0

    @property
    def is_folder(self) -> bool:
        return self.name.endswith(b"/") and not self.size


def entry(member: ZipMember, limits: Limits) -> Entry:
    place = _Place(member.offset, member.packed, member.size, member.crc, deflated=member.method == DEFLATED)
    mark = f"{member.crc:08x}-{member.offset:x}"
    return Entry(member.name, member.size, mark, place, _fault(member, limits))


@dataclass(frozen=True, slots=True)
class _Place:
    """Content behind the local header at ``offset``."""

    offset: int
    packed: int
    size: int
    crc: int
    deflated: bool

    def open(self, archive: BinaryIO) -> BinaryIO:
        start = self._start(archive)
        if self.deflated:
            return kept(self._inflated(window(archive, start, self.packed)))
        content = window(archive, start, self.size)
        self._hold(content)
        return content

    def _start(self, archive: BinaryIO) -> int:
        """The local header may have another length than the directory says."""
        archive.seek(self.offset)
        head = archive.read(LOCAL_FORM.size)
        if len(head) < LOCAL_FORM.size or head[:4] != LOCAL:
            raise damaged("it has no header")
        name, extra = LOCAL_FORM.unpack(head)[-2:]
        return int(self.offset + LOCAL_FORM.size + name + extra)

    def _hold(self, content: BinaryIO) -> None:
        """Hold content that is stored as it is against its check sum."""
        crc = 0
        while piece := content.read(PIECE):
            crc = zlib.crc32(piece, crc)
        if self.size != self.packed or crc != self.crc:
            raise damaged("its check sum is wrong")
        content.seek(0)

    def _inflated(self, packed: BinaryIO) -> Iterator[bytes]:
        inflater, crc, left = zlib.decompressobj(-15), 0, self.size
        while not inflater.eof:
            given = inflater.unconsumed_tail or packed.read(PIECE)
            try:
                piece = inflater.decompress(given, PIECE)
            except zlib.error:
                raise damaged("it does not expand") from None
            if not given and not piece:
                raise damaged("it ends early")
            left -= len(piece)
            if left < 0:
                raise damaged("it is longer than it says")
            crc = zlib.crc32(piece, crc)
            yield piece
        if left or crc != self.crc:
            raise damaged("its check sum is wrong")


def _fault(member: ZipMember, limits: Limits) -> TerminalError | None:
    kind = member.mode & UNIX_KIND
    if kind == UNIX_LINK:
        return link()
    if member.method not in (STORED, DEFLATED):
        return UnreadableError(
            f"the member is compressed by method {member.method}",
            reason="member-method",
            hint="make the archive with deflate",
        )
    if member.method == DEFLATED and member.size > limits.member:
        return too_large(limits)
    return None


def wide(extra: bytes, *told: int) -> tuple[int, ...]:
    """Numbers that do not fit into 32 bits stand in the extra field 0x0001, in this order."""
    numbers, at = list(told), 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            field = extra[at + 4 : at + 4 + length]
            for index, number in enumerate(numbers):
                if number == FULL32 and len(field) >= 8:
                    numbers[index], field = int.from_bytes(field[:8], "little"), field[8:]
        at += 4 + length
    return tuple(numbers)
