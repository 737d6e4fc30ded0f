"""The pipeline file as a model: plain data, the same whether it was written in YAML or in Python.

The model checks shape and values; what needs the registry or the DICOM dictionary (does this step exist, does it
take this parameter, is this condition's measurement declared) is in check.py.

    pipeline("chest", when='Modality == "CT"', steps={
        "qc": "qc",
        "volume": use(bone_volume, parameters={"threshold": 300}, condition="qc.slices_missing == 0"),
    })
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from hilum.model.subject import Scope
from hilum.pipeline.containers import IMAGE, KEYS, ONE_OR_MORE, ImageKeys, Model, listed
from hilum.pipeline.problems import pipeline_error, problems_of
from hilum.pipeline.quantities import Cores, Duration, Size
from hilum.steps.api import Step
from hilum.steps.registry import StepRegistry

M = TypeVar("M", bound=BaseModel)
STEP_NAME = r"^[a-z][a-z0-9_]*$"


class Settle(Model):
    """When a subject counts as complete where nothing else says so."""

    quiet: Duration = Field(60.0, description="No instance has arrived for this long.")
    at_most: Duration = Field(
        5400.0, description="This long after the first instance, whatever still arrives."
    )

    @model_validator(mode="after")
    def _possible(self) -> Settle:
        if self.at_most < self.quiet:
            raise ValueError("at_most is shorter than quiet, which then could never decide")
        return self


class Resources(Model):
    """What an attempt at a step may use."""

    cpu: Cores = Field(1.0, description="Cores.")
    memory: Size = Field(4 << 30, description="Bytes of memory; more ends the attempt as out of memory.")
    gpu: int = Field(0, ge=0, description="Graphics processors.")
    scratch: Size | None = Field(None, description="Bytes of disk for files that are thrown away.")


class RetryPolicy(Model):
    """How often a step is tried again after a transient failure."""

    attempts: int = Field(3, ge=1, le=100, description="Attempts in all.")
    backoff: Duration = Field(10.0, description="Wait before the second; doubled each time.")


class StepSpec(ImageKeys):
    """A step of a pipeline. Either ``uses`` a Python step or runs a container ``image``."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["uses"]}, {"required": ["image"]}]})

    uses: str | None = Field(
        None,
        min_length=1,
        description="A registered step such as qc, or ./file.py:function beside the pipeline file.",
    )
    image: str | None = Field(
        None,
        pattern=IMAGE,
        description="A container image. A tag is resolved to its digest when runs are planned.",
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict, alias="with", description="The step's parameters."
    )
    needs: Annotated[tuple[str, ...], BeforeValidator(listed), WithJsonSchema(ONE_OR_MORE)] = Field(
        (), description="Steps whose outputs this one sees."
    )
    condition: str = Field(
        "",
        alias="if",
        description="CEL over measurements of other steps; the step is skipped where it is not true.",
    )
    resources: Resources | None = None
    timeout: Duration = Field(600.0, gt=0, description="An attempt is stopped after this long.")
    retry: RetryPolicy = RetryPolicy()

    @model_validator(mode="after")
    def _one_kind(self) -> StepSpec:
        if (self.uses is None) == (self.image is None):
            raise ValueError("a step has either uses or image")
        if not self.image and (foreign := sorted(KEYS & self.model_fields_set)):
            raise ValueError(f"{foreign[0]} is about an image, and this step has none")
        return self


class Pipeline(Model):
    """A named graph of steps, a selector saying which subjects it takes, and its scope."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9-]*$", max_length=63, description="Lower-case letters, digits and hyphens."
    )
    scope: Scope = Field(Scope.SERIES, description="What a run is about.")
    when: str = Field(
        "", description="CEL over DICOM keywords and NumberOfInstances; empty takes every subject."
    )
    settle: Settle = Settle()
    priority: int = Field(100, ge=0, le=1000, description="Runs with a higher priority go first.")
    max_running: int | None = Field(
        None, ge=1, description="At most so many attempts of this pipeline at a time."
    )
    steps: dict[Annotated[str, Field(pattern=STEP_NAME)], StepSpec] = Field(min_length=1)


def use(
    step: Step | str,
    *,
    parameters: BaseModel | Mapping[str, Any] | None = None,
    needs: Sequence[str] = (),
    condition: str = "",
    resources: Resources | Mapping[str, Any] | None = None,
    timeout: str | timedelta = "10m",
    retry: RetryPolicy | Mapping[str, Any] | None = None,
) -> StepSpec:
    """A step of a pipeline declared in code; ``step`` is a step object or what ``uses`` would say.

    Raises:
        UsageError: a step object that no worker process could import. PipelineError: wrong values.
    """
    plain = (
        parameters.model_dump(mode="json") if isinstance(parameters, BaseModel) else dict(parameters or {})
    )
    return _valid(
        StepSpec,
        {
            "uses": step if isinstance(step, str) else StepRegistry().get(step).reference,
            "parameters": plain,
            "needs": tuple(needs),
            "condition": condition,
            "resources": resources,
            "timeout": timeout,
            "retry": retry or RetryPolicy(),
        },
    )


def pipeline(
    name: str,
    *,
    steps: Mapping[str, StepSpec | Step | str],
    scope: Scope | Literal["series", "study"] = Scope.SERIES,
    when: str = "",
    settle: Settle | Mapping[str, Any] | None = None,
    priority: int = 100,
    max_running: int | None = None,
) -> Pipeline:
    """The Python twin of a pipeline file; a step is a spec made by :func:`use`, a step object or a registered name.

    Raises:
        UsageError, PipelineError: as :func:`use`.
    """
    specs = {key: value if isinstance(value, StepSpec) else use(value) for key, value in steps.items()}
    return _valid(
        Pipeline,
        {
            "name": name,
            "scope": scope,
            "when": when,
            "settle": settle or Settle(),
            "priority": priority,
            "max_running": max_running,
            "steps": specs,
        },
    )


def _valid(model: type[M], data: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise pipeline_error(problems_of(error, model), name=str(data.get("name", "use()"))) from None
