"""The qc step: is this series what a program that computes on it will take it for? It reports and never fails
on a bad series, since conditions such as ``qc.slices_missing == 0`` decide what follows; only input that does
not parse at all is an error.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from hilum.errors import StepError
from hilum.steps.api import Code, Measure, Output, Parameters, step
from hilum.steps.builtin.qc.findings import CODES, Finding, verdict
from hilum.steps.context import Context

if TYPE_CHECKING:
    from pydicom import Dataset

    from hilum.steps.builtin.qc.frames import Frame
    from hilum.steps.builtin.qc.stacks import StackReport

SLICED = ("CT", "MR", "PT")
"""Modalities whose images must say where they lie."""


class QcParameters(Parameters):
    """How closely to look."""

    decode: int = Field(
        8,
        ge=0,
        description="At most so many compressed images are decoded; uncompressed ones are all looked at",
    )


def _own(value: str, meaning: str) -> Code:
    return Code(value, "99HILUM", meaning)


MEASUREMENTS = [
    Measure("instances", _own("instances", "Instances"), "{instances}", "integer"),
    Measure("frames", Code("121140", "DCM", "Number of Frames"), "{frames}", "integer"),
    Measure("slices", _own("slices", "Slices of one volume"), "{slices}", "integer"),
    Measure("slices_missing", _own("slices-missing", "Missing slices"), "{slices}", "integer"),
    Measure("slices_duplicate", _own("slices-duplicate", "Duplicate slices"), "{slices}", "integer"),
    Measure("volumes", _own("volumes", "Volumes in the series"), "{volumes}", "integer"),
    Measure("slice_spacing", Code("112226", "DCM", "Spacing between slices"), "mm"),
    Measure("findings", Code("111052", "DCM", "Quality Finding"), "{findings}", "integer"),
    Measure("errors", _own("errors", "Findings of severity error"), "{findings}", "integer"),
    Measure("warnings", _own("warnings", "Findings of severity warning"), "{findings}", "integer"),
    Measure("verdict", Code("111050", "DCM", "Quality Assessment"), "1", "text"),
    Measure("image", _own("image", "Has acquired images"), "1", "boolean"),
    Measure("localizer", Code("121311", "DCM", "Localizer"), "1", "boolean"),
    Measure("regular", _own("regular", "One regular volume"), "1", "boolean"),
]


@step(
    "qc",
    version="2",
    outputs=[Output("findings", "findings.json", "application/json")],
    measurements=MEASUREMENTS,
)
def qc(ctx: Context, parameters: QcParameters) -> None:
    """Check that a series is complete, regular and of one piece.

    Writes ``findings.json``: a list of objects with code, severity, message, count, instances (SOP Instance
    UIDs), values and series; the codes are those of ``CODES``. Measures counts for conditions. ``slices`` is
    the number of distinct places (of frames, for images that do not say where they lie); ``slice_spacing`` is
    in mm along the normal and is absent where there are no two places; ``regular`` says that the series is
    one evenly spaced volume of one size, which ``ctx.volume()`` takes. A study's series are checked one by
    one, and counts are summed.

    Raises:
        StepError: ``unreadable``, if an instance does not parse.
    """
    series: dict[str, list[Dataset]] = defaultdict(list)
    for dataset in ctx.series.datasets:
        series[str(dataset.get("SeriesInstanceUID", ""))].append(dataset)
    reports = []
    for number, (uid, datasets) in enumerate(series.items(), start=1):
        reports.append(SeriesReport(uid, datasets, parameters.decode))
        ctx.progress(number / len(series))
    findings = [finding for report in reports for finding in report.findings]
    text = json.dumps([finding.as_json() for finding in findings], indent=1)
    ctx.output("findings").write_text(text + "\n", encoding="utf-8")

    stacks = [stack for report in reports for stack in report.stacks]
    slices = sum(stack.slices for stack in stacks) + sum(report.unplaced for report in reports)
    ctx.measure("instances", sum(map(len, series.values())))
    ctx.measure("frames", sum(report.frames for report in reports))
    ctx.measure("slices", slices)
    ctx.measure("slices_missing", sum(stack.missing for stack in stacks))
    ctx.measure("slices_duplicate", sum(stack.duplicates for stack in stacks))
    ctx.measure("volumes", sum(stack.volumes for stack in stacks))
    spacings = [stack.spacing for stack in stacks if stack.spacing is not None]
    if len(spacings) == 1:
        ctx.measure("slice_spacing", round(spacings[0], 6))
    ctx.measure("findings", len(findings))
    ctx.measure("errors", sum(finding.severity == "error" for finding in findings))
    ctx.measure("warnings", sum(finding.severity == "warning" for finding in findings))
    ctx.measure("verdict", verdict(findings))
    ctx.measure("image", any(report.acquired for report in reports))
    ctx.measure("localizer", bool(reports) and all(report.localizer for report in reports))
    ctx.measure("regular", bool(reports) and all(report.regular for report in reports))


class SeriesReport:
    """What was found in one series.

    Attributes:
        findings, stacks: as found. frames: of all images. unplaced: frames that do not say where they lie.
        acquired: whether it has images that are neither captures nor localizers.
        localizer: whether all its images are. regular: whether it is one regular volume.
        illegible: instances whose pixels cannot be described for want of a sound header.
    """

    def __init__(self, uid: str, datasets: list[Dataset], decode: int) -> None:
        from hilum.dicom.geometry import is_mosaic
        from hilum.dicom.pixels import has_pixels
        from hilum.steps.builtin.qc.consistency import check_consistency
        from hilum.steps.builtin.qc.frames import role
        from hilum.steps.builtin.qc.pixels import check_pixels
        from hilum.steps.builtin.qc.stacks import check_stack, orientations, stacks

        self.uid = uid
        self.frames = 0
        self.stacks: list[StackReport] = []
        self.findings: list[Finding] = []
        images = [dataset for dataset in datasets if has_pixels(dataset)]
        self._report("non-image", [_uid(one) for one in datasets if not has_pixels(one)])
        roles: dict[str, list[Dataset]] = defaultdict(list)
        for image in images:
            roles[role(image)].append(image)
        for code, members in roles.items():
            if code:
                self._report(code, [_uid(member) for member in members])
                self.frames += len(members)
        self._report("mosaic", [_uid(image) for image in roles[""] if is_mosaic(image)])
        slices = self._slices(roles[""])
        placed = [frame for frame in slices if frame.plane is not None]
        self.unplaced = len(slices) - len(placed)
        self._report(
            "no-geometry", [frame.uid for frame in slices if frame.plane is None and frame.modality in SLICED]
        )
        groups = orientations(placed)
        self._report("mixed-orientation", [frame.uid for group in groups[1:] for frame in group])
        self.stacks = [check_stack(frames) for frames in stacks(groups)]
        found = [finding for stack in self.stacks for finding in stack.findings]
        found += check_consistency(placed)
        self.findings += [replace(one, series=uid) for one in found]
        self.acquired = bool(slices)
        self.localizer = bool(images) and len(roles["localizer"]) == len(images)
        legible = [image for image in images if _uid(image) not in self.illegible]
        self.findings += [replace(one, series=uid) for one in check_pixels(legible, decode=decode)]
        self.regular = len(self.stacks) == 1 and not self.unplaced and _one_volume(self.findings)

    def _slices(self, images: list[Dataset]) -> list[Frame]:
        from hilum.steps.builtin.qc.frames import frames_of

        found, bad = [], []
        for image in images:
            try:
                found += frames_of(image)
            except StepError:
                bad.append(_uid(image))
        self._report("bad-header", bad)
        self.illegible = frozenset(bad)
        self.frames += len(found)
        return found

    def _report(self, code: str, uids: list[str]) -> None:
        if uids:
            message = f"{len(uids)} images: {CODES[code][1]}"
            self.findings.append(Finding(code, message, uids, len(uids), series=self.uid))


def _one_volume(findings: list[Finding]) -> bool:
    """Whether none of the findings keeps the images from being one array of evenly spaced slices: a mixed
    scale does not, though one may not want the array."""
    harmless = {"non-image", "mixed-rescale", "mixed-frame-of-reference", "constant-pixels"}
    return all(finding.code in harmless for finding in findings)


def _uid(dataset: Dataset) -> str:
    return str(dataset.get("SOPInstanceUID", ""))
