"""Faults to plant in a phantom series, each as it is met in real archives, so that a check can be shown to
find exactly what is wrong and nothing else. Indices count slices in file order from 0, before anything is dropped.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


class Faults(TypedDict, total=False):
    """What to plant.

    Keys:
        drop: slices that are missing. duplicate: slices that come twice, with another SOP Instance UID.
        jitter: mm by which the positions of inner slices are off, at most.
        turn: slices turned by 30 degrees. resize: slices with half the matrix.
        rescale: slices with another slope and intercept. reframe: slices in another frame of reference.
        truncate: slices whose Pixel Data element is half as long as the header says.
        cut: files that end in the middle of Pixel Data, as after a broken transfer.
        constant: slices whose pixels all have one value.
    """

    drop: Sequence[int]
    duplicate: Sequence[int]
    jitter: float
    turn: Sequence[int]
    resize: Sequence[int]
    rescale: Sequence[int]
    reframe: Sequence[int]
    truncate: Sequence[int]
    cut: Sequence[int]
    constant: Sequence[int]


@dataclass
class Slice:
    """One image on its way to a file: header, stored pixels (rows, columns[, 3]), and damage to its bytes."""

    header: Dataset
    pixels: NDArray[np.generic]
    truncated: bool = False
    cut: bool = False


def plant(slices: list[Slice], faults: Faults, *, seed: int, uid: str) -> list[Slice]:
    """Slices with the faults planted; ``uid`` is a UID root that nothing else uses."""
    from hilum.dicom.phantom.headers import decimals

    random = np.random.default_rng(seed)
    if jitter := faults.get("jitter", 0.0):
        for one in slices[1:-1]:
            off = random.choice([-1, 1]) * random.uniform(jitter / 2, jitter)
            position = np.array(one.header.ImagePositionPatient, dtype=float)
            one.header.ImagePositionPatient = decimals(position + off * _normal(one.header))
            one.header.SliceLocation = decimals([float(one.header.SliceLocation) + off])[0]
    for index in faults.get("turn", ()):
        row, column = np.array(slices[index].header.ImageOrientationPatient, dtype=float).reshape(2, 3)
        turned = np.cos(np.pi / 6) * column + np.sin(np.pi / 6) * np.cross(row, column)
        slices[index].header.ImageOrientationPatient = decimals([*row, *turned])
    for index in faults.get("resize", ()):
        slices[index].pixels = np.ascontiguousarray(slices[index].pixels[::2, ::2])
        spacing = np.array(slices[index].header.PixelSpacing, dtype=float)
        slices[index].header.PixelSpacing = decimals(spacing * 2)
    for index in faults.get("rescale", ()):
        slices[index].header.RescaleSlope = "2"
        slices[index].header.RescaleIntercept = "-2048"
    for index in faults.get("reframe", ()):
        slices[index].header.FrameOfReferenceUID = f"{uid}1"
    for index in faults.get("constant", ()):
        slices[index].pixels = np.full_like(slices[index].pixels, slices[index].pixels.flat[0])
    for index in faults.get("truncate", ()):
        slices[index].truncated = True
    for index in faults.get("cut", ()):
        slices[index].cut = True
    twins = []
    for number, index in enumerate(faults.get("duplicate", ())):
        twin = copy.copy(slices[index])
        twin.header = copy.deepcopy(twin.header)
        twin.header.SOPInstanceUID = f"{uid}2{number}"
        twin.header.InstanceNumber = str(len(slices) + number + 1)
        twins.append(twin)
    dropped = set(faults.get("drop", ()))
    return [one for index, one in enumerate(slices) if index not in dropped] + twins


def _normal(header: Dataset) -> NDArray[np.float64]:
    row, column = np.array(header.ImageOrientationPatient, dtype=float).reshape(2, 3)
    return np.asarray(np.cross(row, column), dtype=np.float64)
