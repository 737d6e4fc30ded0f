"""What people read and programs parse: tables that are pleasant in a terminal and plain when piped, and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

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
    "superseded": "dim",
    "skipped": "dim",
}

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def console(*, stderr: bool = False) -> Console:
    """A console on standard output or error; colours only on a terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def print_json(value: Any) -> None:
    """A value as indented JSON."""
    click.echo(json.dumps(value, indent=2, default=_plain))


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
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for name in names:
        numeric = all(isinstance(row.get(name), (int, float, type(None))) for row in rows)
        table.add_column(name, justify="right" if numeric and rows else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(text(row.get(name)), style=style(row.get(name))) for name in names))
    console().print(table)


def text(value: Any) -> str:
    """A cell as short text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value, default=_plain, ensure_ascii=False)
    return str(value).replace("\t", " ").replace("\n", " ")


def style(value: Any) -> str:
    """The colour of a state word; nothing for other values."""
    return COLOURS.get(value, "") if isinstance(value, str) else ""


def counted(number: int, what: str) -> str:
    """``1 run``, ``2 runs``, ``1 series``."""
    if number == 1 or what.endswith("s"):
        return f"{number:,} {what}"
    return f"{number:,} {what[:-1]}ies" if what.endswith("y") else f"{number:,} {what}s"


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
