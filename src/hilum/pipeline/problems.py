"""What is wrong with a pipeline, all of it at once: a person mends a file in one go, not in one go a mistake."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from hilum.errors import UsageError
from hilum.kernel.nearest import did_you_mean

Path = tuple[str | int, ...]
"""A place in a pipeline: keys and list indices from the top, such as ``("steps", "qc", "with", "level")``."""

PATTERNS = {
    "name": "lower-case letters, digits and hyphens, beginning with a letter",
    "steps": "lower-case letters, digits and underscores, beginning with a letter",
    "image": "write registry/name:tag or registry/name@sha256:...",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where, what is wrong, and what may have been meant."""

    where: Path
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message


class PipelineError(UsageError):
    """A pipeline with mistakes; one line for each, with file and line where it came from a file."""

    reason = "bad-pipeline"


def pipeline_error(
    problems: Iterable[Problem], *, name: str = "", lines: Mapping[Path, int] | None = None
) -> PipelineError:
    """The error that lists these problems.

    Args:
        name: the file's or the pipeline's name. lines: line numbers of places in the file; without them, each line
            names the place by its keys.
    """
    if lines is None:
        told = [f"{name}: {'.'.join(map(str, found.where))}: {found}" for found in problems]
    else:
        numbered = sorted((_line(found.where, lines), str(found)) for found in problems)
        told = [f"{name}:{line}: {text}" for line, text in numbered]
    return PipelineError("\n".join(dict.fromkeys(told)))


def _line(where: Path, lines: Mapping[Path, int]) -> int:
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 1)


def problems_of(error: ValidationError, model: type[BaseModel], where: Path = ()) -> Iterator[Problem]:
    """Pydantic's complaints about data for ``model`` at ``where``, in words for the person who wrote it."""
    for details in error.errors(include_url=False):
        location = tuple(part for part in details["loc"] if part != "[key]")
        key = str(location[-1]) if location else ""
        kind, given = details["type"], details["input"]
        if kind == "extra_forbidden":
            hint = did_you_mean(key, _keys(_model_at(model, location[:-1])))
            yield Problem((*where, *location), f"unknown key {key!r}", hint)
        elif kind == "missing":
            yield Problem((*where, *location[:-1]), f"{key!r} is missing")
        elif kind == "value_error":
            yield Problem((*where, *location), details["msg"].removeprefix("Value error, "))
        elif kind == "string_pattern_mismatch":
            place = "steps" if "[key]" in details["loc"] else key
            yield Problem((*where, *location), f"{given!r} cannot be {_what(place)}", PATTERNS.get(place, ""))
        else:
            said = re.split(r", unable| after validation", details["msg"])[0]
            said = re.sub(r"^\w+ (?=should)", "", said)
            wish = re.sub(r"valid (?:dictionary|list|tuple).*", _wished, said)
            shown = repr(given) if isinstance(given, (str, int, float, bool, type(None))) else _shape(given)
            label = repr(key) if key else "the file"
            but = "" if kind.endswith(("too_short", "too_long")) else f", not {shown}"
            yield Problem((*where, *location), f"{label} {wish}{but}", _choice(details, given))


def _what(place: str) -> str:
    return {"name": "a pipeline's name", "steps": "a step's name", "image": "an image"}.get(
        place, f"a {place!r}"
    )


def _wished(found: re.Match[str]) -> str:
    return "mapping" if "dictionary" in found[0] else "list"


def _shape(given: Any) -> str:
    return (
        "a mapping"
        if isinstance(given, Mapping)
        else "a list"
        if isinstance(given, (list, tuple))
        else "this"
    )


def _choice(details: Mapping[str, Any], given: Any) -> str:
    expected = details.get("ctx", {}).get("expected", "")
    choices = [part for part in str(expected).split("'") if part.strip() not in ("", ",", "or")]
    return did_you_mean(given, choices) if isinstance(given, str) and choices else ""


def _keys(model: type[BaseModel] | None) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model_at(model: type[BaseModel], location: Iterable[str | int]) -> type[BaseModel] | None:
    for part in location:
        for name, field in model.model_fields.items():
            if part in (name, field.alias):
                inner = next(_models(field.annotation), None)
                if inner is None:
                    return None
                model = inner
                break
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models(argument)
