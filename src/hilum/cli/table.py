"""Tables for people: aligned columns without lines, never wider than the terminal.

Written by hand because the library that draws them takes longer to import than `hilum status` may take, and wraps a
table of many columns into letters. Here columns that are too wide are cut, and rows that have too many columns are
shown as records, one value a line. What a header says goes through :func:`text`, which lets no control character by.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

GAP = "  "
LEAST = 10
"""A column is not cut below so many cells."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

Paint = Callable[[str, Any], str]
"""A shown cell and its value, to the cell in colours."""


def text(value: Any) -> str:
    """A value as short text on one line, harmless to a terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, (list, tuple, dict)):
        value = json.dumps(value, default=plain, ensure_ascii=False)
    return CONTROL.sub(" ", str(value))


def plain(value: Any) -> Any:
    """A value that JSON lacks as text."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def table(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], width: int, paint: Paint, head: Paint
) -> Iterator[str]:
    """Lines of a table of ``rows``, at most ``width`` cells wide; records where that cannot be."""
    shown = [[text(row.get(name)) for name in columns] for row in rows]
    widths = [max(map(cells, column)) for column in zip(columns, *shown, strict=True)]
    fitting = fit(widths, width - len(GAP) * (len(columns) - 1))
    if fitting is None:
        yield from _records(rows, columns, width, paint, head)
        return
    numeric = [bool(rows) and all(_is_number(row.get(name)) for row in rows) for name in columns]
    yield _line(
        [
            head(_pad(name, size, right), name)
            for name, size, right in zip(columns, fitting, numeric, strict=True)
        ]
    )
    for row, line in zip(rows, shown, strict=True):
        parts = zip(columns, line, fitting, numeric, strict=True)
        yield _line([paint(_pad(cell, size, right), row.get(name)) for name, cell, size, right in parts])


def fit(widths: Sequence[int], room: int) -> list[int] | None:
    """Widths that fit into ``room``: the widest are cut first, none below LEAST. None if that is not enough."""
    if sum(min(width, LEAST) for width in widths) > room:
        return None
    most = max(widths, default=0)
    while sum(min(width, most) for width in widths) > room:
        most -= 1
    return [min(width, most) for width in widths]


def cells(shown: str) -> int:
    """How many cells of a terminal a text takes (Unicode Standard Annex 11)."""
    if shown.isascii():
        return len(shown)
    return sum(_cells(character) for character in shown)


def cut(shown: str, width: int) -> str:
    """As much of a text as fits, with an ellipsis for what is left out: of a path its beginning, else the end."""
    if cells(shown) <= width:
        return shown
    from_end = shown.startswith("/")
    kept, used = [], 0
    for character in reversed(shown) if from_end else shown:
        used += _cells(character)
        if used > width - 1:
            break
        kept.append(character)
    return "…" + "".join(reversed(kept)) if from_end else "".join(kept) + "…"


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _pad(shown: str, width: int, right: bool) -> str:
    shown = cut(shown, width)
    space = " " * (width - cells(shown))
    return space + shown if right else shown + space


def _line(parts: Sequence[str]) -> str:
    return GAP.join(parts).rstrip()


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _records(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], width: int, paint: Paint, head: Paint
) -> Iterator[str]:
    """A value a line under its name, empty ones left out."""
    label = min(max(map(cells, columns), default=0), width // 2)
    for number, row in enumerate(rows, start=1):
        yield head(f"row {number}", number)
        for name in columns:
            if shown := text(row.get(name)):
                cell = cut(shown, max(LEAST, width - label - len(GAP)))
                yield f"{_pad(name, label, False)}{GAP}{paint(cell, row.get(name))}"
