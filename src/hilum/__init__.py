"""Hilum: DICOM in; checked, analysed and queryable results out, each with its history.

Names are imported when they are first used, so that ``import hilum`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hilum.version import __version__

if TYPE_CHECKING:
    from hilum.app.home import Home
    from hilum.app.home import open_home as open
    from hilum.dicom.series import Volume
    from hilum.errors import HilumError, StepError, TerminalError, TransientError, UsageError
    from hilum.model.work import RunState, TaskState
    from hilum.pipeline.document import Pipeline, use
    from hilum.pipeline.document import pipeline as declare
    from hilum.settings import Settings
    from hilum.steps.api import Code, Measure, Output, Parameters, Step, step
    from hilum.steps.context import Context

_HOMES = {
    "Home": "hilum.app.home",
    "open": "hilum.app.home:open_home",
    "Volume": "hilum.dicom.series",
    "HilumError": "hilum.errors",
    "StepError": "hilum.errors",
    "TerminalError": "hilum.errors",
    "TransientError": "hilum.errors",
    "UsageError": "hilum.errors",
    "RunState": "hilum.model.work",
    "TaskState": "hilum.model.work",
    "Pipeline": "hilum.pipeline.document",
    "declare": "hilum.pipeline.document:pipeline",
    "use": "hilum.pipeline.document",
    "Settings": "hilum.settings",
    "Code": "hilum.steps.api",
    "Measure": "hilum.steps.api",
    "Output": "hilum.steps.api",
    "Parameters": "hilum.steps.api",
    "Step": "hilum.steps.api",
    "step": "hilum.steps.api",
    "Context": "hilum.steps.context",
}

__all__ = [
    "Code",
    "Context",
    "HilumError",
    "Home",
    "Measure",
    "Output",
    "Parameters",
    "Pipeline",
    "RunState",
    "Settings",
    "Step",
    "StepError",
    "TaskState",
    "TerminalError",
    "TransientError",
    "UsageError",
    "Volume",
    "__version__",
    "declare",
    "open",
    "step",
    "use",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hilum' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute or name)
