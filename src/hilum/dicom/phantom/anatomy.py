"""The phantoms' anatomy: simple solids whose volume is known on paper, painted one over the other.

A chest of ellipsoids and elliptic cylinders looks enough like a chest to be judged by eye, and its lungs (an
ellipsoid with the mediastinal side and the base cut flat) and nodules (spheres) have closed formulas, so that
a segmentation can be checked against the truth rather than against another program.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilum.dicom.phantom.grid import Grid

Array = NDArray[np.float32]
Inside = Callable[[Array, Array, Array], NDArray[np.bool_]]
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Structure:
    """A solid with its signal: HU for CT, arbitrary units for MR. ``name`` if its volume is to be known."""

    inside: Inside
    signal: int
    name: str = ""


@dataclass(frozen=True)
class Anatomy:
    """Structures in painting order over ``background``; ``extent`` is the box in mm that holds them all.

    ``volumes_ml`` are by formula; where one structure is painted into another, it is taken off that one.
    """

    structures: Sequence[Structure]
    background: int
    extent: Triple
    volumes_ml: Mapping[str, float]


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid, with flat cuts ``(axis, side, at)``: only ``side * (coordinate - at) >= 0`` stays."""

    centre: Triple
    semi: Triple
    cuts: tuple[tuple[int, int, float], ...] = ()

    def __call__(self, x: Array, y: Array, z: Array) -> NDArray[np.bool_]:
        point = (x, y, z)
        terms = [((point[i] - self.centre[i]) / self.semi[i]) ** 2 for i in range(3)]
        if sum(float(term.min()) for term in terms) > 1:
            return np.zeros((1, 1), dtype=bool)
        kept = sum(terms[1:], terms[0]) <= 1
        for axis, side, at in self.cuts:
            kept = kept & (side * (point[axis] - at) >= 0)
        return kept

    @property
    def ml(self) -> float:
        """Volume in mL by formula; the caps that the cuts take off must not meet."""
        whole = 4 / 3 * math.pi
        heights = []
        for axis, side, at in self.cuts:
            height = side * (self.centre[axis] - at) / self.semi[axis]  # of the cut in the unit sphere
            whole -= math.pi * (1 - height) ** 2 * (2 + height) / 3
            heights.append(height)
        assert len(heights) < 2 or math.hypot(*heights) >= 1, "the caps meet: no closed formula"
        return whole * math.prod(self.semi) / 1000.0


@dataclass(frozen=True)
class Tube:
    """An elliptic cylinder along z."""

    centre: tuple[float, float]
    semi: tuple[float, float]
    low: float = -math.inf
    high: float = math.inf

    def __call__(self, x: Array, y: Array, z: Array) -> NDArray[np.bool_]:
        if float(z.max()) < self.low or float(z.min()) > self.high:
            return np.zeros((1, 1), dtype=bool)
        across = ((x - self.centre[0]) / self.semi[0]) ** 2 + ((y - self.centre[1]) / self.semi[1]) ** 2
        return (across <= 1) & (z >= self.low) & (z <= self.high)


def _ribs(x: Array, y: Array, z: Array) -> NDArray[np.bool_]:
    wall = ((x / 143) ** 2 + (y / 93) ** 2 > 1) & ((x / 150) ** 2 + (y / 100) ** 2 <= 1)
    height = z + 0.35 * y + 0.05 * np.abs(x)  # ribs fall from the spine to the front
    return wall & (np.mod(height, 24) < 9) & (z > -90) & (z < 140)


def _sternum(x: Array, y: Array, z: Array) -> NDArray[np.bool_]:
    return (np.abs(x) < 16) & (np.abs(y + 98) < 6) & (z > -50) & (z < 110)


def _table(x: Array, y: Array, z: Array) -> NDArray[np.bool_]:
    height = y - 118 - 12 * (1 - (x / 190) ** 2) + 12
    return (np.abs(height) < 3) & (z > -math.inf)


def _vertebrae(x: Array, y: Array, z: Array) -> NDArray[np.bool_]:
    return ((x / 17) ** 2 + ((y - 62) / 14) ** 2 <= 1) & (np.mod(z, 28) > 6)


RIGHT_LUNG = Ellipsoid((-75, 0, 10), (62, 66, 125), ((0, -1, -75 + 0.75 * 62), (2, 1, 10 - 0.7 * 125)))
LEFT_LUNG = Ellipsoid((88, 0, 10), (52, 62, 125), ((0, 1, 88 - 0.75 * 52), (2, 1, 10 - 0.7 * 125)))
HEART = Ellipsoid((10, -30, -30), (36, 42, 50))
NODULES: dict[str, tuple[str, Ellipsoid]] = {
    f"nodule {radius} mm": (lung, Ellipsoid(centre, (radius, radius, radius)))
    for radius, lung, centre in (
        (4, "right lung", (-95.0, -20.0, 60.0)),
        (6, "left lung", (100.0, 15.0, 40.0)),
        (8, "right lung", (-70.0, 25.0, -20.0)),
        (12, "left lung", (90.0, -15.0, -25.0)),
    )
}


def chest() -> Anatomy:
    """A supine chest in Hounsfield units. Named: lungs (nodules taken off), heart, nodules."""
    volumes = {"right lung": RIGHT_LUNG.ml, "left lung": LEFT_LUNG.ml, "heart": HEART.ml}
    for name, (lung, ball) in NODULES.items():
        volumes[name] = ball.ml
        volumes[lung] -= ball.ml
    structures = [
        Structure(_table, -150),
        Structure(Tube((0, 0), (168, 116)), -95),  # skin and fat
        Structure(Tube((0, 0), (156, 106)), 50),  # muscle
        Structure(_ribs, 480),
        Structure(_sternum, 320),
        Structure(Tube((0, 0), (143, 93), low=-78), 35),  # mediastinum
        Structure(Ellipsoid((-60, -5, -150), (85, 80, 75)), 105),  # liver, in the portal venous phase
        Structure(Ellipsoid((95, 25, -125), (40, 45, 42)), 120),  # spleen
        Structure(RIGHT_LUNG, -855, "right lung"),
        Structure(LEFT_LUNG, -850, "left lung"),
        Structure(HEART, 140, "heart"),
        Structure(Tube((24, 45), (12, 12)), 160),  # descending aorta
        Structure(Tube((0, 20), (9, 8), low=35), -1000),  # trachea
        Structure(Tube((0, 62), (20, 17)), 90),  # discs
        Structure(_vertebrae, 260),
        Structure(Tube((0, 86), (9, 8)), 20),  # spinal canal
    ]
    structures += [Structure(ball, 40, name) for name, (_, ball) in NODULES.items()]
    return Anatomy(structures, -1000, (380, 260, 320), volumes)


def head() -> Anatomy:
    """A head for MR, T2-like: named are brain (ventricles and lesion taken off), ventricles and lesion."""
    brain = Ellipsoid((0, 0, 0), (66, 80, 62))
    ventricles = [Ellipsoid((side * 14, -5, 8), (8, 30, 14)) for side in (-1, 1)]
    lesion = Ellipsoid((38, 20, 15), (9, 9, 9))
    fluid = sum(part.ml for part in ventricles)
    structures = [
        Structure(Ellipsoid((0, 0, 0), (80, 95, 78)), 520),  # scalp
        Structure(Ellipsoid((0, 0, 0), (74, 89, 71)), 60),  # skull
        Structure(Ellipsoid((0, 0, 0), (69, 83, 65)), 900),  # cerebrospinal fluid
        Structure(brain, 420, "brain"),
        *(Structure(part, 950, "ventricles") for part in ventricles),
        Structure(lesion, 700, "lesion"),
    ]
    volumes = {"brain": brain.ml - fluid - lesion.ml, "ventricles": fluid, "lesion": lesion.ml}
    return Anatomy(structures, 0, (210, 230, 170), volumes)


def paint(anatomy: Anatomy, grid: Grid) -> tuple[NDArray[np.int16], dict[str, float]]:
    """Sample ``anatomy`` at the voxel centres of ``grid``.

    Returns:
        The noiseless signal, shape (slices, rows, columns), and the volume in mL of each named structure as
        counted in voxels.
    """
    signals = np.array([anatomy.background, *(part.signal for part in anatomy.structures)], dtype=np.int16)
    counts = np.zeros(len(signals), dtype=np.int64)
    image = np.empty((grid.slices, grid.rows, grid.columns), dtype=np.int16)
    labels = np.empty((grid.rows, grid.columns), dtype=np.uint8)
    for index in range(grid.slices):
        labels.fill(0)
        point = grid.coordinates(index)
        for number, part in enumerate(anatomy.structures, start=1):
            inside = part.inside(point[0], point[1], point[2])
            if inside.any():
                np.copyto(labels, np.uint8(number), where=inside)
        np.take(signals, labels, out=image[index])
        counts += np.bincount(labels.ravel(), minlength=len(signals))
    counted: dict[str, float] = dict.fromkeys(anatomy.volumes_ml, 0.0)
    for number, part in enumerate(anatomy.structures, start=1):
        if part.name:
            counted[part.name] += float(counts[number]) * grid.voxel_ml
    return image, counted
