"""A zip archive without its directory: its members as the headers before them tell, as far as they are whole."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from hilum.storage.archives.interface import Limits, bomb, too_many
from hilum.storage.archives.streams import PIECE
from hilum.storage.archives.zip_member import (
    DEFLATED,
    ENCRYPTED,
    LOCAL,
    LOCAL_FORM,
    SIZES_BEHIND,
    ZipMember,
    wide,
)


def found_by_headers(stream: BinaryIO, size: int, limits: Limits) -> Iterator[ZipMember]:
    """Members from the first on, up to one that is not whole or does not say where it ends."""
    at, allowed = 0, limits.expanded(size)
    for _ in range(limits.members):
        stream.seek(at)
        head = stream.read(LOCAL_FORM.size)
        if len(head) < LOCAL_FORM.size or head[:4] != LOCAL:
            return
        _, _, flags, method, _, _, crc, packed, length, name_length, extra_length = LOCAL_FORM.unpack(head)
        name, extra = stream.read(name_length), stream.read(extra_length)
        length, packed = wide(extra, length, packed)
        start = at + LOCAL_FORM.size + name_length + extra_length
        if flags & ENCRYPTED:
            return
        if flags & SIZES_BEHIND:
            measured = _measure(stream, start, allowed) if method == DEFLATED else None
            if measured is None:
                return
            packed, length, crc = measured
        allowed -= length
        if start + packed > size:
            return
        if allowed < 0:
            raise bomb()
        member = ZipMember(name, flags, method, crc, packed, length, at)
        if not member.is_folder:
            yield member
        behind = _behind(stream, start + packed) if flags & SIZES_BEHIND else start + packed
        if behind is None:
            return
        at = behind
    raise too_many(limits)


def _measure(stream: BinaryIO, start: int, allowed: int) -> tuple[int, int, int] | None:
    """How long a deflated member is, packed and expanded, and its check sum; None if it is not whole."""
    inflater, packed, length, crc = zlib.decompressobj(-15), 0, 0, 0
    stream.seek(start)
    while not inflater.eof:
        given = inflater.unconsumed_tail
        if not given:
            given = stream.read(PIECE)
            packed += len(given)
        try:
            piece = inflater.decompress(given, PIECE)
        except zlib.error:
            return None
        if not given and not piece:
            return None
        crc, length = zlib.crc32(piece, crc), length + len(piece)
        if length > allowed:
            raise bomb()
    return packed - len(inflater.unused_data), length, crc


def _behind(stream: BinaryIO, ends: int) -> int | None:
    """Where the next header is, behind a data descriptor of any of its four forms; None if there is none."""
    stream.seek(ends)
    found = stream.read(28)
    for length in (16, 12, 24, 20):
        if found[length : length + 2] == b"PK":
            return ends + length
    return None
