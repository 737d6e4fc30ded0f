"""Jobs for contracts, and programs that behave as an image under one of them would, in a plain process."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

from hilum.model.image import ImagePlan
from hilum.model.subject import Scope
from hilum.model.work import StepPlan
from hilum.steps.context import InputInstance, Needed
from hilum.steps.contracts import contract_of
from hilum.steps.contracts.interface import Collected, Job
from hilum.steps.contracts.rehearsal import running

SUBJECT = "s-0123456789abcdef"


def step_plan(
    contract: str, *, parameters: Mapping[str, Any] | None = None, needs: Sequence[str] = (), **image: Any
) -> StepPlan:
    """The plan of a step that runs an image under this contract."""
    return StepPlan(
        name="tried",
        uses="",
        code={},
        parameters=parameters or {},
        needs=tuple(needs),
        image=ImagePlan("example/tried:1", "sha256:" + "0" * 64, contract, **image),
    )


def instances_of(paths: Sequence[Path], series: str = "1.2.3") -> list[InputInstance]:
    """Files as instances of one series; their SOP Instance UIDs count from ``<series>.1``."""
    return [InputInstance(f"{series}.{number}", path, series) for number, path in enumerate(paths, 1)]


def needed(folder: Path, outputs: Mapping[str, Mapping[str, str]], **measurements: Any) -> Needed:
    """What a needed step gave: texts by path by output, written below ``folder``."""
    files = {}
    for output, texts in outputs.items():
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        files[output] = tuple(folder / name for name in texts)
    return Needed(files, measurements, folder)


@dataclass
class Attempt:
    """An attempt at an image step whose container is a Python program, given as its source."""

    plan: StepPlan
    folder: Path
    instances: Sequence[InputInstance] = ()
    needs: Mapping[str, Needed] = field(default_factory=dict)
    scope: Scope = Scope.SERIES
    model: Path | None = None
    printed: str = ""

    def __post_init__(self) -> None:
        assert self.plan.image is not None
        self.contract = contract_of(self.plan.image.contract)
        for name in ("in", "out", "scratch"):
            (self.folder / name).mkdir(parents=True)
        self.inputs, self.outputs = self.folder / "in", self.folder / "out"

    @property
    def job(self) -> Job:
        """As ``stage`` gets it."""
        labels = {"run": "r-1", "subject": SUBJECT, "pipeline": "tried"}
        return Job(self.plan, self.scope, SUBJECT, self.instances, self.needs, labels, self.model)

    def stage(self) -> list[str]:
        """Stage, and say what the container would see."""
        self.contract.stage(self.job, self.inputs)
        return sorted(
            path.relative_to(self.inputs).as_posix() for path in self.inputs.rglob("*") if path.is_file()
        )

    def run(self, program: str) -> None:
        """Run a program as the container's entry point; it must end well."""
        path = self.folder / "program.py"
        path.write_text(dedent(program))
        invocation = self.contract.invocation(self.plan)
        with running(invocation, self.folder, (sys.executable, str(path))) as process:
            self.printed, _ = process.communicate(timeout=60)
        assert process.returncode == 0, self.printed

    def collect(self) -> Collected:
        """What it left; the job of ``collect`` knows no inputs."""
        return self.contract.collect(Job(self.plan, self.scope, SUBJECT), self.outputs)

    def whole(self, program: str) -> Collected:
        """Stage, run, collect."""
        self.stage()
        self.run(program)
        return self.collect()


def named(collected: Collected) -> dict[str, str]:
    """Output names by path."""
    return {file.path: file.name for file in collected.files}
