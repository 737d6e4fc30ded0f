"""Writes docs/reference from the code, so that it cannot say anything else than the code does.

``python tools/reference.py`` writes the pages; ``--check`` writes nothing and fails if one is not as it would be.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
WRITTEN_BY = "<!-- Written by `make docs`; change the code instead. -->\n"


def logs() -> str:
    """Which fields a log line can have."""
    from hilum.kernel.disclosure import FIELDS

    rows = [(f"`{name}`", shape) for name, shape in sorted(FIELDS.items())]
    return f"""# Fields of a log line

Every line has `timestamp` (UTC, ISO 8601), `level`, `logger` (the module) and `event` (constant words). Beside them
it can have the fields below, if their values have the shape given. A field that is not in this list, or whose value
has another shape, is left out, and its name is listed under `refused`.

{table(("field", "shape"), rows)}
An exception stands under `error`: `kind` (its class), `frames` (`file:line:function`, innermost last), `cause`
(the same again), `errno` for the operating system's errors; `reason` and `message` for Hilum's own errors alone.
Records and warnings of libraries keep their logger, their `place` (file and line) and their class, never their text.
"""


def reasons() -> str:
    """Which reason codes there are, read off the source."""
    found = sorted(
        {
            reason
            for path in sorted((ROOT / "src").rglob("*.py"))
            for reason in _reasons(ast.parse(path.read_text()))
        }
    )
    rows = []
    for code, group in groupby(found, key=lambda reason: reason[0]):
        members = list(group)
        said = [text for _, text, _ in members if text]
        hints = sorted({hint for _, _, hint in members if hint})
        rows.append((f"`{code}`", "; ".join(said), "; ".join(hints)))
    return f"""# Reason codes

What quarantine entries, failed tasks and errors are grouped by. A code's meaning never changes; `...` stands for what
varies.

{table(("code", "what is wrong", "what to do"), rows)}"""


def _reasons(tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    """(code, message, hint) of every error that names its reason, and of every class that has one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            code = _text(named.get("reason"))
            if code and node.args and isinstance(node.func, ast.Name) and node.func.id[0].isupper():
                yield code, _text(node.args[0]), _text(named.get("hint"))
        elif isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "reason":
                    yield _text(line.value), _first_line(ast.get_docstring(node) or ""), ""


def _text(node: ast.expr | None) -> str:
    """A text in the source, with ``...`` for what is filled in; empty if it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "..." for part in node.values)
    return ""


def steps() -> str:
    """What the built-in steps take and give."""
    from hilum.steps.registry import StepRegistry

    registry = StepRegistry()
    parts = ["# Built-in steps\n\nWhat a pipeline's `uses` can name without installing anything else.\n"]
    for name in registry.names():
        step = registry.get(name)
        parts.append(f"## {name}\n\n{inspect.getdoc(step.function) or ''}\n")
        schema = step.parameters.model_json_schema()
        rows = [
            (f"`{key}`", _type(entry), f"`{entry.get('default', 'required')}`", entry.get("description", ""))
            for key, entry in schema.get("properties", {}).items()
        ]
        if rows:
            parts.append("Parameters:\n\n" + table(("name", "type", "default", "meaning"), rows))
        outputs = [(f"`{each.name}`", f"`{each.path}`", each.media_type) for each in step.outputs]
        if outputs:
            parts.append("Outputs:\n\n" + table(("name", "file", "type"), outputs))
        measures = [
            (
                f"`{each.name}`",
                each.kind,
                each.unit,
                f"{each.concept.meaning} ({each.concept.value}, {each.concept.scheme})",
            )
            for each in step.measurements
        ]
        if measures:
            parts.append("Measurements:\n\n" + table(("name", "kind", "unit", "concept"), measures))
    return "\n".join(parts)


def _type(entry: dict[str, Any]) -> str:
    if "enum" in entry:
        return " or ".join(f"`{value}`" for value in entry["enum"])
    return str(
        entry.get("type") or " or ".join(str(_type(choice)) for choice in entry.get("anyOf", [])) or "object"
    )


def commands() -> str:
    """Every command with its options, as ``--help`` says it."""
    import click

    main = import_module("hilum.cli.main").hilum
    parts = ["# Commands\n\nExit codes: 0 all done, 1 something failed or was quarantined, 2 wrong use.\n"]

    def add(command: click.Command, name: str, parent: click.Context | None) -> None:
        context = click.Context(
            command, info_name=name, parent=parent, max_content_width=100, terminal_width=100
        )
        parts.append(f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n")
        if isinstance(command, click.Group):
            for each in command.list_commands(context):
                if (child := command.get_command(context, each)) and not child.hidden:
                    add(child, each, context)

    add(main, "hilum", None)
    return "\n".join(parts)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _first_line(text: str) -> str:
    return _markdown(" ".join(text.split("\n\n")[0].split()).rstrip("."))


def _markdown(text: str) -> str:
    """A docstring's literals and roles as Markdown has them."""
    return re.sub(r":[a-z]+:`~?([^`]+)`", r"`\1`", text.replace("``", "`"))


def pipeline_schema() -> str:
    """The JSON Schema of pipeline files."""
    from hilum.pipeline.schema import pipeline_schema

    return json.dumps(pipeline_schema(), indent=2)


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "logs.md": logs,
    "pipeline.schema.json": pipeline_schema,
    "reasons.md": reasons,
    "steps.md": steps,
}


def main(arguments: list[str]) -> int:
    stale = []
    for name, write in PAGES.items():
        head = WRITTEN_BY + "\n" if name.endswith(".md") else ""
        path, text = REFERENCE / name, head + write().rstrip() + "\n"
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in arguments:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
    said = "to be written anew: make docs" if "--check" in arguments else "written"
    sys.stdout.write(
        "".join(f"docs/reference/{name}: {said}\n" for name in stale) or "docs/reference is up to date\n"
    )
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
