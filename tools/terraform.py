"""Reads Terraform's configuration for what is written and checked from it: blocks with where they stand, the comment
above each, and what their expressions refer to. It evaluates nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hcl2

HEAD = re.compile(r'^(\w+)((?:\s+"[^"]+")*)\s*\{', re.MULTILINE)
MARK = "__is_block__"
PLAIN = hcl2.SerializationOptions(with_comments=False)
TRAVERSAL = re.compile(r"(?<![\w.\"-])([a-z_][a-z0-9_]*)((?:\.[a-zA-Z_][\w-]*|\[[^\[\]]*\])+)")
STEP = re.compile(r"\.([a-zA-Z_][\w-]*)|\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Block:
    """A block at the top of a file.

    Attributes:
        kind: resource, data, module, variable, output, locals, provider or terraform.
        labels: its labels, such as the type and name of a resource.
        body: arguments and blocks as python-hcl2 gives them: literal texts in quotes, expressions in ``${}``.
        comment: the lines of comment above it, joined.
    """

    kind: str
    labels: tuple[str, ...]
    body: dict[str, Any]
    file: Path
    line: int
    comment: str = ""

    @property
    def address(self) -> str:
        """As expressions name it."""
        prefix = {"variable": ["var"], "resource": []}.get(self.kind, [self.kind])
        return ".".join([*prefix, *self.labels])

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{self.file.parent.name}/{self.file.name}:{self.line}"


@dataclass
class Module:
    """A folder of configuration."""

    folder: Path
    blocks: list[Block] = field(default_factory=list)

    def of(self, kind: str) -> list[Block]:
        """The blocks of a kind."""
        return [block for block in self.blocks if block.kind == kind]

    def named(self, kind: str) -> dict[str, Block]:
        """The blocks of a kind by their last label."""
        return {block.labels[-1]: block for block in self.of(kind)}


def read(folder: Path) -> Module:
    """The module in a folder."""
    module = Module(folder)
    for file in sorted(folder.glob("*.tf")):
        text = file.read_text()
        places = [
            (found[1], tuple(re.findall(r'"([^"]+)"', found[2])), found.start())
            for found in HEAD.finditer(text)
        ]
        for kind, entries in hcl2.loads(text, serialization_options=PLAIN).items():
            for entry in entries:
                labels, body = _labelled(entry)
                at = next((at for k, names, at in places if (k, names) == (kind, labels)), 0)
                places = [each for each in places if each[2] != at or at == 0]
                line = text.count("\n", 0, at) + 1
                module.blocks.append(Block(kind, labels, body, file, line, _comment(text[:at])))
    return module


def modules(root: Path) -> list[Module]:
    """Every module below a folder, examples included."""
    return [read(folder) for folder in sorted({file.parent for file in root.rglob("*.tf")})]


def _labelled(entry: dict[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    labels: list[str] = []
    while MARK not in entry and len(entry) == 1:
        [(label, inner)] = entry.items()
        if not isinstance(inner, dict):
            break
        labels.append(label.strip('"'))
        entry = inner
    return tuple(labels), entry


def _comment(before: str) -> str:
    lines: list[str] = []
    for line in reversed(before.splitlines()):
        if not line.startswith("#"):
            break
        lines.insert(0, line.removeprefix("#").strip())
    return " ".join(lines)


def is_blocks(value: Any) -> bool:
    """Whether this was written as blocks rather than given with ``=``."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) and MARK in v for v in value)


def expression(value: Any) -> str | None:
    """The expression that a value is; None where it is a literal."""
    return value[2:-1] if isinstance(value, str) and value.startswith("${") and value.endswith("}") else None


def literal(value: Any) -> str | None:
    """The literal text that a value is; None where it is none, or has expressions in it."""
    if isinstance(value, str) and value.startswith('"') and "${" not in value and "%{" not in value:
        return value[1:-1]
    return None


def texts(value: Any) -> Iterator[str]:
    """Every text below a value, keys included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def references(value: Any) -> Iterator[tuple[str, ...]]:
    """What expressions below a value refer to, as the parts of a traversal: ``("var", "name")``. An index is a part
    in brackets. Names that a ``for`` gives are among them."""
    for text in texts(value):
        for code in _code(text):
            for found in TRAVERSAL.finditer(code):
                rest = tuple(name or f"[{index}]" for name, index in STEP.findall(found[2]))
                yield (found[1], *rest)
                for index in re.findall(r"\[([^\[\]]*)\]", found[2]):
                    yield from references(f"${{{index}}}")


def _code(text: str) -> Iterator[str]:
    """The expressions in a text of python-hcl2; in them, quoted parts are kept only where they hold expressions."""
    depth, start = 0, 0
    for at, letter in enumerate(text):
        if letter == "{" and (depth or text[at - 1 : at] in ("$", "%")):
            depth += 1
            if depth == 1:
                start = at + 1
        elif letter == "}" and depth:
            depth -= 1
            if depth == 0:
                yield from _without_literals(text[start:at])


def _without_literals(code: str) -> Iterator[str]:
    kept, rest, quoted = "", code, re.compile(r'"((?:[^"\\$]|\\.|\$(?!\{)|\$\{[^}]*\})*)"')
    while found := quoted.search(rest):
        kept += rest[: found.start()] + (
            '"' + found[1] + '"' if rest[: found.start()].endswith("[") else '""'
        )
        if "${" in found[1]:
            yield from _code(found[1])
        rest = rest[found.end() :]
    yield kept + rest
