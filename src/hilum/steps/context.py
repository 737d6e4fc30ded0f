"""All that a step sees: its inputs, an output folder, a scratch folder, a logger, a progress call and a place for
measurements. No ledger, no warehouse, no home; so the same code runs in a process, a container or a pod.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hilum.errors import StepError
from hilum.model.subject import Scope
from hilum.steps.declared import Reading

if TYPE_CHECKING:
    from hilum.dicom.series import ImageSeries, Volume
    from hilum.steps.api import Step

MEASURABLE: dict[str, tuple[type, ...]] = {
    "number": (int, float),
    "integer": (int,),
    "text": (str,),
    "boolean": (bool,),
}


@dataclass(frozen=True, slots=True)
class InputInstance:
    """A DICOM instance as a step gets it: a readable local file."""

    sop_instance_uid: str
    path: Path
    series_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class Needed:
    """What a needed step gave: its files by output name, its measurements by name.

    ``folder`` is what the files lie below, under the relative paths that the step gave them.
    """

    files: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    measurements: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    folder: Path = Path()

    def file(self, name: str) -> Path:
        """The one file of output ``name``; StepError ``input-missing`` if there is none or more."""
        found = self.files.get(name, ())
        if len(found) != 1:
            raise StepError(
                f"expected one file of output {name!r}, found {len(found)}", reason="input-missing"
            )
        return found[0]

    def relative(self, file: Path) -> str:
        """The relative path under which the step gave a file."""
        return file.relative_to(self.folder).as_posix()


@dataclass
class Context:
    """What a step is called with.

    Attributes:
        scope: whether the instances are a series' or a study's.
        instances: the revision's instances.
        needs: outputs of the steps named in ``needs``; skipped ones are absent.
        output_folder: the only place whose files are kept. scratch: thrown away afterwards.
        traceparent: the W3C header of this step's span, to go on with its trace; empty where traces are not told.
        log: a structlog logger with the run, task and subject bound. Write no header values into it.
    """

    step: Step
    scope: Scope
    instances: Sequence[InputInstance]
    needs: Mapping[str, Needed]
    output_folder: Path
    scratch: Path
    log: Any
    report: Callable[[float, str], None] = lambda fraction, message: None
    shared: dict[str, Any] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    traceparent: str = ""

    def output(self, name: str) -> Path:
        """Where the declared output ``name`` is to be written; for ``many`` outputs use ``output_folder``."""
        for output in self.step.outputs:
            if output.name == name and not output.many:
                path = self.output_folder / output.path
                path.parent.mkdir(parents=True, exist_ok=True)
                return path
        raise StepError(
            f"step {self.step.name} declares no single output {name!r}", reason="undeclared-output"
        )

    def progress(self, fraction: float, message: str = "") -> None:
        """Say how far it is (0 to 1), for progress bars and as a sign of life."""
        self.report(min(max(fraction, 0.0), 1.0), message)

    def measure(
        self,
        name: str,
        value: float | int | str | bool,
        *,
        region: str = "",
        instances: Sequence[str] = (),
        unit: str = "",
    ) -> None:
        """Report a declared measurement.

        Args:
            name: as declared. value: of the declared kind; numpy scalars are converted; NaN is refused.
            region: what part it is about. instances: SOP Instance UIDs it came from, default all.
            unit: UCUM code where only the images tell it, as for modality values; default the declared one.
        """
        declared = {measure.name: measure for measure in self.step.measurements}.get(name)
        if declared is None:
            raise StepError(
                f"step {self.step.name} declares no measurement {name!r}", reason="undeclared-measurement"
            )
        plain = value.item() if hasattr(value, "item") else value
        wrong = not isinstance(plain, MEASURABLE[declared.kind]) or (
            isinstance(plain, bool) and declared.kind != "boolean"
        )
        if wrong or (isinstance(plain, float) and not math.isfinite(plain)):
            raise StepError(
                f"measurement {name!r} of step {self.step.name} must be a finite {declared.kind}",
                reason="bad-measurement",
            )
        self.readings.append(Reading(name, plain, region, tuple(instances), unit))

    @property
    def series(self) -> ImageSeries:
        """The instances read as images; shared by the steps of one attempt, so headers are parsed once."""
        if "series" not in self.shared:
            from hilum.dicom.series import ImageSeries

            self.shared["series"] = ImageSeries([instance.path for instance in self.instances])
        series: ImageSeries = self.shared["series"]
        return series

    def volume(self) -> Volume:
        """The series as one array with an affine; see :class:`hilum.dicom.series.Volume`.

        Raises:
            StepError: with a reason code, where the instances do not make one volume.
        """
        return self.series.volume()
