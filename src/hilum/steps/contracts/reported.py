"""Measurements as images report them: the document's model, and what a pipeline file declares of them. What is wrong
with one is told by its place in the document, never by its content, which may quote a header.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
)

from hilum.errors import StepError
from hilum.kernel.nearest import did_you_mean
from hilum.steps.context import MEASURABLE
from hilum.steps.contracts.interface import MeasuredByImage
from hilum.steps.declared import Reading

LARGEST = (1 << 63) - 1
"""Whole numbers of the warehouse have 64 bits."""


PLAIN = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
"""No control characters, which a terminal or a log would act upon; so written that JSON Schema has it too."""

Text = Annotated[StrictStr, Field(max_length=1024, pattern=PLAIN)]
Word = Annotated[StrictStr, Field(max_length=64, pattern=PLAIN)]
Name = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Uid = Annotated[StrictStr, Field(pattern=r"^[0-9][0-9.]{0,63}$")]
Value = StrictBool | Annotated[StrictInt, Field(ge=-LARGEST, le=LARGEST)] | StrictFloat | Text


class Document(BaseModel):
    """What all parts of a document have in common: unknown keys are errors, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Concept(Document):
    """What was measured, as a coded concept (PS3.3 8.8)."""

    value: Annotated[Word, Field(min_length=1)] = Field(description="Code value, such as 118565006.")
    scheme: Annotated[Word, Field(min_length=1)] = Field(
        description="Coding scheme designator, such as SCT, DCM or 99MINE."
    )
    meaning: Text = Field(description="Code meaning, for people.")


class Reported(Document):
    """A measurement."""

    name: Name = Field(description="How conditions and queries call it.")
    value: Value = Field(description="A finite number, a text without control characters, or a truth value.")
    unit: Word = Field("", description="UCUM code; empty: as declared in the pipeline file, else 1.")
    concept: Concept | None = Field(None, description="Absent: as declared in the pipeline file.")
    region: Annotated[Text, Field(max_length=256)] = Field(
        "", description="What part it is about; empty for all."
    )
    instances: list[Uid] = Field(
        default_factory=list, description="SOP Instance UIDs that it came from; empty for all of the input."
    )


Reports = TypeAdapter(list[Reported])


def read_measurements(data: bytes, declared: Sequence[Mapping[str, str]]) -> tuple[MeasuredByImage, ...]:
    """The measurements of a ``measurements.json``.

    Raises:
        StepError: ``bad-measurement``, ``undeclared-measurement``.
    """
    try:
        found = Reports.validate_json(data, strict=True)
    except ValidationError as error:
        place, what = _first(error)
        raise StepError(
            f"measurements.json is wrong at {place}: {what}",
            reason="bad-measurement",
            hint="it is a list of {name, value, unit, concept, region, instances}",
        ) from None
    return as_declared(found, declared)


def as_declared(
    found: Iterable[Reported], declared: Sequence[Mapping[str, str]]
) -> tuple[MeasuredByImage, ...]:
    """Measurements with unit and concept of the pipeline file where they have none of their own.

    Args:
        declared: name, kind, unit, code, scheme and meaning of each that may come; if empty, any may.

    Raises:
        StepError: ``bad-measurement`` for another kind of value, ``undeclared-measurement``.
    """
    known = {each["name"]: each for each in declared}
    return tuple(_as_declared(each, known) for each in found)


def _as_declared(found: Reported, known: Mapping[str, Mapping[str, str]]) -> MeasuredByImage:
    measure: Mapping[str, str] = {}
    if known:
        if found.name not in known:
            raise StepError(
                f"the image reported a measurement {found.name!r} that the pipeline file does not declare",
                reason="undeclared-measurement",
                hint=did_you_mean(found.name, known),
            )
        measure = known[found.name]
        kind = measure.get("kind", "number")
        if not isinstance(found.value, MEASURABLE[kind]) or (
            isinstance(found.value, bool) and kind != "boolean"
        ):
            raise StepError(
                f"the image reported a measurement {found.name!r} that is no {kind}", reason="bad-measurement"
            )
    unit = found.unit or measure.get("unit", "")
    reading = Reading(found.name, found.value, found.region, tuple(found.instances), unit)
    if found.concept:
        concept = found.concept
        return MeasuredByImage(reading, concept.value, concept.scheme, concept.meaning)
    return MeasuredByImage(
        reading, measure.get("code", ""), measure.get("scheme", ""), measure.get("meaning", "")
    )


def _first(error: ValidationError) -> tuple[str, str]:
    """Where a document is wrong for the first time, and how; of neither a word that the document itself chose."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    known = {*Reported.model_fields, *Concept.model_fields}
    place = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}"
        for part in first["loc"]
        if part in known or isinstance(part, int)
    )
    return place or "its beginning", first["type"].replace("_", " ")
