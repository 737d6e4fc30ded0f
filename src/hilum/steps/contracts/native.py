"""``native``: Hilum's own contract, for images that are written for it in whatever language. It is files, a few
environment variables and lines on standard output; docs/reference/native-contract.md tells it to authors of steps.

    HILUM_IN       /hilum/in       read-only
        context.json               what it is about: parameters, instances, what needed steps gave
        instances/000001.dcm       of a study: instances/001/000001.dcm, a folder for each series
        needs/<step>/<output>/...  files of needed steps, under the names that those gave them
        model/...                  the step's model
    HILUM_OUT      /hilum/out      files that are kept; measurements.json is read, not kept
    HILUM_SCRATCH  /hilum/scratch  thrown away; also HOME and TMPDIR
    HILUM_CONTEXT  /hilum/in/context.json
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from hilum.model.codec import to_json
from hilum.model.image import ImagePlan
from hilum.model.subject import Scope
from hilum.model.work import StepPlan
from hilum.steps.contracts.image_step import add_model, image_of, taken_variables, whole_folders
from hilum.steps.contracts.inputs import InputFolder
from hilum.steps.contracts.interface import Collected, Contract, Invocation, Job, MeasuredByImage
from hilum.steps.contracts.results import collected, left_in
from hilum.steps.declared import Output

ROOT = "/hilum"
CONTEXT = "context.json"
MEASUREMENTS = "measurements.json"
PROGRESS = re.compile(r"::progress +([0-9.]{1,20})(?: +(.*))?")
LONGEST_MESSAGE = 200


CLOSED = {"extra": "forbid"}
"""Of these documents' schema: it knows all keys."""


@dataclass(frozen=True, kw_only=True)
class NativeInstance:
    """An instance: its UIDs, and its file relative to the input folder."""

    __pydantic_config__ = CLOSED

    sop_instance_uid: str
    series_instance_uid: str
    path: str


@dataclass(frozen=True, kw_only=True)
class NativeNeed:
    """What a needed step gave: files by output, relative to the input folder, and measurements about the whole."""

    __pydantic_config__ = CLOSED

    outputs: dict[str, list[str]]
    measurements: dict[str, bool | int | float | str]


@dataclass(frozen=True, kw_only=True)
class NativeContext:
    """What an image under the native contract finds in ``context.json``."""

    __pydantic_config__ = CLOSED

    contract: Literal["native"] = "native"
    version: Literal["1"] = "1"
    step: str = field(metadata={"description": "The step's name in its pipeline."})
    scope: Scope = field(metadata={"description": "Whether the instances are a series' or a study's."})
    subject: str = field(metadata={"description": "Hilum's id of that series or study; no patient data."})
    labels: dict[str, str] = field(
        metadata={"description": "Hilum's ids of run, pipeline and so on; no patient data."}
    )
    parameters: dict[str, Any] = field(
        metadata={"description": "As the pipeline file has them under `with`."}
    )
    instances: list[NativeInstance]
    needs: dict[str, NativeNeed] = field(
        metadata={"description": "By step; steps that were skipped or gave nothing are absent."}
    )
    model: str | None = field(
        metadata={"description": "The model's file or folder, relative to the input folder."}
    )


class Native(Contract):
    """Images that are written for Hilum."""

    name: ClassVar[str] = "native"
    version: ClassVar[str] = "1"
    source: ClassVar[str] = "docs/reference/native-contract.md"

    def problems(
        self,
        image: ImagePlan,
        scope: Scope,
        needs: Mapping[str, Sequence[Output] | None],
        parameters: Mapping[str, Any] | None = None,
    ) -> Iterator[tuple[str, str]]:
        yield from taken_variables(image, "HILUM_")

    def invocation(self, plan: StepPlan) -> Invocation:
        image = image_of(plan)
        folders = {f"HILUM_{name.upper()}": f"{ROOT}/{name}" for name in ("in", "out", "scratch")}
        return Invocation(
            mounts=whole_folders(*folders.values()),
            command=image.command,
            args=image.args,
            env={
                "HOME": f"{ROOT}/scratch",
                "TMPDIR": f"{ROOT}/scratch",
                **image.env,
                **folders,
                "HILUM_CONTEXT": f"{ROOT}/in/{CONTEXT}",
            },
        )

    def stage(self, job: Job, folder: Path) -> None:
        inputs = InputFolder(folder)
        needs = inputs.add_needs(job.needs)
        context = NativeContext(
            step=job.plan.name,
            scope=job.scope,
            subject=job.subject_id,
            labels=dict(job.labels),
            parameters=dict(job.plan.parameters),
            instances=[
                NativeInstance(
                    sop_instance_uid=instance.sop_instance_uid,
                    series_instance_uid=instance.series_instance_uid,
                    path=name,
                )
                for instance, name in inputs.add_instances(job.instances, by_series=job.scope is Scope.STUDY)
            ],
            needs={
                step: NativeNeed(outputs=needs[step], measurements=dict(needed.measurements))
                for step, needed in job.needs.items()
            },
            model=add_model(job, inputs),
        )
        inputs.write_json(CONTEXT, to_json(context))

    def collect(self, job: Job, folder: Path) -> Collected:
        image = image_of(job.plan)
        left = left_in(folder)
        measurements = _measurements(left.read(MEASUREMENTS), image.measurements)
        return collected(left.without(MEASUREMENTS), image.outputs, measurements)

    def progress(self, line: str) -> tuple[float, str] | None:
        return progress_of(line)


def _measurements(data: bytes | None, declared: Sequence[Mapping[str, str]]) -> tuple[MeasuredByImage, ...]:
    """Of ``measurements.json``; what checks it is imported where there is any: it costs a pod a tenth of a second."""
    if data is None:
        return ()
    from hilum.steps.contracts.reported import read_measurements

    return read_measurements(data, declared)


def progress_of(line: str) -> tuple[float, str] | None:
    """``::progress 0.4 halfway there``: how far a step is (0 to 1), and a word on it."""
    found = PROGRESS.fullmatch(line.strip()) if line.startswith("::progress ") else None
    if not found:
        return None
    try:
        fraction = float(found[1])
    except ValueError:
        return None
    message = "".join(character for character in found[2] or "" if character.isprintable())
    return (min(fraction, 1.0), message[:LONGEST_MESSAGE]) if math.isfinite(fraction) else None
