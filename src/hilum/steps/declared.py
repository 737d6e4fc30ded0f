"""What a step declares and reports, as plain values. They are apart from :mod:`hilum.steps.api`, which checks
parameters with pydantic: what stages and collects for an image starts in every pod, and needs no more than these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "integer", "text", "boolean"]


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept (PS3.3 8.8): value, scheme designator and meaning."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Output:
    """A declared output file.

    Attributes:
        name: how other steps and people call it.
        path: file name in the output folder; may be a glob where ``many``.
        media_type: RFC 6838 type.
        required: its absence fails the task with reason ``output-missing``.
        many: any number of files may match ``path``.
    """

    name: str
    path: str
    media_type: str = "application/octet-stream"
    required: bool = True
    many: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """A declared measurement: name as conditions write it, coded concept, UCUM unit, kind of value."""

    name: str
    concept: Code
    unit: str = "1"
    kind: Kind = "number"


@dataclass(slots=True)
class Reading:
    """A measurement as a step reported it, before the attempt gives it an id."""

    name: str
    value: float | int | str | bool
    region: str = ""
    instances: tuple[str, ...] = ()
    unit: str = ""
