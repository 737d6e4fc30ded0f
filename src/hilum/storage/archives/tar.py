"""Tar archives (POSIX.1-2001 pax interchange format, ustar, and GNU's long names), from front to back.

Python's own reader takes a damaged header for the end of the archive, and reads an extended header of any size into
memory. Here neither goes unsaid or unlimited.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from hilum.errors import IgnoredError, TerminalError, UnreadableError
from hilum.storage.archives.interface import ArchiveFault, Entries, Entry, Limits, corrupt, cut_off, too_large
from hilum.storage.archives.streams import PIECE, Expanded, Forward, Plain, kept, window

BLOCK = 512
LONGEST_EXTENSION = 1 << 20
FILES = b"\0" + b"07"
LINKS, DEVICES, FOLDERS = b"12", b"346", b"5D"
PAX, PAX_GLOBAL, LONG_NAME, LONG_LINK, SPARSE = b"x", b"g", b"L", b"K", b"S"
HAVE_DATA = FILES + PAX + PAX_GLOBAL + LONG_NAME + LONG_LINK + SPARSE
KNOWN = HAVE_DATA + LINKS + DEVICES + FOLDERS + b"MNV"


def begins_tar(block: bytes) -> bool:
    """Whether a file that begins with this block is a tar archive."""
    return len(block) == BLOCK and (not block.strip(b"\0") or _sum_holds(block))


def entries(stream: BinaryIO, size: int, limits: Limits) -> Entries:
    """Entries of an uncompressed archive; their content can be sought in where it lies."""
    plain = Plain(stream, size)
    for found in _walk(plain):
        if found.at + found.size > size:
            raise cut_off()
        yield Entry(found.name, found.size, found.mark, _Piece(found.at, found.size), found.fault)
        stream.seek(found.at)
        _to_next(plain, found.size)


def entries_in_passing(expanded: Expanded, limits: Limits) -> Entries:
    """Entries of what a compressed file holds. Content is read when it is asked for, else left out."""
    for found in _walk(expanded):
        passing = _Passing(expanded, found.size)
        fault = found.fault or (too_large(limits) if found.size > limits.member else None)
        yield Entry(found.name, found.size, found.mark, passing, fault)
        passing.close()
        _to_next(expanded, passing.left, found.size)
    expanded.drain()


@dataclass(frozen=True, slots=True)
class _Found:
    """A header's tidings: name, size of the content and where it begins, and where the header itself does."""

    name: bytes
    size: int
    at: int
    mark: str
    fault: TerminalError | None


@dataclass(frozen=True, slots=True)
class _Piece:
    """Content that lies in the file as it is."""

    at: int
    size: int

    def open(self, archive: BinaryIO) -> BinaryIO:
        return window(archive, self.at, self.size)


class _Passing:
    """Content that comes by once."""

    def __init__(self, source: Forward, size: int) -> None:
        self._source = source
        self.left = size
        self._kept: BinaryIO | None = None

    def open(self, _archive: BinaryIO) -> BinaryIO:
        if self._kept is None:
            self._kept = kept(self._pieces())
        self._kept.seek(0)
        return self._kept

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()

    def _pieces(self) -> Iterator[bytes]:
        while self.left:
            piece = self._source.read(min(self.left, PIECE))
            if not piece:
                raise cut_off()
            self.left -= len(piece)
            yield piece


def _to_next(source: Forward, left: int, size: int | None = None) -> None:
    """Go on behind a content of ``size`` bytes, of which ``left`` are ahead, and what fills its last block."""
    source.skip(left + -(left if size is None else size) % BLOCK)


def _walk(source: Forward) -> Iterator[_Found]:
    """What the headers tell; the caller goes past each content."""
    at = 0
    name, size_told, sparse = b"", -1, False
    always: dict[bytes, bytes] = {}
    while block := source.read(BLOCK):
        begins = at
        at += BLOCK
        if len(block) < BLOCK:
            raise cut_off()
        if not block.strip(b"\0"):
            return
        if not _sum_holds(block):
            raise corrupt("a header's check sum is wrong")
        kind, size, told = block[156:157], _number(block[124:136]), _name(block)
        if kind in (PAX, PAX_GLOBAL, LONG_NAME, LONG_LINK):
            content = _extension(source, size)
            at += size + -size % BLOCK
            if kind == LONG_NAME:
                name = content.rstrip(b"\0")
            elif kind == PAX_GLOBAL:
                always |= _records(content)
            elif kind == PAX:
                own = _records(content)
                name = own.get(b"path", name)
                size_told = _decimal(own[b"size"]) if b"size" in own else size_told
                sparse = any(key.startswith(b"GNU.sparse.") for key in own)
            continue
        more = kind == SPARSE and block[482]
        while more:  # GNU's old form: further lists of where the holes are
            block = source.read(BLOCK)
            at += BLOCK
            more = len(block) == BLOCK and block[504]
        size = size_told if size_told >= 0 else size
        length = size if kind in HAVE_DATA or kind not in KNOWN else 0
        name = name or always.get(b"path", b"") or told
        if kind not in FOLDERS and not (kind in FILES and name.endswith(b"/")):
            yield _Found(name, length, at, f"{begins:x}", _fault(kind, sparse))
        else:
            _to_next(source, length)
        at += length + -length % BLOCK
        name, size_told, sparse = b"", -1, False
    raise cut_off()  # the end has a mark


def _fault(kind: bytes, sparse: bool) -> TerminalError | None:
    if kind in LINKS:
        return link()
    if kind in DEVICES:
        return UnreadableError("not a regular file", reason="not-regular")
    if kind == SPARSE or sparse:
        return UnreadableError(
            "the member is stored with holes",
            reason="member-sparse",
            hint="make the archive without --sparse",
        )
    return None


def link() -> IgnoredError:
    """A link is never followed: what it leads to within the archive is a member of its own."""
    return IgnoredError("the member is a link", reason="member-link")


def _extension(source: Forward, size: int) -> bytes:
    if size > LONGEST_EXTENSION:
        raise corrupt("an extended header is too large")
    content = source.read(size + -size % BLOCK)
    if len(content) < size:
        raise cut_off()
    return content[:size]


def _records(content: bytes) -> dict[bytes, bytes]:
    """The records ``<length> <key>=<value>\\n`` of a pax header."""
    found: dict[bytes, bytes] = {}
    while content:
        told, space, _ = content.partition(b" ")
        length = _decimal(told)
        record = content[len(told) + 1 : length]
        if not space or length <= len(told) or length > len(content) or not record.endswith(b"\n"):
            raise corrupt("an extended header is wrong")
        key, _, value = record[:-1].partition(b"=")
        found[key] = value
        content = content[length:]
    return found


def _name(block: bytes) -> bytes:
    name, prefix = block[:100].partition(b"\0")[0], block[345:500].partition(b"\0")[0]
    return prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > 20:
        raise corrupt("a number is none")
    return int(text)


def _number(field: bytes) -> int:
    """A header's number: octal digits, or where the first bit is set GNU's binary."""
    if field[0] & 0x80:
        number = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if number >> 62:
            raise corrupt("a size is impossible")
        return number
    text = field.strip(b" \0")
    try:
        number = int(text, 8) if text else 0
    except ValueError:
        raise corrupt("a number is none") from None
    if number < 0:
        raise corrupt("a size is impossible")
    return number


def _sum_holds(block: bytes) -> bool:
    """The check sum counts its own field as blanks; some old writers took bytes for signed."""
    try:
        told = _number(block[148:156])
    except ArchiveFault:
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(rest)
    return told in (unsigned, unsigned - 256 * sum(byte > 127 for byte in rest))
