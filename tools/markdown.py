"""What the pages of the reference are put together from."""

from __future__ import annotations

import re
from collections.abc import Sequence


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def first_paragraph(text: str) -> str:
    """The first paragraph of a docstring on one line, as Markdown."""
    return as_markdown(" ".join(text.strip().split("\n\n")[0].split()).rstrip("."))


def as_markdown(text: str) -> str:
    """A docstring as Markdown: its literals, its roles, and its sections as lists."""
    text = re.sub(r":[a-z]+:`~?([^`]+)`", r"`\1`", text.replace("``", "`"))
    return re.sub(r"^([A-Z][a-z]+):\n((?: {4}.*\n?)+)", _section, text, flags=re.MULTILINE)


def _section(found: re.Match[str]) -> str:
    entries = re.sub(r"\n {8}", " ", found[2].rstrip("\n"))
    entries = re.sub(r"^ {4}(\*?\w+(?:, \w+)*):", r"- `\1`:", entries, flags=re.MULTILINE)
    entries = re.sub(r"^ {4}", "- ", entries, flags=re.MULTILINE)
    return f"{found[1]}:\n\n{entries}" + "\n" * found[2].endswith("\n")
