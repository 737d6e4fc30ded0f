"""Where steps are found by what a pipeline's ``uses`` says.

A registered step (``qc``) comes from the entry-point group ``hilum.steps``, so that any installed package can add
some; its module is imported only when the step is asked for. A local step (``./bones.py:volume``) comes from a
file, and a step declared in code is local to the file that declares it. A local step's code identity is the
digest of that one file, so what it imports should be installed: changes elsewhere are no part of its identity.
"""

from __future__ import annotations

import inspect
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from hilum.errors import HilumError, UsageError
from hilum.kernel.digest import digest_bytes
from hilum.kernel.nearest import did_you_mean
from hilum.steps.api import Step

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "hilum.steps"


class StepRegistry:
    """Steps by name: knows the installed ones from the start and learns those that are declared in code."""

    def __init__(self) -> None:
        self._declared: dict[str, Step] = {}
        self._loaded: dict[str, Step] = {}
        self._found: dict[str, list[EntryPoint]] | None = None

    def names(self) -> list[str]:
        """Names of installed and of declared steps, sorted; imports none of them."""
        return sorted({*self._installed(), *self._declared})

    def register(self, step: Step) -> Step:
        """Make a step declared in code known by its name; returns it with reference and code identity.

        Raises:
            UsageError: as :meth:`get`, or ``step-name-taken``.
        """
        located = self._locate(step)
        known = self._declared.get(step.name)
        if step.name in self._installed() or (known and known.reference != located.reference):
            raise UsageError(
                f"a step named {step.name!r} exists already",
                reason="step-name-taken",
                hint="choose another name",
            )
        self._declared[step.name] = located
        return located

    def get(self, uses: str | Step, base: Path | None = None) -> Step:
        """The step that ``uses`` names or is, with ``reference`` and code identity filled in.

        Args:
            uses: a registered name, a path with a function (``./file.py:function``), or a step declared in code.
            base: what a relative path starts from (the pipeline file's folder); default the working folder.

        Raises:
            UsageError: ``unknown-step``, ``ambiguous-step``, ``step-file``, ``step-import``, ``not-a-step``; and
                for a step that no other process could import ``step-without-file`` or ``nested-step``.
        """
        if isinstance(uses, Step):
            return self._locate(uses)
        if is_local(uses):
            return _from_file(uses, base or Path())
        if uses in self._declared:
            return self._declared[uses]
        if uses not in self._loaded:
            self._loaded[uses] = self._load(uses)
        return self._loaded[uses]

    def _installed(self) -> dict[str, list[EntryPoint]]:
        if self._found is None:
            from importlib.metadata import entry_points

            self._found = {}
            for entry in entry_points(group=GROUP):
                same = self._found.setdefault(entry.name, [])
                if entry.value not in [other.value for other in same]:
                    same.append(entry)
        return self._found

    def _load(self, name: str) -> Step:
        found = self._installed().get(name, [])
        if not found:
            raise UsageError(
                f"no step is named {name!r}", reason="unknown-step", hint=did_you_mean(name, self.names())
            )
        if len(found) > 1:
            packages = ", ".join(sorted(_package(entry) for entry in found))
            raise UsageError(
                f"several packages offer a step named {name!r}: {packages}",
                reason="ambiguous-step",
                hint="uninstall all but one",
            )
        try:
            step = found[0].load()
        except HilumError:
            raise
        except Exception as error:
            raise _import_error(f"step {name!r} of package {_package(found[0])}", error) from error
        if not isinstance(step, Step):
            raise _not_a_step(f"entry point {name!r}")
        return replace(step, name=name, package=_package(found[0]), reference=name)

    def _locate(self, step: Step) -> Step:
        """A step object as another process will find it: under its registered name, or in its source file."""
        if step.reference:
            return step
        for name, entries in self._installed().items():
            for entry in entries:  # its module is loaded, else there would be no step object of it
                if getattr(sys.modules.get(entry.module), entry.attr, None) is step:
                    return self.get(name)
        function = inspect.unwrap(step.function)
        code = getattr(function, "__code__", None)
        path = Path(code.co_filename) if code else Path()
        if not path.is_file():
            raise UsageError(
                f"step {step.name!r} was declared without a source file, so no worker process can import it",
                reason="step-without-file",
                hint="put it into a .py file and import it from there",
            )
        if function.__qualname__ != function.__name__:
            raise UsageError(
                f"step {step.name!r} is declared inside a function or class, where no worker process can find it",
                reason="nested-step",
                hint="move it to the top level of its file",
            )
        path = path.resolve()
        namespace = getattr(sys.modules.get(function.__module__), "__dict__", {})
        attribute = next((key for key, value in namespace.items() if value is step), function.__name__)
        return replace(step, reference=f"{path}:{attribute}", source=digest_bytes(path.read_bytes()))


def is_local(uses: str) -> bool:
    """Whether ``uses`` names a function in a file rather than a registered step."""
    return "/" in uses or ".py" in uses


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.module.partition(".")[0]


def _from_file(uses: str, base: Path) -> Step:
    file, _, name = uses.rpartition(":")
    if not file or not name.isidentifier():
        raise UsageError(
            f"{uses!r} names no function", reason="bad-step-reference", hint="write ./file.py:function"
        )
    path = (base / file).resolve()
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"step file {file} cannot be read: {error.strerror}",
            reason="step-file",
            hint="relative paths start from the pipeline file's folder",
        ) from error
    digest = digest_bytes(source)
    module = _module(path, digest)
    found = getattr(module, name, None)
    if found is None:
        steps = [key for key, value in vars(module).items() if isinstance(value, Step)]
        raise UsageError(f"{file} has no {name!r}", reason="unknown-step", hint=did_you_mean(name, steps))
    if not isinstance(found, Step):
        raise _not_a_step(f"{file}:{name}")
    return replace(found, reference=f"{path}:{name}", source=digest)


@cache
def _module(path: Path, digest: str) -> ModuleType:
    """The module of a source file, executed once for each content, under a name that no other module has.

    Compiled here rather than by the import system, whose bytecode cache goes by modification time in seconds.
    """
    name = f"hilum_local_{path.stem}_{digest_bytes(f'{path}:{digest}'.encode())[:16]}"
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    except Exception as error:
        del sys.modules[name]
        if isinstance(error, HilumError):
            raise
        raise _import_error(f"step file {path.name}", error) from error
    return module


def _import_error(what: str, error: Exception) -> UsageError:
    return UsageError(
        f"{what} cannot be imported: {type(error).__name__}: {error}",
        reason="step-import",
        hint="what it imports must be installed; a local step is one file",
    )


def _not_a_step(what: str) -> UsageError:
    return UsageError(f"{what} is not a step", reason="not-a-step", hint="decorate it with @hilum.step(...)")
