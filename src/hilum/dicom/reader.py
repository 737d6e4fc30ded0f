"""Parsing an object up to its pixel data, with pydicom as the parser and one reason for each fault.

pydicom is lenient: bytes that are not there are silently less value. So each length is held against the object's
size as it is met, pixel data's included, which is then not read. A first window in memory answers for most
objects; what it does not answer cleanly is asked again of the whole object.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from hilum.dicom.limits import (
    EXPANDED,
    FRAGMENTS,
    HEADER,
    LONGEST_SWITCH,
    LONGEST_VALUE,
    Allowance,
    Metered,
    bomb,
    too_deep,
    too_large,
    too_long,
    too_many_fragments,
)
from hilum.dicom.standard.keywords import by_tag
from hilum.dicom.uid import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    MEDIA_STORAGE_DIRECTORY,
)
from hilum.dicom.values import BINARY, KNOWN
from hilum.errors import IgnoredError, UnreadableError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset
    from pydicom.tag import BaseTag

WINDOW = 1 << 16
BULK = 1 << 20
"""Binary values above this many bytes are passed over, not read."""
PADDING = 1 << 20
"""Behind the last element so many bytes are looked at; they have to be zeros."""

PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
UNDEFINED = 0xFFFFFFFF
ITEM, SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
SPECIFIC_CHARACTER_SET = 0x00080005
TRANSFER_SYNTAX, DIRECTORY_RECORDS = 0x00020010, 0x00041220
PREAMBLE, PREFIX = 128, b"DICM"


class Parsed(NamedTuple):
    """What was parsed: file meta information (PS3.10 7.1; may be empty), the data set before its pixel data, and
    the transfer syntax, told or found out. ``allowance`` is what is left for decoding it.
    """

    meta: Dataset
    dataset: Dataset
    transfer_syntax_uid: str
    allowance: Allowance


def parse(stream: BinaryIO) -> Parsed:
    """Parse an object from its beginning; the stream is left anywhere.

    Raises:
        IgnoredError: ``not-dicom``, ``dicomdir``.
        UnreadableError: ``empty``, ``truncated``, ``corrupt-header``, or a limit of :mod:`hilum.dicom.limits`.
        OSError: the stream itself failed; its ``errno`` is set.
    """
    size = stream.seek(0, io.SEEK_END)
    if size == 0:
        raise UnreadableError("the object has no bytes", reason="empty", hint="send it again")
    stream.seek(0)
    window = stream.read(WINDOW)
    start = first_element(window, size)
    if len(window) < size:
        try:
            return _parse(io.BytesIO(window), len(window), start, stream, size, Allowance())
        except Exception as error:  # whatever it was, the window may be the cause; the whole object decides
            if isinstance(error, IgnoredError) or getattr(error, "reason", "") == "deflate-bomb":
                raise
            stream.seek(0)
            return _judged(stream, start, stream, size)
    return _judged(io.BytesIO(window), start, stream, size)


def _judged(source: BinaryIO, start: int, stream: BinaryIO, size: int) -> Parsed:
    """:func:`_parse` with pydicom's errors told apart: the bytes ended, or they make no sense."""
    allowance = Allowance()
    metered = cast(BinaryIO, Metered(source, size, allowance))
    try:
        return _parse(metered, size, start, stream, size, allowance)
    except (IgnoredError, UnreadableError):
        raise
    except Exception as error:
        allowance.check()
        if RecursionError in (type(error), type(error.__context__)):
            raise too_deep() from None
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None):
            raise
        raise truncated() if source.tell() >= size else corrupt() from None


def truncated() -> UnreadableError:
    return UnreadableError(
        "the object ends before its data do", reason="truncated", hint="send it again; the transfer was cut"
    )


def corrupt() -> UnreadableError:
    return UnreadableError(
        "the header cannot be parsed", reason="corrupt-header", hint="check it with another DICOM reader"
    )


def first_element(head: bytes, size: int) -> int:
    """Where the first element is: after the preamble and prefix, or at once where it looks like DICOM's first."""
    if head[PREAMBLE : PREAMBLE + 4] == PREFIX:
        if size == PREAMBLE + 4:
            raise truncated()
        return PREAMBLE + 4
    if len(head) >= 8 and any(_may_be_first(head, order, size) for order in "<>"):
        return 0
    raise IgnoredError("the object is not DICOM", reason="not-dicom")


def _may_be_first(head: bytes, order: str, size: int) -> bool:
    """Whether an object without preamble begins as one can: with file meta, a directory or the identifying group."""
    group, number = struct.unpack(f"{order}HH", head[:4])
    known = by_tag(group << 16 | number)
    if group not in (0x0002, 0x0004, 0x0008) or (known is None and number):
        return False
    vr = "UL" if known is None else known.vr
    implicit_length = int.from_bytes(head[4:8], "little")
    return head[4:6] == vr.encode() or implicit_length <= min(size, 0xFFFF)


class _Watch:
    """Sees every element of the top level before its value is read, and says where to stop."""

    def __init__(self, source: BinaryIO, available: int, size: int) -> None:
        self._source, self._available, self._size = source, available, size
        self.pixels: tuple[int, int] | None = None
        self.last, self.end = 0, 0
        self.bulk: list[int] = []

    def __call__(self, tag: BaseTag, vr: str | None, length: int) -> bool:
        number = int(tag)
        position = self._source.tell()
        if number in PIXELS:
            self.pixels = (position, length)
            return True
        if number <= 0xFFFF:  # no data set has this group: padding or rubbish
            return True
        if length != UNDEFINED:
            if position + length > self._size:
                plausible = number > self.last > 0 and (number & 0x10000 or by_tag(number))
                raise truncated() if plausible else corrupt()
            if position + length > self._available:
                raise too_large()
            if number == SPECIFIC_CHARACTER_SET and length > LONGEST_SWITCH:
                raise too_long()
            self.end = position + length
            if length > BULK:
                self.bulk.append(number)
        else:
            self.end = 0
        self.last = number
        return False


def _parse(
    source: BinaryIO, available: int, start: int, stream: BinaryIO, size: int, allowance: Allowance
) -> Parsed:
    """Parse ``source``, which is ``stream`` or a window of ``available`` bytes on its beginning."""
    from pydicom.filereader import read_dataset

    source.seek(start)
    meta = read_dataset(source, False, True, stop_when=lambda tag, vr, length: int(tag) >> 16 != 2)
    syntax = _text(meta, TRANSFER_SYNTAX)
    if _text(meta, 0x00020002) == MEDIA_STORAGE_DIRECTORY:
        raise IgnoredError("the object is a DICOMDIR", reason="dicomdir")
    if syntax == DEFLATED_LITTLE_ENDIAN:
        data, size = inflate(stream, source.tell())
        stream, available = io.BytesIO(data), len(data)
        source = cast(BinaryIO, Metered(stream, available, allowance))
    implicit, little, found = encoding(source, syntax)
    watch = _Watch(source, available, size)
    watch.last = max(map(int, meta.keys()), default=0)
    dataset = read_dataset(source, implicit, little, stop_when=watch, defer_size=BULK)
    if DIRECTORY_RECORDS in dataset:
        raise IgnoredError("the object is a DICOMDIR", reason="dicomdir")
    if watch.pixels:
        check_pixels(stream, *watch.pixels, size, little)
    elif available < size:
        raise corrupt()
    else:
        _check_end(source, watch, dataset, size, little)
    for tag in watch.bulk:
        _load(source, dataset, tag)
    return Parsed(meta, dataset, syntax or found, allowance)


def _text(dataset: Dataset, tag: int) -> str:
    value = getattr(dataset.get_item(tag), "value", None)
    return value.rstrip(b"\0 ").decode("latin-1") if isinstance(value, bytes) else ""


def encoding(source: BinaryIO, syntax: str) -> tuple[bool, bool, str]:
    """Implicit VR?, little endian?, and the transfer syntax that this is, where the object does not tell."""
    if syntax:
        return syntax == IMPLICIT_LITTLE_ENDIAN, syntax != EXPLICIT_BIG_ENDIAN, syntax
    head = source.read(6)
    source.seek(-len(head), io.SEEK_CUR)
    if head[4:6].decode("latin-1") not in KNOWN:
        return True, True, IMPLICIT_LITTLE_ENDIAN
    if head[0] == 0 and head[1]:
        return False, False, EXPLICIT_BIG_ENDIAN
    return False, True, EXPLICIT_LITTLE_ENDIAN


def inflate(stream: BinaryIO, position: int) -> tuple[bytes, int]:
    """The data set that is deflated from here on (PS3.5 A.5), or its first part, and its whole size in bytes.

    Raises:
        UnreadableError: ``truncated``, ``corrupt-header``, ``deflate-bomb``.
    """
    stream.seek(position)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    kept, size = [], 0
    while not inflater.eof:
        chunk = inflater.unconsumed_tail or stream.read(WINDOW)
        try:
            part = inflater.decompress(chunk, BULK)
        except zlib.error:
            raise corrupt() from None
        if not chunk and not part:
            raise truncated()
        if size < HEADER:
            kept.append(part)
        size += len(part)
        if size > EXPANDED:
            raise bomb()
    return b"".join(kept), size


def check_pixels(stream: BinaryIO, position: int, length: int, size: int, little: bool) -> None:
    """Hold pixel data's length against the object's size; of encapsulated ones (PS3.5 A.4) each fragment's."""
    if length != UNDEFINED:
        if position + length > size:
            raise truncated()
        return
    header = struct.Struct("<HHI" if little else ">HHI")
    fragments = 0
    while position + header.size <= size:
        stream.seek(position)
        group, number, length = header.unpack(stream.read(header.size))
        if (tag := group << 16 | number) == SEQUENCE_END:
            return
        if tag != ITEM or length == UNDEFINED:
            raise corrupt()
        position += header.size + length
        if (fragments := fragments + 1) > FRAGMENTS:
            raise too_many_fragments()
    raise truncated()


def _check_end(source: BinaryIO, watch: _Watch, dataset: Dataset, size: int, little: bool) -> None:
    """Without pixel data the last element ends the object, but for padding with zeros."""
    if not watch.last:
        raise corrupt()
    if watch.last not in dataset:
        raise truncated()
    position = watch.end or _delimited_end(source, little)
    source.seek(position)
    rest = size - position
    if source.read(min(rest, PADDING)).strip(b"\0"):
        raise truncated() if rest < 8 else corrupt()


def _delimited_end(source: BinaryIO, little: bool) -> int:
    """Where a last element of undefined length ends: at its delimiter, behind which less than a header was read."""
    position = source.tell()
    start = max(position - 15, 0)
    source.seek(start)
    delimiter = struct.pack("<HH" if little else ">HH", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF)
    found = source.read(15).rfind(delimiter)
    return position if found < 0 else start + found + 8


def _load(source: BinaryIO, dataset: Dataset, tag: int) -> None:
    """Read a large value that was passed over, unless it is binary."""
    raw: Any = dataset.get_item(tag, keep_deferred=True)
    known = by_tag(tag)
    vr = raw.VR or ("UN" if known is None else known.vr)
    if raw.value is None and vr in KNOWN and vr not in BINARY:
        if vr != "SQ" and raw.length > LONGEST_VALUE:
            raise too_long()
        source.seek(raw.value_tell)
        dataset[tag] = raw._replace(value=source.read(raw.length))
