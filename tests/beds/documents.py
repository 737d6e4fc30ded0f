"""The documentation as a program: the blocks of a page, run one after another in one folder, as a reader would.

What a fence's first words mean is told in CONTRIBUTING.md. Output that a page shows has to come out word by word,
except where the page says ``...``; how it is spaced does not count, so a page may align what is piped here.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^( *)```(\S*) ?([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FILES = ("python", "yaml", "toml", "ini")
RUN = ("bash", "sql", "python")
SHOWN = ("text", "json", "mermaid", "yaml")
TIMEOUT = 90.0


@dataclass(frozen=True)
class Block:
    """A fenced block: its kind, what stands behind it as ``key=value``, its text, its line in the page."""

    kind: str
    about: Mapping[str, str]
    text: str
    line: int

    @property
    def runs(self) -> bool:
        """Whether it is a command, rather than a file to be written or something to look at."""
        return self.kind in RUN and "file" not in self.about


def pages() -> list[Path]:
    """The pages whose commands are run: all but the reference, which is generated, and the decisions."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if page.parent.name not in ("reference", "adr")]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text()
    for found in FENCE.finditer(text):
        indent, kind, about, body = found.groups()
        named = dict(word.split("=", 1) for word in about.split())
        body = "".join(line.removeprefix(indent) for line in body.splitlines(keepends=True))
        yield Block(kind, named, body, text.count("\n", 0, found.start()) + 1)


class Reader:
    """Somebody who does what a page says, in a folder of their own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HILUM_")}
        own = {
            "PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', '')}",
            "HOME": str(folder),
            "TZ": "UTC",
            "COLUMNS": "120",
            "LC_ALL": "C.UTF-8",
        }
        self._environment = {**kept, **own, **environment}
        self._said: str | None = None

    def read(self, block: Block) -> None:
        """Do what a block says, or check what it shows; AssertionError where it does not hold."""
        if "file" in block.about and block.kind in FILES:
            path = self.folder / block.about["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        elif block.runs:
            self._said = self._run(block)
        elif block.kind == "text" and self._said is not None:
            assert matches(block.text, self._said), (
                f"line {block.line} shows\n{block.text}\nbut what came out was\n{self._said}"
            )
            self._said = None

    def _run(self, block: Block) -> str:
        commands = {
            "bash": ["bash", "-euo", "pipefail", "-c", block.text],
            "sql": ["hilum", "query", block.text],
            "python": [sys.executable, "-c", block.text],
        }
        done = subprocess.run(
            commands[block.kind],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        wanted = int(block.about.get("exit", 0))
        assert done.returncode == wanted, (
            f"line {block.line} ended with {done.returncode}, not {wanted}:\n{block.text}\n{done.stdout}"
        )
        return done.stdout


def matches(shown: str, said: str) -> bool:
    """Whether a page shows what a command said: equal words, with ``...`` for anything.

    A title that is printed to a terminal has a ``#`` before it when it is piped; pages show the former.
    """
    said = re.sub(r"^# ", "", said, flags=re.MULTILINE)
    pattern = re.escape(" ".join(shown.split())).replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern, " ".join(said.split()), re.DOTALL) is not None
