"""How a step is declared. A step is a Python function of a context and its parameters, with its outputs and
measurements declared beside it, so that a pipeline can be checked before anything runs and a result can be
coded without the step knowing ledger or warehouse.

    @step("bone-volume", version="1", outputs=[Output("mask", "mask.nii.gz", "application/gzip")],
          measurements=[Measure("volume", Code("118565006", "SCT", "Volume"), "mL")])
    def bone_volume(ctx: Context, parameters: BoneVolumeParameters) -> None: ...
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from hilum.errors import UsageError
from hilum.steps.declared import Code, Measure, Output, Reading

if TYPE_CHECKING:
    from hilum.steps.context import Context

__all__ = ["Code", "Measure", "NoParameters", "Output", "Parameters", "Reading", "Step", "step"]


class Parameters(BaseModel):
    """Base of a step's parameters: unknown names are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Step:
    """A declared step.

    Attributes:
        name: registered name.
        version: raise it whenever results may change: it is the step's code identity.
        package: distribution that ships it; with name and version the code identity.
        light: may share an attempt with neighbouring light steps.
        source: for local files, the digest of the source, which then is the code identity.
        reference: what a pipeline's ``uses`` says to reach it again in another process.
    """

    name: str
    version: str
    function: Callable[..., None]
    parameters: type[BaseModel]
    outputs: tuple[Output, ...] = ()
    measurements: tuple[Measure, ...] = ()
    summary: str = ""
    package: str = ""
    light: bool = True
    source: str = ""
    reference: str = ""

    @property
    def code(self) -> dict[str, str]:
        """Code identity, a part of the task key."""
        if self.source:
            return {"step": self.name, "source": self.source}
        return {"package": self.package, "step": self.name, "version": self.version}

    def __call__(self, ctx: Context, parameters: Any = None) -> None:
        """Run the function itself: how a unit test of a step calls it."""
        if self.parameters is NoParameters and not _takes_parameters(self.function):
            self.function(ctx)
        else:
            self.function(ctx, parameters if parameters is not None else self.parameters())


class NoParameters(Parameters):
    """For steps that take none."""


def step(
    name: str | None = None,
    *,
    version: str = "1",
    outputs: Sequence[Output] = (),
    measurements: Sequence[Measure] = (),
    light: bool = True,
) -> Callable[[Callable[..., None]], Step]:
    """Declare a function as a step; its second parameter's annotation is the parameter model.

    Raises:
        UsageError: the function's signature is not ``(ctx)`` or ``(ctx, parameters: Model)``.
    """

    def declare(function: Callable[..., None]) -> Step:
        return Step(
            name=name or function.__name__.replace("_", "-"),
            version=version,
            function=function,
            parameters=_parameter_model(function),
            outputs=tuple(outputs),
            measurements=tuple(measurements),
            summary=(inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " "),
            package=function.__module__.partition(".")[0],
            light=light,
        )

    return declare


def _takes_parameters(function: Callable[..., None]) -> bool:
    return len(inspect.signature(function).parameters) > 1


def _parameter_model(function: Callable[..., None]) -> type[BaseModel]:
    taken = list(inspect.signature(function).parameters.values())
    if len(taken) == 1:
        return NoParameters
    model = _evaluated(taken[1].annotation, function) if len(taken) == 2 else None
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise UsageError(
            f"step {function.__name__} must take (ctx) or (ctx, parameters: a pydantic model)",
            reason="bad-step-signature",
            hint="annotate the second parameter with a subclass of hilum.Parameters, declared at the top level",
        )
    return model


def _evaluated(annotation: Any, function: Callable[..., None]) -> Any:
    """The annotation's value; others than this one may name what only type checkers import, such as Context."""
    if isinstance(annotation, str):
        try:
            return eval(annotation, inspect.unwrap(function).__globals__)
        except NameError:
            return None
    return annotation
