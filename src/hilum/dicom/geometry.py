"""Where pixels lie in the patient: planes of frames, stacks of planes, and the affine of a regular stack.

DICOM's patient coordinates are LPS (+x to the patient's left, +y to the back, +z to the head), in mm, and
refer to the centre of a pixel. NIfTI's are RAS. Everything here is LPS until :attr:`Stack.affine` turns it.

References: PS3.3 C.7.6.2.1.1 (Image Position and Orientation), 10.7.1.3 (Pixel Spacing), C.7.6.16.2.3 and .4
(plane position and orientation of enhanced images); NIfTI-1 data format, section on qform and sform.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.dicom.pixels import frame_count, functional_group
from hilum.errors import StepError

if TYPE_CHECKING:
    from pydicom import Dataset

Vector = tuple[float, float, float]
Floats = NDArray[np.float64]

ORIENTATION_TOLERANCE = 1e-3
"""Largest difference of direction cosines between planes that count as parallel (0.06 degrees)."""

SAME_POSITION = 1e-3
"""Planes closer than this, in mm, are at the same place."""

SPACING_TOLERANCE = 0.05
PLACE_TOLERANCE = 0.1
"""Largest deviation of a slice from its place in a regular stack, as a part of the spacing and in mm: as much as
positions rounded to tenths of a millimetre can be off, and as dcm2niix lets pass."""

TILT_TOLERANCE = 0.1
"""Degrees that a stack may lean before it counts as sheared by the gantry's tilt."""


@dataclass(frozen=True, slots=True)
class Plane:
    """Where one frame lies.

    Attributes:
        row: direction cosines along a row, towards higher column index.
        column: direction cosines down a column, towards higher row index.
        position: centre of the first pixel, mm LPS.
        spacing: mm between rows, mm between columns (DICOM's order).
        size: rows, columns.
        thickness: mm from this slice to the next as the header states it, else its thickness; 0 if unknown.
    """

    row: Vector
    column: Vector
    position: Vector
    spacing: tuple[float, float]
    size: tuple[int, int]
    thickness: float = 0.0

    @property
    def normal(self) -> Vector:
        """Row x column, of length 1: the direction in which slices are stacked."""
        (a, b, c), (d, e, f) = self.row, self.column
        x, y, z = b * f - c * e, c * d - a * f, a * e - b * d
        length = math.hypot(x, y, z)
        return (x / length, y / length, z / length)


def planes(dataset: Dataset) -> list[Plane]:
    """The plane of each frame of an instance, from its functional groups where it has them.

    Raises:
        StepError: ``no-geometry`` where position, orientation or spacing are missing or make no sense; so for
            projections (CR, DX, MG, XA), secondary captures, ultrasound and classic multi-frame images.
    """
    if dataset.get("PerFrameFunctionalGroupsSequence") or dataset.get("SharedFunctionalGroupsSequence"):
        return [_enhanced_plane(dataset, index) for index in range(frame_count(dataset))]
    if frame_count(dataset) > 1:
        raise _no_geometry("a classic multi-frame image does not say where its frames lie")
    return [_plane(dataset, dataset, dataset, dataset)]


def is_mosaic(dataset: Dataset) -> bool:
    """Whether an image is Siemens's mosaic: many slices side by side, whose places are in private attributes, while
    position and orientation are those of the whole sheet.
    """
    return "MOSAIC" in (dataset.get("ImageType") or ())


def _enhanced_plane(dataset: Dataset, index: int) -> Plane:
    found = [
        functional_group(dataset, name, index)
        for name in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
    ]
    position, orientation, measures = (dataset if item is None else item for item in found)
    return _plane(dataset, position, orientation, measures)


def _plane(dataset: Dataset, position: Dataset, orientation: Dataset, measures: Dataset) -> Plane:
    cosines = _numbers(orientation, "ImageOrientationPatient", 6)
    row, column = (cosines[0], cosines[1], cosines[2]), (cosines[3], cosines[4], cosines[5])
    unit = all(abs(math.hypot(*vector) - 1) < 1e-2 for vector in (row, column))
    if not unit or abs(sum(a * b for a, b in zip(row, column, strict=True))) > 1e-2:
        raise _no_geometry("Image Orientation (Patient) is not two perpendicular unit vectors")
    x, y, z = _numbers(position, "ImagePositionPatient", 3)
    between_rows, between_columns = _numbers(measures, "PixelSpacing", 2)
    if between_rows <= 0 or between_columns <= 0:
        raise _no_geometry("Pixel Spacing is not positive")
    return Plane(
        row=row,
        column=column,
        position=(x, y, z),
        spacing=(between_rows, between_columns),
        size=(int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)),
        thickness=_thickness(measures),
    )


def _numbers(owner: Dataset, keyword: str, count: int) -> list[float]:
    try:
        values = [float(value) for value in owner.get(keyword) or ()]
    except (TypeError, ValueError):
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise _no_geometry(f"{keyword} is missing or not {count} numbers")
    return values


def _thickness(measures: Dataset) -> float:
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        try:
            value = abs(float(measures.get(keyword) or 0))
        except (TypeError, ValueError):
            continue
        if value > 0 and math.isfinite(value):
            return value
    return 0.0


def _no_geometry(message: str) -> StepError:
    return StepError(message, reason="no-geometry", hint="only images placed in the patient make a volume")


def place_tolerance(spacing: float) -> float:
    """How far, in mm, a slice may be from its place in a regular stack of this spacing."""
    return max(SAME_POSITION, min(SPACING_TOLERANCE * spacing, PLACE_TOLERANCE))


@dataclass(frozen=True)
class Stack:
    """Parallel planes of one size in order along their normal. Built by :func:`stack`; may be irregular.

    Attributes:
        planes: as given.
        order: indices into ``planes``, ascending along the normal (row x column).
        distances: mm along the normal of the ordered planes, float64 of shape (slices,).
    """

    planes: tuple[Plane, ...]
    order: tuple[int, ...]
    distances: Floats

    def __len__(self) -> int:
        return len(self.order)

    @cached_property
    def gaps(self) -> Floats:
        """mm from each slice to the next, shape (slices - 1,)."""
        return np.diff(self.distances)

    @property
    def copies(self) -> NDArray[np.intp]:
        """How many planes there are at each distinct place: all ones in a single volume."""
        edges = np.flatnonzero(np.concatenate(([True], self.gaps > SAME_POSITION, [True])))
        return np.diff(edges)

    @cached_property
    def step(self) -> Floats:
        """mm LPS from one slice's first pixel to the next's, mean over the stack, shear included; shape (3,).

        A single slice's is its normal times its thickness (1 mm where the header says none).
        """
        first, last = self.planes[self.order[0]], self.planes[self.order[-1]]
        if len(self) == 1:
            return np.multiply(first.normal, first.thickness or 1.0)
        return np.subtract(last.position, first.position) / (len(self) - 1)

    @property
    def spacing(self) -> Vector:
        """mm along i (columns), j (rows) and k (slices, along the normal)."""
        rows, columns = self.planes[self.order[0]].spacing
        return columns, rows, float(self.step @ np.array(self.planes[self.order[0]].normal))

    @cached_property
    def deviation(self) -> float:
        """Largest distance of a slice from its place in the regular stack between first and last, mm."""
        positions = np.array([self.planes[index].position for index in self.order])
        ideal = positions[0] + np.arange(len(self))[:, np.newaxis] * self.step
        return float(np.linalg.norm(positions - ideal, axis=1).max())

    @property
    def regular(self) -> bool:
        """Whether every slice is within tolerance of its place."""
        return self.deviation <= place_tolerance(float(np.linalg.norm(self.step)))

    @property
    def tilt(self) -> float:
        """Degrees between the direction of stacking and the normal: the gantry's tilt, 0 where straight."""
        across = float(np.linalg.norm(np.cross(self.step, self.planes[self.order[0]].normal)))
        return math.degrees(math.atan2(across, abs(self.spacing[2])))

    @property
    def affine(self) -> Floats:
        """Voxel (i, j, k) to mm RAS, float64 (4, 4).

        i is the column; j the row, from the bottom one up; k the slice along the normal: dcm2niix's order.
        """
        first = self.planes[self.order[0]]
        rows, columns = first.spacing
        down = np.array(first.column) * rows
        matrix: NDArray[Any] = np.eye(4)
        matrix[:3, 0] = np.array(first.row) * columns
        matrix[:3, 1] = -down
        matrix[:3, 2] = self.step
        matrix[:3, 3] = np.array(first.position) + down * (first.size[0] - 1)
        matrix[:2] *= -1  # LPS to RAS
        return matrix


def stack(planes: Sequence[Plane]) -> Stack:
    """Parallel planes in order along their normal; duplicates and gaps are left for the caller to judge.

    Raises:
        StepError: ``no-geometry`` for no plane; ``mixed-size``, ``mixed-orientation`` or ``mixed-spacing`` where
            the planes differ in it.
    """
    if not planes:
        raise _no_geometry("there is no plane")
    if len({plane.size for plane in planes}) > 1:
        raise StepError("the slices differ in rows or columns", reason="mixed-size")
    axes = np.array([plane.row + plane.column for plane in planes])
    if np.abs(axes - axes[0]).max() > ORIENTATION_TOLERANCE:
        raise StepError("the slices are not parallel", reason="mixed-orientation")
    spacings = np.array([plane.spacing for plane in planes])
    if np.abs(spacings / spacings[0] - 1).max() > ORIENTATION_TOLERANCE:
        raise StepError("the slices differ in pixel spacing", reason="mixed-spacing")
    along = np.array([plane.position for plane in planes]) @ np.array(planes[0].normal)
    order = np.argsort(along, kind="stable")
    return Stack(tuple(planes), tuple(order.tolist()), along[order])


def require_single_volume(stack: Stack) -> None:
    """Refuse a stack that is not one regular volume.

    Raises:
        StepError: ``several-volumes`` (every place is taken equally often), ``duplicate-positions``,
            ``irregular-spacing`` or ``gantry-tilt``.
    """
    copies = stack.copies
    if copies.max() > 1:
        if len(copies) > 1 and copies.min() == copies.max():
            raise StepError(
                f"{copies[0]} volumes share the same {len(copies)} places",
                reason="several-volumes",
                hint="split the series by echo, b-value, phase or time",
            )
        raise StepError("several slices are at the same place", reason="duplicate-positions")
    if not stack.regular:
        raise StepError(
            f"a slice is {stack.deviation:.2f} mm off its place in a regular stack",
            reason="irregular-spacing",
            hint="slices may be missing; qc says which",
        )
    if stack.tilt > TILT_TOLERANCE:
        raise StepError(
            f"the slices are stacked {stack.tilt:.1f} degrees off their normal",
            reason="gantry-tilt",
            hint="the nifti step writes such a series resampled, as *_Tilt*.nii.gz",
        )
