"""The built-in pipeline, for a first run without any configuration."""

from __future__ import annotations

from pathlib import Path

from hilum.pipeline.compiled import CompiledPipeline, compile_file
from hilum.steps.registry import StepRegistry

DEFAULT = Path(__file__).with_name("default.yaml")


def default_pipeline(registry: StepRegistry | None = None) -> CompiledPipeline:
    """qc for each image series, then nifti for what lies in space, preview and intensity."""
    return compile_file(DEFAULT, registry)
