"""What contracts have in common about the image that a step runs: its plan, its model, its variables and its
folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hilum.model.image import ImagePlan
from hilum.model.work import StepPlan
from hilum.steps.contracts.inputs import InputFolder
from hilum.steps.contracts.interface import Collected, Job, Mount
from hilum.steps.contracts.results import collected, left_in


def taken_variables(image: ImagePlan, *prefixes: str) -> Iterator[tuple[str, str]]:
    """A problem for each variable of the pipeline file that the contract sets itself."""
    for variable in sorted(image.env):
        if variable.startswith(prefixes):
            yield f"the contract sets variables such as {variable}", "give yours another name"


def image_of(plan: StepPlan) -> ImagePlan:
    """The image of a step that runs one."""
    assert plan.image is not None
    return plan.image


def whole_folders(inputs: str, outputs: str, scratch: str) -> tuple[Mount, ...]:
    """The three folders, each mounted as it is."""
    return Mount(inputs, "in"), Mount(outputs, "out"), Mount(scratch, "scratch")


def files_alone(job: Job, folder: Path) -> Collected:
    """What an image left that reports no measurements."""
    return collected(left_in(folder), image_of(job.plan).outputs, ())


def add_model(job: Job, inputs: InputFolder) -> str | None:
    """The step's model below ``model``, a file under its own name; None if there is none."""
    if job.model is None:
        return None
    return inputs.add_tree(job.model, "model" if job.model.is_dir() else f"model/{job.model.name}")
