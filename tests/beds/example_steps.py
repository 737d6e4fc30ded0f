"""Steps declared in code, for tests of registry and pipelines; a pipeline file can name this file too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from hilum.steps.api import Code, Measure, Output, Parameters, step

if TYPE_CHECKING:
    from hilum.steps.context import Context

COUNT = Code("0", "99TEST", "A count")


class VolumeParameters(Parameters):
    threshold: float = Field(default=300.0, gt=-2000)
    mode: Literal["fast", "exact"] = "fast"


@step(
    "quality",
    version="3",
    measurements=[
        Measure("slices_missing", COUNT, kind="integer"),
        Measure("noise", COUNT),
        Measure("verdict", COUNT, kind="text"),
        Measure("regular", COUNT, kind="boolean"),
    ],
)
def quality(ctx: Context) -> None:
    """Measure how good it is."""
    ctx.measure("slices_missing", 0)


@step("volume", outputs=[Output("mask", "mask.nii")])
def volume(ctx: Context, parameters: VolumeParameters) -> None:
    """Segment."""


@step("heavy", light=False)
def heavy(ctx: Context) -> None:
    """Take long."""


def plain(ctx: Context) -> None:
    """No step."""
