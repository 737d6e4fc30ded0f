"""Which files make up a table, and how one comes to be there.

A table is a folder. Each batch is a file that is named by its number, and a compacted file is named by the first and
last batch in it: ``batch-<n>.parquet``, ``compact-<first>-<last>.parquet``. A file whose batches lie within another's
does not count. So one rename is the commit of a batch, and one rename is the commit of a compaction; whatever a crash
leaves behind is either not a name that anybody reads or a file that does not count.

Where files of a table have not all the same columns, a name ends with a digest of them, ``-<shape>``, so that a query
opens one file of each shape to know the columns of all. A shape begins with the table's mark, which tells the columns
that every file has.

Beside them lies at times a list of rows that were replaced, ``replaced-<last>-<rows>-<count>.parquet``: up to batch
``last`` there are so many rows, and so many of them were replaced.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hilum.warehouse.interface import WarehouseDamaged, WarehouseUnavailable

PARTIAL = ".part-"
SPILL = ".spill-"

_NAME = re.compile(r"(?:batch-(\d{20})|compact-(\d{20})-(\d{20}))(?:-([0-9a-f]{12}))?\.parquet")
_REPLACED = re.compile(r"replaced-(\d{20})-(\d{12})-(\d{12})\.parquet")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file and the batches in it, first and last included; files of one ``shape`` have the same columns."""

    path: Path
    first: int
    last: int
    shape: str = ""

    @property
    def compacted(self) -> bool:
        return self.path.name.startswith("compact-")

    def holds(self, other: DataFile) -> bool:
        return self.first <= other.first and other.last <= self.last


@dataclass(frozen=True, slots=True)
class Replaced:
    """A list of replaced rows; see :mod:`hilum.warehouse.replaced`.

    Attributes:
        last: the batch up to which rows were compared. rows: how many there were. count: how many of them are listed.
    """

    folder: Path
    last: int
    rows: int
    count: int

    @property
    def path(self) -> Path:
        return self.folder / f"replaced-{self.last:020}-{self.rows:012}-{self.count:012}.parquet"


def replaced_lists(folder: Path) -> list[Replaced]:
    """A table's lists, newest first; that is the one that counts."""
    found = []
    with suppress(FileNotFoundError):
        for name in os.listdir(folder):
            if match := _REPLACED.fullmatch(name):
                last, rows, count = map(int, match.groups())
                found.append(Replaced(folder, last, rows, count))
    return sorted(found, key=lambda each: each.last, reverse=True)


def batch_path(folder: Path, batch: int, shape: str = "") -> Path:
    return folder / f"batch-{batch:020}{shape and '-'}{shape}.parquet"


def compact_path(folder: Path, first: int, last: int, shape: str = "") -> Path:
    return folder / f"compact-{first:020}-{last:020}{shape and '-'}{shape}.parquet"


def listing(folder: Path) -> tuple[list[DataFile], list[tuple[DataFile, DataFile]]]:
    """The files that count, oldest batches first; and those that do not, each with the one that holds it."""
    found = []
    with suppress(FileNotFoundError):
        for name in os.listdir(folder):
            if match := _NAME.fullmatch(name):
                batch, first, last, shape = match.groups(default="")
                found.append(DataFile(folder / name, int(batch or first), int(batch or last), shape))
    live: list[DataFile] = []
    covered = []
    for file in sorted(found, key=lambda file: (file.first, -file.last, not file.compacted, file.path)):
        if live and live[-1].holds(file):
            covered.append((file, live[-1]))
        else:
            live.append(file)
    return live, covered


def partial_files(folder: Path) -> Iterator[Path]:
    """Files that were being written; nobody reads them."""
    return folder.glob(f"{PARTIAL}*")


def publish(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file, make it durable and give it its name, in place of one that has it.

    Raises:
        WarehouseUnavailable: the file system would not take it.
    """
    temporary = path.with_name(f"{PARTIAL}{os.getpid()}-{os.urandom(4).hex()}")
    with _reported(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(temporary)
            flush(temporary)
            os.replace(temporary, path)
            flush(path.parent)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Make a file's content, or a folder's names, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def short_name(path: Path) -> str:
    """A file as messages call it: ``warehouse/runs/batch-….parquet``."""
    return "/".join(path.parts[-3:])


def damaged(path: Path) -> WarehouseDamaged:
    """The error for a file that is not what was written."""
    return WarehouseDamaged(
        f"{short_name(path)} is damaged",
        hint="restore it from a backup, or move it out of the home to go on without its rows",
    )


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise WarehouseUnavailable(
            f"cannot write {short_name(path)}: {(error.strerror or 'input/output error').lower()}",
            reason="disk-full" if full else None,
            hint="make room on the disk" if full else "check the permissions of the home",
        ) from error
