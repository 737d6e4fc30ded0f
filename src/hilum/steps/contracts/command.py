"""``command``: any tool that takes paths as arguments. The pipeline file says where they go:

    command: [totalsegmentator, -i, "{instances}", -o, "{out}", --task, "{with.task}"]
    args: ["{nifti.nifti}/volume.nii.gz"]

A container's arguments are known before its inputs are staged, so a placeholder stands for a folder or for a
parameter, and the rest of a path is written behind it. ``{{`` and ``}}`` are braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from hilum.errors import UsageError
from hilum.kernel.nearest import did_you_mean
from hilum.model.image import ImagePlan
from hilum.model.subject import Scope
from hilum.model.work import StepPlan
from hilum.steps.contracts.image_step import add_model, files_alone, image_of, whole_folders
from hilum.steps.contracts.inputs import InputFolder, needs_folder
from hilum.steps.contracts.interface import Collected, Contract, Invocation, Job
from hilum.steps.contracts.results import FILES, INSTANCES
from hilum.steps.declared import Output

ROOT = "/hilum"
FOLDERS = {name: f"{ROOT}/{name}" for name in ("in", "out", "scratch")}
FIXED = {**FOLDERS, "instances": f"{ROOT}/in/instances", "model": f"{ROOT}/in/model"}
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
BRACES = {"{{": "{", "}}": "}"}


class Command(Contract):
    """Tools that know nothing of contracts."""

    name: ClassVar[str] = "command"
    version: ClassVar[str] = "1"
    source: ClassVar[str] = "docs/how-to/write-a-container-step.md"

    def problems(
        self,
        image: ImagePlan,
        scope: Scope,
        needs: Mapping[str, Sequence[Output] | None],
        parameters: Mapping[str, Any] | None = None,
    ) -> Iterator[tuple[str, str]]:
        if not image.command and not image.args:
            yield (
                "the contract command needs a command or arguments",
                "write command: [tool, '{instances}', '{out}']",
            )
        fixed = FIXED if image.model else {name: path for name, path in FIXED.items() if name != "model"}
        outputs = {f"{step}.{name}" for step, given in needs.items() for name in _names(given)}
        known = {*fixed, *outputs, *(f"with.{name}" for name in parameters or {})}
        for name in _placeholders(image):
            first, _, rest = name.partition(".")
            unsure = rest and (
                (first in needs and needs[first] is None) or (first == "with" and parameters is None)
            )
            if name not in known and not unsure:
                hint = did_you_mean(name, known)
                yield f"there is no placeholder {{{name}}}", f"{hint}; braces themselves are {{{{ and }}}}"
            elif first == "with" and parameters is not None and isinstance(parameters[rest], (list, dict)):
                yield f"{{{name}}} stands for more than one value", "give each a parameter of its own"

    def invocation(self, plan: StepPlan) -> Invocation:
        image = image_of(plan)
        return Invocation(
            mounts=whole_folders(*FOLDERS.values()),
            command=_filled(image.command, plan),
            args=_filled(image.args, plan),
            env={"HOME": FOLDERS["scratch"], "TMPDIR": FOLDERS["scratch"], **image.env},
        )

    def stage(self, job: Job, folder: Path) -> None:
        inputs = InputFolder(folder)
        inputs.add_instances(job.instances, by_series=job.scope is Scope.STUDY)
        inputs.add_needs(job.needs)
        add_model(job, inputs)

    def collect(self, job: Job, folder: Path) -> Collected:
        return files_alone(job, folder)


def _names(outputs: Sequence[Output] | None) -> Sequence[str]:
    return (INSTANCES, FILES) if outputs is None else [output.name for output in outputs]


def _placeholders(image: ImagePlan) -> list[str]:
    """Names between braces, each once."""
    words = [*(image.command or ()), *(image.args or ())]
    return list(
        dict.fromkeys(
            found[1] for word in words for found in PLACEHOLDER.finditer(word) if not BRACES.get(found[0])
        )
    )


def _filled(words: tuple[str, ...] | None, plan: StepPlan) -> tuple[str, ...] | None:
    if words is None:
        return None
    return tuple(PLACEHOLDER.sub(lambda found: _meant(found, plan), word) for word in words)


def _meant(found: re.Match[str], plan: StepPlan) -> str:
    """What a placeholder stands for; UsageError ``unknown-placeholder``."""
    if found[0] in BRACES:
        return BRACES[found[0]]
    first, _, rest = found[1].partition(".")
    if found[1] in FIXED:
        return FIXED[found[1]]
    if first == "with" and rest in plan.parameters:
        value = plan.parameters[rest]
        return str(value).lower() if isinstance(value, bool) else str(value)
    if first in plan.needs and rest:
        return f"{FOLDERS['in']}/{needs_folder(first, rest)}"
    raise UsageError(f"there is no placeholder {found[0]}", reason="unknown-placeholder")
