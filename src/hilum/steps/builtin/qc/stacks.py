"""Checks of geometry: frames are put into stacks of parallel slices, each stack's places are laid along its
normal, and gaps, copies and shears are told apart. Tolerances are those of :mod:`hilum.dicom.geometry`, so
that what qc calls regular is what ``ctx.volume()`` takes.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilum.dicom.geometry import ORIENTATION_TOLERANCE, SAME_POSITION, TILT_TOLERANCE, place_tolerance
from hilum.steps.builtin.qc.findings import Finding
from hilum.steps.builtin.qc.frames import Frame
from hilum.steps.builtin.qc.volumes import take_apart

STRAY = 0.1
"""An orientation with fewer frames than this part of the largest's is a fault in that stack, not a stack."""

WHOLE = 0.1
"""How far from a whole multiple of the spacing a gap may be to count as missing slices."""

CHANGED = 3
"""As many equal wide gaps in a row, without a jump in Instance Number, are a change of spacing by design."""

Vectors = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StackReport:
    """A stack and what was found in it; ``spacing`` in mm along the normal, None for one place."""

    slices: int
    missing: int
    duplicates: int
    volumes: int
    spacing: float | None
    findings: Sequence[Finding]


def orientations(frames: Sequence[Frame]) -> list[list[Frame]]:
    """Frames by orientation, largest first. All have a plane."""
    groups: list[tuple[Vectors, list[Frame]]] = []
    for frame in frames:
        assert frame.plane is not None
        axes = np.array(frame.plane.row + frame.plane.column)
        for known, members in groups:
            if np.abs(axes - known).max() <= ORIENTATION_TOLERANCE:
                members.append(frame)
                break
        else:
            groups.append((axes, [frame]))
    return sorted((members for _, members in groups), key=len, reverse=True)


def stacks(groups: Sequence[list[Frame]]) -> list[list[Frame]]:
    """Orientations that are stacks of their own; strays go to the largest, whose places they fill."""
    if not groups:
        return []
    main = [group for group in groups if len(group) >= STRAY * len(groups[0])]
    strays = [frame for group in groups[len(main) :] for frame in group]
    return [main[0] + strays, *main[1:]]


def check_stack(frames: Sequence[Frame]) -> StackReport:
    """Missing, duplicate and irregularly spaced slices, tilt and several volumes in one stack."""
    positions, normal = _geometry(frames)
    distances = positions @ normal
    order = np.argsort(distances, kind="stable")
    edges = np.diff(distances[order], prepend=-np.inf) > SAME_POSITION
    places = np.empty(len(frames), dtype=int)
    places[order] = np.cumsum(edges) - 1
    firsts = order[edges]  # one frame for each place, ascending

    found = take_apart(frames, places.tolist())
    findings = [
        Finding(
            code,
            f"{found.count} volumes are in one series",
            [frame.uid for frame in frames],
            found.count,
            {"volumes": found.count, "by": by},
        )
        for code, by in found.reasons.items()
    ]
    if found.duplicates:
        uids = [frames[index].uid for index in found.duplicates]
        findings.append(
            Finding("duplicate-slices", f"{len(uids)} slices are at places already taken", uids, len(uids))
        )
    missing = found.absent
    spacing = None
    gap_values: list[dict[str, object]] = []
    if len(firsts) > 1:
        gaps = np.diff(distances[firsts])
        spacing = float(statistics.median_low(gaps.tolist()))
        steps = _steps(gaps, spacing, [frames[index].number for index in firsts])
        for at in np.flatnonzero(steps > 1):
            lost = int(steps[at]) - 1
            between = [frames[firsts[at]].uid, frames[firsts[at + 1]].uid]
            gap_values.append({"between": between, "slices": lost, "mm": round(float(gaps[at]), 4)})
            missing += lost * found.count
        findings += _regularity(frames, positions[firsts], firsts, normal, gaps, steps)
    if missing:
        uids = [uid for gap in gap_values for uid in gap["between"]]  # type: ignore[attr-defined]
        values = {"gaps": gap_values, "absent_from_volumes": found.absent}
        findings.append(Finding("missing-slices", f"{missing} slices are missing", uids, missing, values))
    return StackReport(len(firsts), missing, len(found.duplicates), found.count, spacing, findings)


def _geometry(frames: Sequence[Frame]) -> tuple[Vectors, Vectors]:
    """Positions, shape (frames, 3), and the normal of the first frame."""
    planes = [frame.plane for frame in frames if frame.plane is not None]
    return np.array([plane.position for plane in planes]), np.array(planes[0].normal)


def _steps(gaps: Vectors, spacing: float, numbers: Sequence[int | None]) -> NDArray[np.int_]:
    """How many spacings each gap is, where it is a whole number of them; 1 for any other gap."""
    ratios = gaps / spacing
    whole = np.rint(ratios)
    steps = np.where((np.abs(ratios - whole) <= WHOLE) & (whole > 1), whole, 1).astype(int)
    consecutive = [
        first is not None and second is not None and abs(second - first) == 1
        for first, second in itertools.pairwise(numbers)
    ]
    start = 0
    for step, run in itertools.groupby(steps.tolist()):
        end = start + len(list(run))
        if step > 1 and end - start >= CHANGED and all(consecutive[start:end]):
            steps[start:end] = 1
        start = end
    return steps


def _regularity(
    frames: Sequence[Frame],
    positions: Vectors,
    firsts: NDArray[np.intp],
    normal: Vectors,
    gaps: Vectors,
    steps: NDArray[np.int_],
) -> list[Finding]:
    """Spacing and tilt of the places, gaps of missing slices allowed for."""
    findings = []
    index = np.concatenate(([0], np.cumsum(steps)))
    step = (positions[-1] - positions[0]) / index[-1]
    length = float(np.linalg.norm(step))
    off = np.linalg.norm(positions - (positions[0] + index[:, np.newaxis] * step), axis=1)
    wrong = np.flatnonzero(off > place_tolerance(length))
    if len(wrong):
        each = gaps / steps
        values = {
            "spacing_min": round(float(each.min()), 4),
            "spacing_max": round(float(each.max()), 4),
            "off_by_max": round(float(off.max()), 4),
        }
        uids = [frames[firsts[at]].uid for at in wrong]
        findings.append(
            Finding("irregular-spacing", f"{len(uids)} slices are off their places", uids, len(uids), values)
        )
    tilt = math.degrees(math.acos(min(1.0, abs(float(step @ normal)) / length)))
    if tilt > TILT_TOLERANCE:
        uids = [frame.uid for frame in frames]
        values = {"degrees": round(tilt, 3)}
        findings.append(
            Finding("gantry-tilt", f"the stack leans {tilt:.1f} degrees", uids, len(uids), values)
        )
    return findings
