"""``bids-app``: programs that take a data set in the Brain Imaging Data Structure. The data set is made from a needed
step's NIfTI files, of one participant, and given as ``/data /out participant``.

What kind of image a file is decides its name, and a header says it for diffusion only: Series Description is free
text, and echo and repetition times are guesswork. So the pipeline file says it, by ``with: {suffix: T1w}``.

The participant's label is the subject's id at Hilum. It is no argument: one participant is in the data set, and
arguments are the same for all subjects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from hilum.errors import StepError
from hilum.kernel.nearest import did_you_mean
from hilum.model.image import ImagePlan
from hilum.model.subject import Scope
from hilum.model.work import StepPlan
from hilum.steps.context import Needed
from hilum.steps.contracts.image_step import files_alone, image_of, whole_folders
from hilum.steps.contracts.inputs import InputFolder
from hilum.steps.contracts.interface import Collected, Contract, Invocation, Job
from hilum.steps.declared import Output
from hilum.version import __version__

IN, OUT, SCRATCH = "/data", "/out", "/scratch"
BIDS_VERSION = "1.10.0"
NIFTI = ".nii.gz"
BESIDE = (".json", ".bval", ".bvec")

DATATYPES = {
    "anat": ("T1w", "T2w", "T2starw", "FLAIR", "PDw", "inplaneT1", "inplaneT2", "angio"),
    "dwi": ("dwi",),
    "func": ("bold", "cbv"),
}
SUFFIXES = {suffix: datatype for datatype, suffixes in DATATYPES.items() for suffix in suffixes}
WITH_TASK = ("bold", "cbv")
PARAMETERS = ("suffix", "task")


@dataclass(slots=True)
class Volume:
    """A NIfTI file, and what lies beside it under the same name, by ending."""

    path: Path
    beside: dict[str, Path] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """What its sidecar says; nothing where there is none."""
        if ".json" not in self.beside:
            return {}
        try:
            facts = json.loads(self.beside[".json"].read_bytes())
        except (ValueError, RecursionError):
            facts = None
        if not isinstance(facts, dict):
            raise StepError("a sidecar is no JSON object", reason="bad-sidecar")
        return facts


class BidsApp(Contract):
    """BIDS Apps, at the participant level."""

    name: ClassVar[str] = "bids-app"
    version: ClassVar[str] = "1"
    source: ClassVar[str] = (
        "Brain Imaging Data Structure 1.10.0, https://bids-specification.readthedocs.io/en/v1.10.0/; "
        "BIDS Apps' arguments, https://github.com/bids-apps/example"
    )

    def problems(
        self,
        image: ImagePlan,
        scope: Scope,
        needs: Mapping[str, Sequence[Output] | None],
        parameters: Mapping[str, Any] | None = None,
    ) -> Iterator[tuple[str, str]]:
        if not any(
            given is None or any(each.path.endswith(NIFTI) for each in given) for given in needs.values()
        ):
            yield (
                "a BIDS App takes NIfTI, and no needed step gives it",
                "add a step that uses nifti, and need it",
            )
        if image.model:
            yield "the contract bids-app has no place for a model", "put it into the image, or use native"
        yield from _parameter_problems(parameters or {})

    def invocation(self, plan: StepPlan) -> Invocation:
        image = image_of(plan)
        return Invocation(
            mounts=whole_folders(IN, OUT, SCRATCH),
            command=image.command,
            args=(IN, OUT, "participant", *(image.args or ())),
            env={"TMPDIR": SCRATCH, **image.env},
        )

    def stage(self, job: Job, folder: Path) -> None:
        for message, hint in _parameter_problems(job.plan.parameters):
            raise StepError(message, reason="bad-parameters", hint=hint)
        inputs = InputFolder(folder)
        label = participant(job.subject_id)
        volumes = [volume for _, needed in sorted(job.needs.items()) for volume in _volumes(needed)]
        if not volumes:
            raise StepError(
                "the needed steps gave no NIfTI file", reason="no-nifti", hint="see what the step nifti says"
            )
        named: dict[tuple[str, str], list[Volume]] = {}
        for volume in volumes:
            named.setdefault(_kind(volume, job.plan.parameters), []).append(volume)
        inputs.write_json("dataset_description.json", _description())
        inputs.write("README", "Made by Hilum for one run of a BIDS App.\n")
        for (datatype, suffix), same in sorted(named.items()):
            for number, volume in enumerate(same, 1):
                run = f"_run-{number}" if len(same) > 1 else ""
                task = f"_task-{job.plan.parameters['task']}" if suffix in WITH_TASK else ""
                stem = f"sub-{label}/{datatype}/sub-{label}{task}{run}_{suffix}"
                _add(inputs, volume, stem, job.plan.parameters)

    def collect(self, job: Job, folder: Path) -> Collected:
        return files_alone(job, folder)


def _parameter_problems(parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in parameters:
        if name not in PARAMETERS:
            hint = did_you_mean(name, PARAMETERS)
            yield f"the contract bids-app has no parameter {name!r}", f"{hint}; the app's own go into args"
    suffix, task = parameters.get("suffix"), parameters.get("task")
    if suffix is not None and suffix not in list(SUFFIXES):  # it may be of any type
        yield f"{suffix!r} is no suffix of BIDS that is made here", did_you_mean(str(suffix), SUFFIXES)
    if suffix in WITH_TASK and not task:
        yield f"{suffix} needs the name of its task", "add with: {task: rest}"
    if task is not None and not (isinstance(task, str) and task.isascii() and task.isalnum()):
        yield "task must be letters and digits", "write with: {task: rest}"


def participant(subject_id: str) -> str:
    """The label of a subject: its id, which is a digest, without what BIDS has no room for."""
    return re.sub(r"[^0-9A-Za-z]", "", subject_id)


def _volumes(needed: Needed) -> list[Volume]:
    """The NIfTI files of a needed step, each with what lies beside it, by name."""
    files = {needed.relative(path): path for paths in needed.files.values() for path in paths}
    return [
        Volume(
            files[name],
            {
                end: files[name.removesuffix(NIFTI) + end]
                for end in BESIDE
                if name.removesuffix(NIFTI) + end in files
            },
        )
        for name in sorted(files)
        if name.endswith(NIFTI)
    ]


def _kind(volume: Volume, parameters: Mapping[str, Any]) -> tuple[str, str]:
    """Datatype and suffix: as the pipeline file says, else diffusion where its tables are there."""
    if volume.facts().get("Modality") == "CT":
        raise StepError("BIDS has no place for CT", reason="not-in-bids", hint="let the pipeline select MR")
    suffix = parameters.get("suffix")
    if suffix is not None:
        return SUFFIXES[suffix], suffix
    if {".bval", ".bvec"} <= set(volume.beside):
        return "dwi", "dwi"
    raise StepError(
        "what kind of image a series is cannot be told from its headers",
        reason="unknown-bids-suffix",
        hint="say it in the pipeline file, such as with: {suffix: T1w}",
    )


def _add(inputs: InputFolder, volume: Volume, stem: str, parameters: Mapping[str, Any]) -> None:
    inputs.add(volume.path, stem + NIFTI)
    facts = volume.facts()
    if "_task-" in stem:
        facts["TaskName"] = parameters["task"]
    if facts:
        inputs.write_json(f"{stem}.json", facts)
    for end in (".bval", ".bvec"):
        if end in volume.beside and stem.endswith("_dwi"):
            inputs.add(volume.beside[end], stem + end)


def _description() -> dict[str, Any]:
    return {
        "Name": "Hilum",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "Hilum", "Version": __version__}],
    }
