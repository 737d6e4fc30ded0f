"""What people read and programs parse: tables that are pleasant in a terminal and plain when piped, and JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from hilum.cli.table import plain, table, text

COLOURS = {
    "succeeded": "green",
    "ok": "green",
    "accepted": "green",
    "failed": "red",
    "dead": "red",
    "error": "red",
    "quarantined": "yellow",
    "warning": "yellow",
    "running": "cyan",
    "blocked": "yellow",
}
FAINT = {"superseded", "skipped", "cancelled"}

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(value: Any) -> None:
    """A value as indented JSON."""
    click.echo(json.dumps(value, indent=2, default=plain))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Iterable[str] = (), title: str = "") -> None:
    """Rows of equal keys: a table in a terminal, tab-separated lines with a header when piped."""
    names = list(columns) or (list(rows[0]) if rows else [])
    if not sys.stdout.isatty():
        if title:
            click.echo(f"# {title}")
        click.echo("\t".join(names))
        for row in rows:
            click.echo("\t".join(text(row.get(name)) for name in names))
        return
    if title:
        click.echo("\n" + click.style(title, bold=True))
    for line in table(rows, names, terminal_width(), _paint, lambda name, _value: faint(name)):
        click.echo(line)


def terminal_width() -> int:
    """Cells across the terminal; 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def faint(shown: str) -> str:
    """Text that is there for whoever looks for it."""
    return click.style(shown, dim=True)


def coloured(word: str) -> str:
    """A state word in its colour; other words as they are."""
    return _paint(word, word)


def counted(number: int, what: str) -> str:
    """``1 run``, ``2 runs``, ``1 series``."""
    if number == 1 or what.endswith("s"):
        return f"{number:,} {what}"
    return f"{number:,} {what[:-1]}ies" if what.endswith("y") else f"{number:,} {what}s"


def tallied(counts: Mapping[str, int]) -> str:
    """``3 accepted, 1 duplicate``, largest first; nothing of what is 0."""
    some = sorted((item for item in counts.items() if item[1]), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{number:,} {name}" for name, number in some)


def _paint(shown: str, value: Any) -> str:
    if value in (0, None, "") or (isinstance(value, str) and value in FAINT):
        return faint(shown)
    colour = COLOURS.get(value) if isinstance(value, str) else None
    return click.style(shown, fg=colour) if colour else shown
