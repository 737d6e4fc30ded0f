"""The two places of a pipeline that hold CEL: ``when`` selects subjects by header keywords, ``if`` decides by the
measurements of earlier steps. Both are checked when the pipeline is loaded and never raise when they are asked.

What is not there: in a selector, absent text is ``""`` and an absent list is ``[]``, as an empty DICOM attribute
(type 2) and a missing one mean the same in practice. An absent number has no such neutral value, so a comparison
with it is neither true nor false: ``A || B`` still holds if the other side does, and ``!A`` does not hold. A
measurement that was not reported is always of this last kind. ``has(X)`` asks whether a value is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from hilum.kernel.nearest import did_you_mean
from hilum.pipeline.cel import ExpressionError, Kind, Program, names

if TYPE_CHECKING:
    from hilum.dicom.standard.keywords import Element
    from hilum.steps.api import Measure

COUNT = "NumberOfInstances"
KINDS: dict[Kind, str] = {
    "string": "AE AS CS DA DT LO LT PN SH ST TM UC UI UR UT",
    "double": "DS FD FL",
    "int": "AT IS SL SS SV UL US UV",
}
MEASURED: dict[str, Kind] = {"number": "double", "integer": "int", "text": "string", "boolean": "bool"}
LARGEST = 1 << 63


class Measuring(Protocol):
    """Whatever declares measurements: a Python step, or what a pipeline file says of an image."""

    @property
    def measurements(self) -> Sequence[Measure]: ...


class Selector:
    """Which subjects a pipeline takes: CEL over header keywords and ``NumberOfInstances``."""

    def __init__(self, text: str) -> None:
        """Check and compile; an empty text takes everything.

        Raises:
            ExpressionError: a name that is no DICOM keyword, or types that do not fit, with what to write instead.
        """
        self.text = text.strip()
        self._program: Program | None = None
        if self.text:
            kinds = {name.path: _keyword_kind(name.path) for name in names(self.text)}
            self._program = Program(self.text, kinds)

    def matches(self, facts: Mapping[str, Any]) -> bool:
        """Whether a subject with these facts (keyword to plain JSON value) is taken; odd values count as absent."""
        if self._program is None:
            return True
        values = {name: fitted(kind, facts.get(name)) for name, kind in self._program.kinds.items()}
        blank = {name: _BLANK[kind] for name, kind in self._program.kinds.items() if kind in _BLANK}
        present = {name: value for name, value in values.items() if value is not None}
        return self._program.true(present, blank)


class Condition:
    """Whether a step is to run: CEL over ``<step>.<measurement>``."""

    def __init__(self, text: str, declared: Mapping[str, Measuring] | None = None) -> None:
        """Check and compile.

        Args:
            text: the expression; empty always holds.
            declared: the pipeline's other steps by their names there, whose measurements may be used; None trusts a
                text that was checked before.

        Raises:
            ExpressionError: an unknown step or measurement, or types that do not fit.
        """
        self.text = text.strip()
        paths = dict.fromkeys(name.path for name in names(self.text))
        kinds = {path: "dyn" if declared is None else _measurement_kind(path, declared) for path in paths}
        self.names: tuple[str, ...] = tuple(dict.fromkeys(path.partition(".")[0] for path in paths))
        self._program = Program(self.text, kinds) if self.text else None

    def holds(self, measured: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether it is true of these measurements: step name to measurement name to value."""
        if self._program is None:
            return True
        values: dict[str, Any] = {}
        for path, kind in self._program.kinds.items():
            step, _, measurement = path.partition(".")
            value = fitted(kind, measured.get(step, {}).get(measurement))
            if value is not None:
                values[path] = value
        return self._program.true(values)


_BLANK: dict[Kind, Any] = {"string": "", "list(string)": [], "list(int)": [], "list(double)": []}


def fitted(kind: Kind, value: Any) -> Any:
    """A value as CEL takes it for this kind, or None where it does not fit (a word where a number belongs)."""
    if kind.startswith("list("):
        of: Any = kind[5:-1]
        items = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
        fitting = [item for item in (fitted(of, item) for item in items) if item is not None]
        return fitting or None
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST
    if kind == "double":
        return float(value) if number else None
    if kind == "int":
        return int(value) if number and value == int(value) else None
    wanted = {"string": str, "bool": bool}.get(kind, (str, bool, int, float))
    return value if isinstance(value, wanted) else None


def _keyword_kind(name: str) -> Kind:
    if name == COUNT:
        return "int"
    from hilum.dicom.standard import keywords

    root, _, rest = name.partition(".")
    element = keywords.lookup(root)
    if element is None:
        close = keywords.nearest(root)
        quoted = f'text is written in quotes: "{root}"'
        hint = f"did you mean {close[0]!r}?" if close else quoted if root.isupper() else ""
        raise ExpressionError(f"{root!r} is no DICOM keyword", hint=hint)
    if rest:
        raise ExpressionError(
            f"{root!r} has no parts, so {name!r} is nothing", hint="sequences cannot be selected by"
        )
    return _element_kind(element)


def _element_kind(element: Element) -> Kind:
    representation = element.vr.partition(" ")[0]
    kind = next((kind for kind, listed in KINDS.items() if representation in listed.split()), None)
    if kind is None:
        what = "a sequence" if representation == "SQ" else "binary data"
        raise ExpressionError(
            f"{element.keyword!r} is {what}", hint="a selector takes text and numbers of the header"
        )
    if element.single:
        return kind
    lists: dict[str, Kind] = {"string": "list(string)", "int": "list(int)", "double": "list(double)"}
    return lists[kind]


def _measurement_kind(path: str, declared: Mapping[str, Measuring]) -> Kind:
    step, _, name = path.partition(".")
    if step not in declared:
        raise ExpressionError(f"no other step is named {step!r}", hint=did_you_mean(step, declared))
    found = {measure.name: measure for measure in declared[step].measurements}
    if name not in found:
        what = f"declares no measurement {name!r}" if name else "must be followed by a measurement's name"
        raise ExpressionError(f"step {step!r} {what}", hint=did_you_mean(name, found))
    return MEASURED[found[name].kind]
