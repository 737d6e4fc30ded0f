"""A series as images: headers parsed once, pixels read when asked for, and the one volume that they make.

The steps of one attempt share an :class:`ImageSeries`, so ten steps on a series cost one parse. Its volume
agrees with the NIfTI that dcm2niix writes, voxel for voxel and affine for affine, so that a mask made from one
fits the other; where instances do not make one regular volume it refuses with a reason instead of guessing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.dicom.geometry import Floats, Stack, Vector, is_mosaic, planes, require_single_volume, stack
from hilum.dicom.pixels import (
    frame_count,
    has_pixels,
    has_private_scaling,
    header_number,
    iter_frames,
    modality_values,
    read_instance,
    rescale,
    scaling_varies,
)
from hilum.dicom.quiet import quiet_pydicom
from hilum.errors import StepError

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True)
class Volume:
    """A regular stack of slices as one array in the patient's space.

    Attributes:
        array: modality values of shape (columns, rows, slices), indexed [i, j, k] as nibabel indexes the file
            of dcm2niix: i along DICOM's columns, j from the bottom row up, k along the normal (row x column).
            int16 where values are whole numbers that fit, else int32 or int64; float32 for other slopes.
            Fortran order in memory, so that a slice ``array[:, :, k]`` is contiguous.
        affine: voxel indices to mm in RAS (NIfTI's coordinates), float64 (4, 4). The slice spacing is the mean
            over the stack, where dcm2niix takes the first gap: they differ where positions were rounded.
        unit: UCUM code of the values: ``[hnsf'U]`` for CT in Hounsfield units, ``1`` where DICOM names none.
        spacing: mm along i, j and k.
        instances: SOP Instance UID of each slice, in order of k.
    """

    array: NDArray[Any]
    affine: Floats
    unit: str
    spacing: Vector
    instances: tuple[str, ...]


class ImageSeries:
    """The instances of a series (or of any collection) as images.

    Args:
        paths: their files, in any order.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._volume: Volume | None = None

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def datasets(self) -> list[Dataset]:
        """Headers in the order of ``paths``; pixel data stays in the files. StepError ``unreadable``."""
        with quiet_pydicom():
            return [read_instance(path) for path in self.paths]

    @property
    def images(self) -> list[Dataset]:
        """Those with pixel data."""
        return [dataset for dataset in self.datasets if has_pixels(dataset)]

    def volume(self) -> Volume:
        """All images as one array in modality units; made once, then kept.

        Raises:
            StepError: ``no-pixel-data``, ``no-geometry``, ``color``, ``mosaic``, ``mixed-size``,
                ``mixed-orientation``, ``mixed-spacing``, ``mixed-unit``, ``several-volumes``,
                ``duplicate-positions``, ``irregular-spacing``, ``gantry-tilt``, ``private-scaling``, or what
                :func:`hilum.dicom.pixels.frames` raises.
        """
        if self._volume is None:
            self._volume = _volume(self.images)
        return self._volume


@quiet_pydicom()
def _volume(images: list[Dataset]) -> Volume:
    if not images:
        raise StepError("no instance has pixel data", reason="no-pixel-data", hint="select image series only")
    for image in images:
        if (
            int(image.get("SamplesPerPixel") or 1) != 1
            or image.get("PhotometricInterpretation") == "PALETTE COLOR"
        ):
            raise StepError("colour images have no modality values", reason="color")
        if is_mosaic(image):
            raise StepError(
                "a mosaic has many slices side by side in one image",
                reason="mosaic",
                hint="the nifti step takes it apart",
            )
    arranged = stack([plane for image in images for plane in planes(image)])
    require_single_volume(arranged)
    _require_upright(images[0], arranged)
    units = {rescale(image).unit for image in images}
    if len(units) > 1:
        raise StepError("the slices differ in the unit of their values", reason="mixed-unit")
    if has_private_scaling(images[0]) and scaling_varies(images):
        raise StepError(
            "Philips MR whose Rescale Slope changes between slices",
            reason="private-scaling",
            hint="only Philips's private factors make such slices comparable; the nifti step applies them",
        )
    array = _read(images, arranged)
    owners = [str(image.get("SOPInstanceUID", "")) for image in images for _ in range(frame_count(image))]
    return Volume(
        array=array,
        affine=arranged.affine,
        unit=units.pop(),
        spacing=arranged.spacing,
        instances=tuple(owners[index] for index in arranged.order),
    )


def _require_upright(image: Dataset, arranged: Stack) -> None:
    """Refuse a lone oblique slice from a tilted gantry: whether its neighbours would lie along the normal or along
    the table is not known, and dcm2niix takes the other view.
    """
    lone = len(arranged) == 1 and header_number(image, "GantryDetectorTilt", 0) != 0
    if lone and max(map(abs, arranged.planes[0].normal)) < 1 - 1e-6:
        raise StepError("a single slice from a tilted gantry makes no volume", reason="gantry-tilt")


def _read(images: list[Dataset], arranged: Stack) -> NDArray[Any]:
    """Modality values in Volume's order; the array widens when a slice turns out not to fit its type."""
    place = {index: k for k, index in enumerate(arranged.order)}
    rows, columns = arranged.planes[0].size
    slices = np.empty((len(place), rows, columns), np.int16)
    index = 0
    for image in images:
        for number, stored in enumerate(iter_frames(image)):
            values = modality_values(image, stored, number)
            if values.dtype != slices.dtype:
                slices = slices.astype(np.promote_types(values.dtype, slices.dtype), copy=False)
            slices[place[index]] = values[::-1]
            index += 1
    return slices.T
