"""Reading an instance's header: its identity, facts for selectors, and its row for the warehouse.

Every object gives a header or one reason why not; no bytes whatsoever give any other error. Our own scanner reads;
what it does not know for certain, and what is wrong with an object, pydicom decides. Intake hashes an object as well,
so the stream can be handed in and used again after.
"""

from __future__ import annotations

import io
import os
import stat
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from hilum.dicom.elements import DataElement, decode
from hilum.dicom.facts import facts_of
from hilum.dicom.limits import changed, out_of_memory
from hilum.dicom.quiet import quiet_pydicom
from hilum.dicom.reader import check_pixels, corrupt, parse
from hilum.dicom.rows import row_text
from hilum.dicom.scan import Scanner, Unsure
from hilum.dicom.scan.feed import Feed
from hilum.dicom.scan.row import RowForm
from hilum.dicom.uid import is_valid_uid
from hilum.errors import HilumError, UnreadableError

SOP_CLASS, SOP_INSTANCE, STUDY, SERIES = IDENTITY = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)
IDENTIFYING = ("SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID")


@dataclass(frozen=True, slots=True)
class Header:
    """An instance's header.

    Attributes:
        transfer_syntax_uid: as the file meta information tells it, else as it was found out.
        facts: see :func:`hilum.dicom.facts.facts_of`.
        row: see :func:`hilum.dicom.rows.row_text`.
    """

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    transfer_syntax_uid: str
    facts: dict[str, Any] = field(default_factory=dict)
    row: str = "{}"


def open_object(path: str | Path) -> BinaryIO:
    """Open a file for :func:`read_header`; a FIFO or a device is refused before it could block.

    Raises:
        UnreadableError: ``not-regular``, or ``unreadable`` where the system refuses or the file is gone.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            os.scandir(path).close()  # it is an object only where this is refused
        if not stat.S_ISREG(mode):
            raise _not_regular()
        return open(path, "rb", opener=_opened)
    except (OSError, ValueError) as error:
        raise _refused(error) from None


def _opened(path: str, flags: int) -> int:
    """Open what was a regular file a moment ago; should it be a FIFO now, nobody waits for who writes to it."""
    opened = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise _not_regular()
    return opened


def _not_regular() -> UnreadableError:
    return UnreadableError("not a regular file", reason="not-regular")


def read_header(path: Path, stream: BinaryIO | None = None, *, facts: bool = True) -> Header:
    """Read a header up to the pixel data.

    Args:
        stream: the object, opened by the caller and left open, at any position; ``path`` is not touched then.
        facts: whether facts are wanted.

    Raises:
        IgnoredError: ``not-dicom``, ``dicomdir``.
        UnreadableError: ``empty``, ``truncated``, ``missing-uid``, ``invalid-uid``, ``corrupt-header``,
            ``not-regular``, ``unreadable``, ``changed-while-read``, ``out-of-memory``,
            or a limit of :mod:`hilum.dicom.limits`.
    """
    if stream is None:
        with open_object(path) as opened:
            return read_header(path, opened, facts=facts)
    try:
        size = stream.seek(0, io.SEEK_END)
        try:
            return _read(stream, size, facts)
        finally:
            if stream.seek(0, io.SEEK_END) != size:
                raise changed() from None
    except HilumError:
        raise
    except OSError as error:
        raise (corrupt() if error.errno is None else _refused(error)) from None
    except MemoryError:
        raise out_of_memory() from None
    except Exception:  # pydicom has no error of its own for bytes that it cannot take
        raise corrupt() from None


class _Scanners(threading.local):
    """Scanners for each thread, since they learn as they read: one for rows, one for rows with facts."""

    def __init__(self) -> None:
        self.forms = RowForm(IDENTIFYING), RowForm()
        self.scanners = tuple(map(Scanner, self.forms))


_scanners = _Scanners()


def _read(stream: BinaryIO, size: int, facts: bool) -> Header:
    try:
        return _scanned(stream, size, facts)
    except Unsure:
        pass  # and what the scanner held is freed
    with quiet_pydicom():
        return _parsed(stream, facts)


def _scanned(stream: BinaryIO, size: int, wanted: bool) -> Header:
    if not size:
        raise Unsure
    scanned = _scanners.scanners[wanted].scan(Feed(stream, size))
    row, facts = _scanners.forms[wanted].finish(scanned.parts, scanned.others)
    uids = [facts.get(keyword, "") for keyword in IDENTIFYING]
    if not all(map(is_valid_uid, (*uids, scanned.transfer_syntax_uid))):
        raise Unsure
    if scanned.position:
        feed = scanned.feed
        check_pixels(feed.stream, scanned.position, scanned.length, feed.size, scanned.little)
    instance, sop_class, series, study = uids
    told = facts if wanted else {}
    return Header(instance, sop_class, series, study, scanned.transfer_syntax_uid, told, row)


def _parsed(stream: BinaryIO, facts: bool = True) -> Header:
    parsed = parse(stream)
    elements = decode(parsed.meta) + decode(parsed.dataset, allowance=parsed.allowance)
    uids = _identity(elements)
    if not is_valid_uid(parsed.transfer_syntax_uid):
        raise _invalid()
    return Header(
        sop_instance_uid=uids[SOP_INSTANCE],
        sop_class_uid=uids[SOP_CLASS],
        series_instance_uid=uids[SERIES],
        study_instance_uid=uids[STUDY],
        transfer_syntax_uid=parsed.transfer_syntax_uid,
        facts=facts_of(elements) if facts else {},
        row=row_text(elements),
    )


def _identity(elements: Sequence[DataElement]) -> dict[int, str]:
    found = {element.tag: element.values for element in elements if element.tag in IDENTITY}
    if any(not found.get(tag) for tag in IDENTITY):
        raise UnreadableError("the object lacks a UID that identifies it", reason="missing-uid")
    if any(len(values) > 1 or not is_valid_uid(str(values[0])) for values in found.values()):
        raise _invalid()
    return {tag: str(values[0]) for tag, values in found.items()}


def _invalid() -> UnreadableError:
    return UnreadableError(
        "a UID of the object is not well-formed",
        reason="invalid-uid",
        hint="PS3.5 9.1 says what a UID may be",
    )


def _refused(error: Exception) -> UnreadableError:
    cause = error.strerror if isinstance(error, OSError) and error.strerror else "it cannot be opened"
    return UnreadableError(
        f"the object cannot be read: {cause.lower()}", reason="unreadable", hint="check its permissions"
    )
