"""Lists of objects: a path or address a line, or a table with a column of them, as exports and queries give them.

It is read as it comes, so a list may be longer than memory, and a pipe.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import BinaryIO

from hilum.errors import UsageError

COLUMNS = ("fileuri", "file_uri", "uri", "url", "path", "file_path", "filepath", "file", "filename")
"""Headings of a column that is meant, the first of these that there is; capitals do not count."""
DELIMITERS = (",", "\t", ";")


def read_manifest(path: str) -> Iterator[str]:
    """What a list names, as it is written there.

    Args:
        path: a file in UTF-8 (bytes that are not stay what they are), or ``-`` for standard input.

    Raises:
        UsageError: ``manifest-file``, it cannot be read.
    """
    try:
        with _opened(path) as stream:
            yield from _entries(line.decode("utf-8", "surrogateescape") for line in stream)
    except OSError as error:
        raise UsageError(
            f"the list cannot be read: {(error.strerror or 'it is broken').lower()}",
            reason="manifest-file",
            hint="check what --from names",
        ) from None


def _opened(path: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb")


def _entries(text: Iterable[str]) -> Iterator[str]:
    lines = (
        line for line in text if line.strip("\ufeff \t\r\n") and not line.lstrip("\ufeff \t").startswith("#")
    )
    first = next(lines, None)
    if first is None:
        return
    first = first.removeprefix("\ufeff")
    if (table := _table(first)) is None:
        yield from (line.strip() for line in chain([first], lines))
        return
    delimiter, place = table
    for row in csv.reader(lines, delimiter=delimiter):
        if len(row) > place and row[place].strip():
            yield row[place].strip()


def _table(heading: str) -> tuple[str, int] | None:
    """Delimiter and place of the column that is meant, where this is a table's heading."""
    for delimiter in DELIMITERS:
        cells = [cell.strip().lower() for cell in next(csv.reader([heading], delimiter=delimiter), [])]
        for name in COLUMNS:
            if name in cells:
                return delimiter, cells.index(name)
    return None
