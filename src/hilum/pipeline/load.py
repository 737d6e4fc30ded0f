"""Pipeline files: YAML 1.2's plain values, with the line of everything that was written, so that a mistake can be
pointed at. PyYAML reads YAML 1.1, where ``on`` is true, ``1:30`` is ninety and a key may be given twice; none here.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from hilum.errors import UsageError
from hilum.pipeline.check import resolve
from hilum.pipeline.document import Pipeline
from hilum.pipeline.problems import Path as Place
from hilum.pipeline.problems import Problem, pipeline_error, problems_of
from hilum.steps.registry import StepRegistry

TAG = "tag:yaml.org,2002:"
PLAIN = {  # the core schema of YAML 1.2.2, 10.3.2
    "null": r"^(?:~|null|Null|NULL|)$",
    "bool": r"^(?:true|True|TRUE|false|False|FALSE)$",
    "int": r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$",
    "float": r"(?i)^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:e[-+]?[0-9]+)?|[-+]?\.inf|\.nan)$",
}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # C where there is a C library
    yaml_implicit_resolvers = {None: [(TAG + kind, re.compile(pattern)) for kind, pattern in PLAIN.items()]}  # noqa: RUF012


def load_pipeline(path: Path, registry: StepRegistry | None = None) -> Pipeline:
    """Read and check a pipeline file.

    Raises:
        PipelineError: everything that is wrong, a line each: ``file:line: what; hint``.
        UsageError: ``pipeline-file``, it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(
            f"pipeline file {path} cannot be read: {why}",
            reason="pipeline-file",
            hint="check the path; docs/reference/pipeline.md shows what stands in such a file",
        ) from None
    read = read_pipeline(text)
    problems = list(read.problems)
    if read.pipeline is not None:
        registry = registry or StepRegistry()
        problems += resolve(read.pipeline, registry, path.parent, read.dropped).problems
    if read.pipeline is None or problems:
        raise pipeline_error(problems, name=str(path), lines=read.lines)
    return read.pipeline


@dataclass(frozen=True, slots=True)
class Read:
    """What a file's text gave.

    Attributes:
        pipeline: what could be read; with problems, as much of it as has the right shape; None if nothing has.
        lines: line numbers of places. dropped: names of steps that were left out.
    """

    pipeline: Pipeline | None = None
    lines: Mapping[Place, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    dropped: frozenset[str] = frozenset()


def read_pipeline(text: str) -> Read:
    """A pipeline from YAML text, checked by its shape alone."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = Problem((), f"not YAML: {error.problem or error.context}")
        return Read(lines={(): mark.line + 1 if mark else 1}, problems=(problem,))
    except yaml.YAMLError:
        return Read(problems=(Problem((), "not YAML: a character that is not allowed"),))
    if node is None:
        return Read(problems=(Problem((), "the file is empty", "it needs a name and steps"),))
    reading = _Reading()
    data = reading.value(node, ())
    try:
        pipeline = Pipeline.model_validate(data, by_alias=True, by_name=False)
        return Read(pipeline, reading.lines, tuple(reading.problems))
    except ValidationError as error:
        problems = (*reading.problems, *problems_of(error, Pipeline))
        pruned = _pruned(data, error)
        return Read(
            pruned, reading.lines, problems, frozenset(_steps(data)) - set(pruned.steps if pruned else ())
        )


def _pruned(data: Any, error: ValidationError) -> Pipeline | None:
    """What is left without the places that are wrong, so that the rest can be checked too."""
    if not isinstance(data, dict):
        return None
    left = copy.deepcopy(data)
    for _ in range(3):  # a step that lost its only key is wrong as a whole, and so on upward
        for details in error.errors(include_url=False):
            _prune(left, details["loc"])
        left["name"] = "unnamed"
        try:
            return Pipeline.model_validate(left, by_alias=True, by_name=False)
        except ValidationError as next_error:
            error = next_error
    return None


def _prune(data: dict[str, Any], location: Place) -> None:
    keys = list(itertools.takewhile(lambda part: isinstance(part, str) and part != "[key]", location))
    place: Any = data
    for key in keys[:-1]:
        place = place.get(key) if isinstance(place, dict) else None
    if keys and isinstance(place, dict):
        place.pop(keys[-1], None)


def _steps(data: Any) -> list[str]:
    steps = data.get("steps") if isinstance(data, dict) else None
    return list(steps) if isinstance(steps, dict) else []


class _Reading:
    """Nodes to plain values, noting lines and mistakes on the way."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []
        self._open: list[yaml.Node] = []

    def value(self, node: yaml.Node, where: Place) -> Any:
        self.lines.setdefault(where, node.start_mark.line + 1)
        if node in self._open:
            self.problems.append(Problem(where, "an alias of what it is part of"))
            return None
        self._open.append(node)
        try:
            return self._value(node, where)
        finally:
            self._open.pop()

    def _value(self, node: yaml.Node, where: Place) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == TAG + "map":
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq":
            return [self.value(item, (*where, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            try:
                return _scalar(node)
            except ValueError:
                pass
        self.problems.append(Problem(where, f"{node.tag.replace(TAG, '!!')} is not taken here"))
        return None

    def _mapping(self, node: yaml.MappingNode, where: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.lines[*where, line] = line
                self.problems.append(Problem((*where, line), "a key must be a word"))
                continue
            key = str(key_node.value)
            if key in found:
                place = (*where, f"{key} again")
                self.lines[place] = line
                first = self.lines[*where, key]
                self.problems.append(Problem(place, f"{key!r} is given twice", f"first on line {first}"))
                continue
            self.lines[*where, key] = line
            found[key] = self.value(value_node, (*where, key))
        return found


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    match node.tag.removeprefix(TAG):
        case "str":
            return text
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
        case "float":
            return float(text.replace(".", "") if text.lower().endswith(("inf", "nan")) else text)
    raise ValueError(node.tag)
