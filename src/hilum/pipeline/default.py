"""The built-in pipeline, for a first run without any configuration."""

from __future__ import annotations

from pathlib import Path

from hilum.pipeline.document import Pipeline
from hilum.pipeline.load import load_pipeline
from hilum.steps.registry import StepRegistry

DEFAULT = Path(__file__).with_name("default.yaml")


def default_pipeline(registry: StepRegistry | None = None) -> Pipeline:
    """qc for each image series, nifti for what lies in space, preview and intensity."""
    return load_pipeline(DEFAULT, registry)
