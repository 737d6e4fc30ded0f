"""Checks that a series is of one piece: one size, one pixel spacing, one scale of values, one coordinate
system. What belongs to a minority is reported, the most frequent value being taken as what was meant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from hilum.dicom.geometry import Plane
from hilum.steps.builtin.qc.findings import Finding
from hilum.steps.builtin.qc.frames import Frame

SCALED_BY_SLICE = ("PT", "NM", "MR")
"""Modalities whose slices may each have a scale of their own."""


def check_consistency(frames: Sequence[Frame]) -> list[Finding]:
    """Mixed size, pixel spacing, rescale and frame of reference among slices, which all have a plane."""
    findings = [
        _mixed("mixed-size", "rows and columns", frames, lambda frame: _plane(frame).size),
        _mixed(
            "mixed-frame-of-reference",
            "frame of reference",
            [frame for frame in frames if frame.frame_of_reference],
            lambda frame: frame.frame_of_reference,
        ),
        _mixed(
            "mixed-rescale",
            "rescale",
            [frame for frame in frames if frame.modality not in SCALED_BY_SLICE],
            lambda frame: frame.rescale,
        ),
    ]
    if frames:
        size = Counter(_plane(frame).size for frame in frames).most_common(1)[0][0]
        findings.append(
            _mixed(
                "mixed-pixel-spacing",
                "pixel spacing",
                [frame for frame in frames if _plane(frame).size == size],
                lambda frame: tuple(float(f"{part:.3g}") for part in _plane(frame).spacing),
            )
        )
    return [finding for finding in findings if finding is not None]


def _mixed(
    code: str, what: str, frames: Sequence[Frame], value: Callable[[Frame], Hashable]
) -> Finding | None:
    counts = Counter(map(value, frames))
    if len(counts) < 2:
        return None
    usual = counts.most_common(1)[0][0]
    uids = [frame.uid for frame in frames if value(frame) != usual]
    return Finding(
        code, f"{len(uids)} slices differ in {what}", uids, len(uids), {"different_values": len(counts)}
    )


def _plane(frame: Frame) -> Plane:
    assert frame.plane is not None
    return frame.plane
