"""``mercure``: processing modules of mercure. They read DICOM files named ``<series UID>#<instance UID>.dcm`` and
their settings in ``task.json`` from one folder, and write DICOM files and a ``result.json`` into another.

Nothing of the patient is in our ``task.json``, though mercure's has a name and a number there: they are in the images
for whom they concern. The ``.tags`` files that mercure's receiver writes beside the images are not made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from hilum.errors import StepError
from hilum.model.image import ImagePlan
from hilum.model.subject import Scope
from hilum.model.work import StepPlan
from hilum.steps.contracts.image_step import image_of, taken_variables, whole_folders
from hilum.steps.contracts.inputs import InputFolder
from hilum.steps.contracts.interface import Collected, Contract, Invocation, Job, MeasuredByImage
from hilum.steps.contracts.results import collected, left_in
from hilum.steps.declared import Output

IN, OUT, SCRATCH = "/tmp/data", "/tmp/output", "/hilum/scratch"
TASK, RESULT = "task.json", "result.json"


class Mercure(Contract):
    """Processing modules of mercure."""

    name: ClassVar[str] = "mercure"
    version: ClassVar[str] = "1"
    source: ClassVar[str] = (
        "mercure 0.4, https://github.com/mercure-imaging/mercure: docs/modules.rst (commit 02a7532), "
        "app/common/types.py (commit d59fa9d), app/process/process_series.py (commit 89e70a4)"
    )

    def problems(
        self,
        image: ImagePlan,
        scope: Scope,
        needs: Mapping[str, Sequence[Output] | None],
        parameters: Mapping[str, Any] | None = None,
    ) -> Iterator[tuple[str, str]]:
        yield from taken_variables(image, "MERCURE_")
        if image.model:
            yield "the contract mercure has no place for a model", "put it into the image, or use native"

    def invocation(self, plan: StepPlan) -> Invocation:
        image = image_of(plan)
        return Invocation(
            mounts=whole_folders(IN, OUT, SCRATCH),
            command=image.command,
            args=image.args,
            env={"TMPDIR": SCRATCH, **image.env, "MERCURE_IN_DIR": IN, "MERCURE_OUT_DIR": OUT},
        )

    def stage(self, job: Job, folder: Path) -> None:
        inputs = InputFolder(folder)
        for instance in job.instances:
            inputs.add(instance.path, f"{instance.series_instance_uid}#{instance.sop_instance_uid}.dcm")
        inputs.write_json(TASK, _task(job))

    def collect(self, job: Job, folder: Path) -> Collected:
        image = image_of(job.plan)
        left = left_in(folder)
        measurements = _measurements(left.read(RESULT), image.measurements)
        return collected(left.without(TASK), image.outputs, measurements)


def _task(job: Job) -> dict[str, Any]:
    """What mercure's own task file has, so that a module which parses all of it can."""
    whole = job.scope is Scope.STUDY
    return {
        "id": job.labels.get("run", job.subject_id),
        "info": {
            "action": "process",
            "uid": _study(job) if whole else job.instances[0].series_instance_uid if job.instances else "",
            "uid_type": "study" if whole else "series",
            "triggered_rules": job.labels.get("pipeline", ""),
            "applied_rule": job.labels.get("pipeline", ""),
            "patient_name": "",
            "mrn": "",
            "acc": "",
            "sender_address": "",
            "mercure_version": "",
            "mercure_appliance": "",
            "mercure_server": "",
        },
        "dispatch": {},
        "process": {
            "module_name": job.plan.name,
            "module_config": None,
            "settings": dict(job.plan.parameters),
            "retain_input_images": False,
            "output": None,
        },
        "study": {},
    }


def _study(job: Job) -> str:
    from pydicom import dcmread

    if not job.instances:
        return ""
    header = dcmread(
        job.instances[0].path, specific_tags=["StudyInstanceUID"], stop_before_pixels=True, force=True
    )
    return str(header.get("StudyInstanceUID", ""))


def _measurements(data: bytes | None, declared: Sequence[Mapping[str, str]]) -> tuple[MeasuredByImage, ...]:
    """Values of ``result.json`` that the pipeline file declares as measurements, by key.

    mercure leaves its content to the module, so what is not declared stays in the file alone. The key ``Lung Volume``
    is the measurement ``lung_volume``.
    """
    if data is None or not declared:
        return ()
    from pydantic import ValidationError

    from hilum.steps.contracts.reported import Reported, as_declared

    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _bad("result.json is no JSON object")
    values = {re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_"): value for key, value in found.items()}
    names = [each["name"] for each in declared if values.get(each["name"]) is not None]
    try:
        reports = [Reported(name=name, value=values[name]) for name in names]
    except ValidationError:
        raise _bad("a value of result.json is no finite number, text or truth value") from None
    return as_declared(reports, declared)


def _bad(what: str) -> StepError:
    return StepError(what, reason="bad-measurement", hint="the pipeline file declares measurements of it")
