"""A context to run one step in, as an attempt would: for unit tests of steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog

from hilum.model.subject import Scope
from hilum.steps.api import Step
from hilum.steps.context import Context, InputInstance


def run_step(
    step: Step, paths: Sequence[Path], folder: Path, scope: Scope = Scope.SERIES, **parameters: Any
) -> Context:
    """Run ``step`` on the files; its outputs are in ``context.output_folder``, its numbers in ``readings``."""
    context = Context(
        step=step,
        scope=scope,
        instances=[InputInstance(str(number), path) for number, path in enumerate(paths)],
        needs={},
        output_folder=folder / "output",
        scratch=folder / "scratch",
        log=structlog.get_logger(),
    )
    context.output_folder.mkdir(parents=True, exist_ok=True)
    context.scratch.mkdir(exist_ok=True)
    step(context, step.parameters(**parameters))
    return context


def measured(context: Context) -> dict[str, Any]:
    """What a step measured, by name."""
    return {reading.name: reading.value for reading in context.readings}
