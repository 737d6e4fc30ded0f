"""Whether files are written as `terraform fmt` writes them. Terraform itself cannot be had everywhere (no package
registry has it), so the two rules that people break are looked at here as well; where terraform is, it decides.

    two spaces a level, and `=` of neighbouring arguments in one column
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ARGUMENT = re.compile(r'^(\s*)([\w"-]+|\([^)]*\))(\s*) = ?(.*)$')


def faults(file: Path) -> list[str]:
    """Lines that are not as they should be."""
    lines = file.read_text().split("\n")
    return [f"{file.parent.name}/{file.name}:{line}: {said}" for line, said in _faults(lines)]


def _faults(lines: list[str]) -> Iterator[tuple[int, str]]:
    depth, group = 0, list[tuple[int, int, int]]()
    ends = ""
    for number, line in enumerate([*lines, ""], 1):
        if ends:
            ends = "" if line.strip() == ends else ends
            continue
        code = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line).partition("#")[0]
        if line != line.rstrip() or "\t" in line:
            yield number, "spaces at the end, or a tab"
        closing = len(re.match(r"\s*([\])}]*)", code)[1])  # type: ignore[index]
        if line.strip() and len(line) - len(line.lstrip()) != 2 * max(0, depth - min(closing, 1)):
            yield number, "is not indented by two spaces a level"
        found = ARGUMENT.match(line) if not line.lstrip().startswith("#") else None
        opens = sum(code.count(each) for each in "{[(") - sum(code.count(each) for each in "}])")
        if found and opens <= 0 and "<<" not in code:
            name = len(found[1]) + len(found[2])
            group.append((number, name, name + len(found[3])))
        if not found or opens > 0:
            yield from _columns(group)
            group = []
        depth += (opens > 0) - (opens < 0)
        if heredoc := re.search(r"<<-?(\w+)$", code):
            ends = heredoc[1]


def _columns(group: list[tuple[int, int, int]]) -> Iterator[tuple[int, str]]:
    column = max((name for _, name, _ in group), default=0)
    for number, _, at in group:
        if at != column:
            yield number, "its = is not in the column of its neighbours"
