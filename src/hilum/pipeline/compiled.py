"""A pipeline ready for use: what the engine asks of it, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilum.model.image import ImageResolver
from hilum.model.subject import Scope
from hilum.model.work import RunPlan
from hilum.pipeline.check import resolve
from hilum.pipeline.document import Pipeline
from hilum.pipeline.expressions import COUNT, Selector
from hilum.pipeline.plan import plan_resolved
from hilum.steps.registry import StepRegistry


@dataclass(frozen=True, slots=True)
class CompiledPipeline:
    """A pipeline with its plan and selector.

    Attributes:
        quiet, at_most: when a subject counts as complete, in seconds.
    """

    name: str
    scope: Scope
    quiet: float
    at_most: float
    plan: RunPlan
    selector: Selector

    def selects(self, facts: Mapping[str, Any], instances: int) -> bool:
        """Whether it takes a subject with these header facts and so many instances."""
        return self.selector.matches({**facts, COUNT: instances})


def compile_pipeline(
    pipeline: Pipeline,
    registry: StepRegistry | None = None,
    base: Path | None = None,
    images: ImageResolver | None = None,
) -> CompiledPipeline:
    """Resolve and plan a pipeline; ``base`` is where its relative ``uses`` start, ``images`` who knows images.

    Raises:
        PipelineError, UsageError: as :func:`hilum.pipeline.plan.make_plan`.
    """
    resolved = resolve(pipeline, registry or StepRegistry(), base)
    plan = plan_resolved(pipeline, resolved, base, images)
    return CompiledPipeline(
        name=pipeline.name,
        scope=pipeline.scope,
        quiet=pipeline.settle.quiet,
        at_most=pipeline.settle.at_most,
        plan=plan,
        selector=resolved.selector,
    )
