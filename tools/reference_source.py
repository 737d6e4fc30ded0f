"""Pages of the reference that are read off the source text: reason codes and the public Python interface."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from enum import Enum
from itertools import groupby
from pathlib import Path
from typing import Any

from markdown import as_markdown, first_paragraph, table

SOURCE = Path(__file__).resolve().parent.parent / "src"
OUTCOMES = ("AttemptOutcome", "TaskState", "Outcome")
SAID_OF_STATES = {
    "SKIPPED": "the task is skipped",
    "BLOCKED": "the task is blocked",
    "CANCELLED": "the attempt was stopped",
    "CRASHED": "the attempt's process ended before its work did",
    "FAILED": "the attempt failed",
    "LOST": "the attempt is lost: not counted, tried again",
    "OUT_OF_MEMORY": "the attempt is tried again with more memory, up to the limit",
    "TIMEOUT": "the attempt was ended",
    "QUARANTINED": "the object waits for a decision",
}


def reasons() -> str:
    """Which reason codes there are."""
    from hilum.steps.builtin.qc.findings import CODES

    trees = [ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))]
    found = sorted({reason for tree in trees for reason in _reasons(tree)})
    rows = []
    for code, group in groupby(found, key=lambda reason: reason[0]):
        members = list(group)
        said = dict.fromkeys(text for _, text, _ in members if text)
        hints = dict.fromkeys(hint for _, _, hint in members if hint)
        rows.append((f"`{code}`", as_markdown("; ".join(said)), as_markdown("; ".join(hints))))
    findings = [(f"`{code}`", severity, meaning) for code, (severity, meaning) in sorted(CODES.items())]
    return f"""# Reason codes

What quarantine entries, failed tasks and errors are grouped by. A code's meaning never changes; `...` stands for what
varies.

{table(("code", "what is wrong", "what to do"), rows)}
## Findings of `qc`

A finding is no failure: the step succeeds and says what it saw, in `findings.json` and in its measurements. The
verdict is `fail` with an error among the findings, `warn` with a warning, else `pass`.

{table(("code", "severity", "what was found"), findings)}"""


def _reasons(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """(code, message, hint) of every error that names its reason, every class that has one, every outcome."""
    constants = {
        line.targets[0].id: line.value
        for line in tree.body
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            code = _text(named.get("reason"), constants)
            if code and node.args and isinstance(node.func, ast.Name) and node.func.id[0].isupper():
                yield code, _text(node.args[0], constants), _text(named.get("hint"), constants)
            yield from _outcomes(node.args, constants)
        elif isinstance(node, ast.Tuple):
            yield from _outcomes(node.elts, constants)
        elif isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "reason":
                    yield _text(line.value, constants), first_paragraph(node_doc(node)), ""


def _outcomes(parts: list[ast.expr], constants: dict[str, ast.expr]) -> Iterator[tuple[str, str, str]]:
    """A state or outcome that is followed by its reason, and perhaps by what is said of it."""
    for place, part in enumerate(parts[:-1]):
        if isinstance(part, ast.Attribute) and ast.unparse(part.value) in OUTCOMES:
            code = _text(parts[place + 1], constants)
            if re.fullmatch(r"[a-z.-]+", code):
                said = _text(parts[place + 2], constants) if len(parts) > place + 2 else ""
                yield code, said or SAID_OF_STATES.get(part.attr, ""), ""


def node_doc(node: ast.ClassDef) -> str:
    """A class's docstring."""
    return ast.get_docstring(node) or ""


def _text(node: ast.expr | None, constants: dict[str, ast.expr]) -> str:
    """A text in the source, with ``...`` for what is filled in; empty if it is none."""
    if isinstance(node, ast.Name):
        node = constants.get(node.id)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _text(part, constants) if isinstance(part, ast.Constant) else "..." for part in node.values
        )
    return ""


def python() -> str:
    """What ``import hilum`` offers."""
    import hilum

    parts = [
        "# Python\n\nWhat `import hilum` offers; everything else is private and may change. How to use it: "
        "[Use it from Python](../how-to/python.md).\n"
    ]
    for name in sorted(hilum.__all__, key=str.lower):
        thing = getattr(hilum, name)
        if not name.startswith("__"):
            parts.append(f"## hilum.{name}\n\n" + "\n".join(_described(name, thing)))
    return "\n".join(parts)


def _described(name: str, thing: Any) -> Iterator[str]:
    """Signature, docstring and public members of a class or function."""
    plain = isinstance(thing, type) and issubclass(thing, Exception | Enum)
    if not plain:
        yield f"```text\n{name}({_parameters(thing)})\n```\n"
    if text := inspect.getdoc(thing):
        yield as_markdown(text) + "\n"
    if isinstance(thing, type) and issubclass(thing, Enum):
        yield "Values: " + ", ".join(f"`{member.value}`" for member in thing) + ".\n"
    if isinstance(thing, type) and not plain and (rows := list(_members(thing))):
        yield table(("member", "what it is"), rows)


def _members(thing: type) -> Iterator[tuple[str, str]]:
    """Methods and properties of a class that are documented, its bases' first."""
    ours = [each for each in reversed(thing.__mro__) if each.__module__.partition(".")[0] == "hilum"]
    members = {name: member for each in ours for name, member in vars(each).items()}
    for name, member in members.items():
        inner = getattr(member, "func", None) or getattr(member, "fget", None)
        function = inner or member
        if not name.startswith("_") and inspect.isfunction(function) and function.__doc__:
            called = "" if inner else f"({_parameters(function, typed=False)})"
            yield f"`{name}{called}`", first_paragraph(function.__doc__)


def _parameters(thing: Any, *, typed: bool = True) -> str:
    """Parameters as the source has them; of a dataclass its fields."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
    if isinstance(tree, ast.ClassDef):
        constructor = [
            line for line in tree.body if isinstance(line, ast.FunctionDef) and line.name == "__init__"
        ]
        inherited = [each for each in thing.__mro__[1:] if inspect.isfunction(vars(each).get("__init__"))]
        if not constructor and inherited and inherited[0].__module__.startswith("hilum."):
            return _parameters(inherited[0], typed=typed)
        if not constructor:
            return ", ".join(ast.unparse(line) for line in tree.body if isinstance(line, ast.AnnAssign))
        tree = constructor[0]
    assert isinstance(tree, ast.FunctionDef)
    given = tree.args
    given.args = [each for each in given.args if each.arg != "self"]
    for each in [*given.args, *given.kwonlyargs, given.vararg, given.kwarg]:
        if each is not None and not typed:
            each.annotation = None
    return ast.unparse(given)
