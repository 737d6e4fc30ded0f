"""Where a phantom's voxels lie in the patient: the sampling grid of a series in DICOM's patient coordinates
(LPS, mm; PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Orientation = Literal["axial", "coronal", "sagittal", "oblique"]
Floats = NDArray[np.float64]

# Row direction (along increasing column index) and column direction, as in Image Orientation (Patient).
DIRECTIONS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
}


@dataclass(frozen=True)
class Grid:
    """A stack of parallel, evenly spaced slices centred on ``centre``.

    Attributes:
        slices, rows, columns: size.
        pixel_spacing: mm between rows, mm between columns (the order of the attribute Pixel Spacing).
        slice_spacing: mm between neighbouring slices.
        row_direction, column_direction: unit vectors as in Image Orientation (Patient).
        step: the unit vector from one slice to the next; the normal unless the gantry is tilted.
    """

    slices: int
    rows: int
    columns: int
    pixel_spacing: tuple[float, float]
    slice_spacing: float
    row_direction: Floats
    column_direction: Floats
    step: Floats
    centre: Floats

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in mL, taken between neighbouring slices."""
        normal = np.cross(self.row_direction, self.column_direction)
        thickness = self.slice_spacing * abs(float(normal @ self.step))
        return self.pixel_spacing[0] * self.pixel_spacing[1] * thickness / 1000.0

    def position(self, index: int) -> Floats:
        """Image Position (Patient) of slice ``index``: the centre of its first pixel."""
        return (
            self.centre
            + (index - (self.slices - 1) / 2) * self.slice_spacing * self.step
            - (self.columns - 1) / 2 * self.pixel_spacing[1] * self.row_direction
            - (self.rows - 1) / 2 * self.pixel_spacing[0] * self.column_direction
        )

    def coordinates(self, index: int) -> tuple[NDArray[np.float32], ...]:
        """x, y and z of every pixel of slice ``index``, each broadcastable to (rows, columns).

        An axis along which a coordinate does not change has length 1, which makes orthogonal grids cheap.
        """
        down = np.arange(self.rows)[:, None] * self.pixel_spacing[0]
        along = np.arange(self.columns)[None, :] * self.pixel_spacing[1]
        origin = self.position(index)
        found = []
        for axis in range(3):
            value = np.full((1, 1), origin[axis])
            if self.row_direction[axis]:
                value = value + along * self.row_direction[axis]
            if self.column_direction[axis]:
                value = value + down * self.column_direction[axis]
            found.append(value.astype(np.float32))
        return tuple(found)


def rotation(axis: int, degrees: float) -> Floats:
    """The right-handed rotation about patient axis 0, 1 or 2."""
    angle = np.deg2rad(degrees)
    matrix = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def directions(orientation: Orientation) -> tuple[Floats, Floats]:
    """Row and column direction; ``oblique`` is axial turned by 18 degrees about x, then 12 about z."""
    if orientation == "oblique":
        turn = rotation(2, 12) @ rotation(0, 18)
        return turn[:, 0].copy(), turn[:, 1].copy()
    row, column = DIRECTIONS[orientation]
    return np.array(row, dtype=float), np.array(column, dtype=float)


def make_grid(
    extent: tuple[float, float, float],
    *,
    slices: int,
    rows: int,
    columns: int,
    pixel_spacing: tuple[float, float] | None,
    slice_spacing: float | None,
    orientation: Orientation,
    reverse: bool,
    tilt: float,
) -> Grid:
    """A grid that covers a box of ``extent`` mm (x, y, z) about the origin, unless spacings say otherwise.

    Args:
        reverse: slices run against the normal. tilt: gantry tilt in degrees: the slices are turned about
            the row direction while the table still moves along the old normal.
    """
    row, column = directions(orientation)
    step = np.cross(row, column)
    if pixel_spacing is None:
        widest = max(float(np.abs(axis) @ np.array(extent)) for axis in (row, column))
        pixel_spacing = (round(widest / rows, 4), round(widest / columns, 4))
    if slice_spacing is None:
        slice_spacing = round(float(np.abs(step) @ np.array(extent)) / slices, 3)
    if tilt:
        normal = step
        column = np.cos(np.deg2rad(tilt)) * column + np.sin(np.deg2rad(tilt)) * normal
    return Grid(
        slices,
        rows,
        columns,
        pixel_spacing,
        slice_spacing,
        row,
        column,
        -step if reverse else step,
        np.zeros(3),
    )
