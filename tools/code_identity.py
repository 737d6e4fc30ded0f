"""What the built-in steps' code is, as a digest a step, beside the version that each says it has.

A step's version is its code identity: results are found again under it. So a change that may change results must
raise it, and forgetting that would hand out stale results for ever. The snapshot under tests/unit/steps makes
forgetting impossible; docs/adr/0005 says more.

The digest is over the syntax trees of the module that declares the step and of all that it imports from the steps
and from ``hilum.dicom``, without comments, docstrings and formatting.

``python tools/code_identity.py`` accepts the code as it is: for changes that cannot change what a step gives, and
after raising the version for those that can.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "tests" / "unit" / "steps" / "code_identity.json"
COUNTED = ("hilum.steps.builtin", "hilum.dicom")
NOT_COUNTED = ("hilum.dicom.phantom",)


def identities(source: Path = ROOT / "src") -> dict[str, dict[str, str]]:
    """Version and digest of every built-in step, with its code read from below ``source``."""
    from hilum.steps.registry import StepRegistry

    registry = StepRegistry()
    steps = [registry.get(name) for name in registry.names()]
    return {
        step.name: {"version": step.version, "digest": digest(source, step.function.__module__)}
        for step in steps
        if step.package == "hilum"
    }


def digest(source: Path, module: str) -> str:
    """SHA-256 over what a module and everything counted that it imports say."""
    found = hashlib.sha256()
    for name in sorted(_closure(source, module)):
        tree = ast.parse(_file(source, name).read_text())
        found.update(json.dumps([name, _said(tree)]).encode())
    return found.hexdigest()[:16]


def _closure(source: Path, module: str) -> set[str]:
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += _imports(source, ast.parse(_file(source, name).read_text()))
    return seen


def _imports(source: Path, tree: ast.Module) -> Iterator[str]:
    """Modules that count and that a tree imports anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            named = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in named:
            if (
                name.startswith(COUNTED)
                and not name.startswith(NOT_COUNTED)
                and _file(source, name).is_file()
            ):
                yield name


def _file(source: Path, module: str) -> Path:
    path = source.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _said(node: Any) -> Any:
    """A syntax tree as plain JSON, the same for every version of Python that can read it."""
    if isinstance(node, list):
        return [_said(each) for each in node if not _is_docstring(each)]
    if not isinstance(node, ast.AST):
        return repr(node)
    named = ((name, _said(value)) for name, value in ast.iter_fields(node) if value not in (None, []))
    return [type(node).__name__, dict(named)]


def _is_docstring(node: Any) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(identities(), indent=2) + "\n")
    sys.stdout.write(f"{SNAPSHOT.relative_to(ROOT)} written\n")
