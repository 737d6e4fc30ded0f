"""Checks of a pipeline that need more than its own text: the registry, the DICOM dictionary, the steps' declared
parameters and measurements. Everything is checked, whatever else is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from hilum.errors import UsageError
from hilum.kernel.digest import canonical_json
from hilum.kernel.nearest import did_you_mean
from hilum.pipeline.document import Pipeline, StepSpec
from hilum.pipeline.expressions import Condition, Selector
from hilum.pipeline.graph import find_cycle
from hilum.pipeline.images import Declared, declared, image_problems
from hilum.pipeline.problems import Problem, problems_of
from hilum.steps.api import Output, Step
from hilum.steps.registry import StepRegistry


@dataclass(slots=True)
class Resolved:
    """A pipeline against the registry, as far as it could be resolved.

    Attributes:
        selector: of ``when``.
        steps: Python steps by their names in the pipeline.
        images: what steps that run an image declare, by their names in the pipeline.
        parameters: complete, defaults filled in, as plain JSON.
        after: steps that a step's condition reads.
    """

    selector: Selector = field(default_factory=lambda: Selector(""))
    steps: dict[str, Step] = field(default_factory=dict)
    images: dict[str, Declared] = field(default_factory=dict)
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    after: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def outputs(self, name: str) -> Sequence[Output] | None:
        """What a step declares to give; None where that is not known."""
        if name in self.steps:
            return self.steps[name].outputs
        return self.images[name].outputs if name in self.images else None


def resolve(
    pipeline: Pipeline,
    registry: StepRegistry,
    base: Path | None = None,
    dropped: frozenset[str] = frozenset(),
) -> Resolved:
    """Look up and check everything; what is wrong is in ``problems``. Nothing is raised.

    Args:
        base: folder from which relative ``uses`` start; default the working folder.
        dropped: names of steps that are in the file but not in ``pipeline``, their shape being wrong.
    """
    resolved = Resolved()
    try:
        resolved.selector = Selector(pipeline.when)
    except UsageError as error:
        resolved.problems.append(Problem(("when",), error.message, error.hint))
    for name, spec in pipeline.steps.items():
        resolved.problems.extend(_resolve_step(resolved, name, spec, registry, base))
    for name, spec in pipeline.steps.items():
        resolved.problems.extend(_needs(name, spec, {*pipeline.steps, *dropped}))
        if spec.image:
            given = {need: resolved.outputs(need) for need in spec.needs if need in pipeline.steps}
            resolved.problems.extend(image_problems(name, spec, pipeline.scope, given))
        resolved.problems.extend(
            _condition(resolved, name, spec, {**pipeline.steps, **dict.fromkeys(dropped)})
        )
    before = {name: (*spec.needs, *resolved.after.get(name, ())) for name, spec in pipeline.steps.items()}
    if cycle := find_cycle(before):
        where = ("steps", cycle[0], "needs" if cycle[1] in pipeline.steps[cycle[0]].needs else "if")
        resolved.problems.append(Problem(where, f"steps need each other in a circle: {' -> '.join(cycle)}"))
    return resolved


def _resolve_step(
    resolved: Resolved, name: str, spec: StepSpec, registry: StepRegistry, base: Path | None
) -> Iterator[Problem]:
    if spec.uses is None:
        resolved.images[name] = declared(spec)
        resolved.parameters[name] = spec.parameters
        try:
            canonical_json(spec.parameters)
        except ValueError:
            yield Problem(("steps", name, "with"), "parameters must be plain and finite")
        return
    if spec.resources and (spec.resources.gpu or spec.resources.scratch):
        what = "gpu" if spec.resources.gpu else "scratch"
        yield Problem(("steps", name, "resources", what), f"{what!r} can be reserved for images only")
    try:
        step = resolved.steps[name] = registry.get(spec.uses, base)
    except UsageError as error:
        yield Problem(("steps", name, "uses"), error.message, error.hint)
        return
    where = ("steps", name, "with")
    try:
        model = step.parameters.model_validate(spec.parameters)
    except ValidationError as error:
        for problem in problems_of(error, step.parameters, where):
            parameter = problem.message.replace("unknown key", f"step {step.name!r} has no parameter")
            yield Problem(problem.where, parameter, problem.hint)
        return
    plain = model.model_dump(mode="json", by_alias=True)
    if not _survives(model, plain):
        yield Problem(where, "parameters must be plain and finite, to be the same in another process")
        return
    resolved.parameters[name] = plain


def _survives(model: BaseModel, plain: dict[str, Any]) -> bool:
    try:
        canonical_json(plain)
        return type(model).model_validate(plain) == model
    except ValueError:
        return False


def _needs(name: str, spec: StepSpec, known: set[str]) -> Iterator[Problem]:
    for index, need in enumerate(spec.needs):
        where = ("steps", name, "needs", index)
        if need not in known:
            yield Problem(where, f"there is no step {need!r} to need", did_you_mean(need, known - {name}))
        elif need in spec.needs[:index]:
            yield Problem(where, f"{need!r} is named twice")


def _condition(
    resolved: Resolved, name: str, spec: StepSpec, known: Mapping[str, StepSpec | None]
) -> Iterator[Problem]:
    others: dict[str, Step | Declared] = {**resolved.steps, **resolved.images}
    others.pop(name, None)
    try:
        read = Condition(spec.condition).names
        unresolved = [other for other in read if other in known and other not in others and other != name]
        if not unresolved:  # else its own problem is told, and nothing can be said here
            resolved.after[name] = Condition(spec.condition, others).names
    except UsageError as error:
        yield Problem(("steps", name, "if"), error.message, error.hint)
