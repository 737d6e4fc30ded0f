"""What qc can find: one table of codes, each with its severity and meaning, from which the reference is made.

Severities: *error* - numbers computed from the series would be wrong or incomplete; *warning* - usable with
care; *info* - worth knowing, nothing is wrong. The verdict is ``fail`` with an error, ``warn`` with a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["info", "warning", "error"]

CODES: Mapping[str, tuple[Severity, str]] = {
    "missing-slices": ("error", "a gap is a whole multiple of the spacing, or one volume has fewer slices"),
    "mixed-size": ("error", "slices differ in rows or columns"),
    "mixed-rescale": ("error", "slices differ in slope, intercept or unit, where the modality has one scale"),
    "mixed-frame-of-reference": ("error", "slices do not share one coordinate system"),
    "pixel-data-short": ("error", "pixel data is shorter than the header says"),
    "undecodable": ("error", "pixel data cannot be decoded"),
    "bad-header": ("error", "a header value that pixels depend on is missing or makes no sense"),
    "duplicate-slices": ("warning", "several instances are at one place and no attribute says why"),
    "irregular-spacing": ("warning", "slices are off their places in an even stack"),
    "mixed-orientation": ("warning", "slices are not parallel"),
    "mixed-pixel-spacing": ("warning", "slices of one size differ in pixel spacing"),
    "gantry-tilt": ("warning", "slices are stacked in a direction that is not their normal"),
    "unexplained-volumes": ("warning", "every place is taken equally often and no attribute says why"),
    "constant-pixels": ("warning", "all pixels of an image have one value"),
    "no-geometry": ("warning", "an image of a modality that has slices does not say where it lies"),
    "several-echoes": ("info", "several volumes by echo"),
    "several-b-values": ("info", "several volumes by diffusion weighting or direction"),
    "several-phases": ("info", "several volumes by time or cardiac phase"),
    "several-volumes": ("info", "several volumes by image type or another acquisition parameter"),
    "mosaic": ("info", "many slices are side by side in one image; they are not checked one by one"),
    "localizer": ("info", "scouts, by Image Type"),
    "projection": ("info", "projections made from a volume, by Image Type"),
    "secondary-capture": ("info", "screens and captures, not acquired images"),
    "non-image": ("info", "instances without pixel data"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found in one series.

    Attributes:
        code: a key of ``CODES``.
        message: one sentence without header values.
        instances: SOP Instance UIDs concerned.
        count: how many (slices, images), which for what is missing is not the number of instances.
        values: numbers behind it, for a reader who wants to judge.
        series: Series Instance UID.
    """

    code: str
    message: str
    instances: Sequence[str] = ()
    count: int = 0
    values: Mapping[str, Any] = field(default_factory=dict)
    series: str = ""

    @property
    def severity(self) -> Severity:
        return CODES[self.code][0]

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "count": self.count,
            "instances": sorted(self.instances),  # they come by digest, which may say where they lay
            "values": dict(self.values),
            "series": self.series,
        }


def verdict(findings: Iterable[Finding]) -> str:
    """``fail``, ``warn`` or ``pass``."""
    severities = {finding.severity for finding in findings}
    return "fail" if "error" in severities else "warn" if "warning" in severities else "pass"
