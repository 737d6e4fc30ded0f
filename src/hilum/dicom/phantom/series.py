"""Phantom series: a chest CT and a head MR of known volumes, written as valid DICOM from a seed alone, the
same bytes on every machine. Tests, the demo and the benchmarks run on them, since real scans may not be shipped.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import NDArray

from hilum.dicom.phantom import anatomy as anatomies
from hilum.dicom.phantom import headers
from hilum.dicom.phantom.faults import Faults, Slice, plant
from hilum.dicom.phantom.grid import Grid, Orientation, make_grid

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


@dataclass(frozen=True)
class Phantom:
    """A series that was written.

    Attributes:
        paths: its files, in order of Instance Number.
        stored: stored pixel values before any fault, shape (images, rows, columns), in the same order.
        slope, intercept: modality value = slope * stored + intercept.
        grid: where the slices lie.
        volumes_ml: volumes of the named structures in mL by formula.
        counted_ml: the same counted in voxels of this grid.
    """

    paths: tuple[Path, ...]
    study_uid: str
    series_uid: str
    stored: NDArray[np.generic]
    slope: float
    intercept: float
    grid: Grid
    volumes_ml: Mapping[str, float]
    counted_ml: Mapping[str, float]

    @property
    def values(self) -> NDArray[np.float32]:
        """Modality values (HU for CT) as written, before any fault; float32, shaped as ``stored``."""
        return self.stored.astype(np.float32) * np.float32(self.slope) + np.float32(self.intercept)


def chest_ct(
    folder: Path,
    *,
    slices: int = 64,
    rows: int = 256,
    columns: int = 256,
    pixel_spacing: tuple[float, float] | None = None,
    slice_spacing: float | None = None,
    orientation: Orientation = "axial",
    reverse: bool = False,
    tilt: float = 0.0,
    seed: int = 1,
    noise: float = 12.0,
    slope: float = 1.0,
    intercept: float = -1024.0,
    signed: bool = False,
    window: tuple[float, float] | None = (40, 400),
    number: int = 2,
    transfer_syntax: str = headers.EXPLICIT_LITTLE_ENDIAN,
    **faults: Unpack[Faults],
) -> Phantom:
    """Write a chest CT.

    Args:
        folder: made if absent; files are named ``IM00001.dcm`` onwards.
        pixel_spacing, slice_spacing: mm; by default the slices cover a box of 380 x 260 x 320 mm.
        reverse: slices run against the normal (head to feet if axial). tilt: gantry tilt in degrees.
        noise: standard deviation in HU. window: centre and width in the header, or none.
        signed: 16 signed bits instead of 12 unsigned.
        number: Series Number; another one gives another series of the same study.
        transfer_syntax: any that pydicom can encode here. faults: see :class:`Faults`.
    """
    body = anatomies.chest()
    grid = make_grid(
        body.extent,
        slices=slices,
        rows=rows,
        columns=columns,
        pixel_spacing=pixel_spacing,
        slice_spacing=slice_spacing,
        orientation=orientation,
        reverse=reverse,
        tilt=tilt,
    )
    signal, counted = anatomies.paint(body, grid)
    _add_noise(signal, noise, seed)
    bits = 16 if signed else 12
    low, high = (-32768, 32767) if signed else (0, 4095)
    if (slope, intercept) == (1.0, float(int(intercept))):
        signal -= np.int16(intercept)
        stored = np.clip(signal, low, high, out=signal)
    else:
        stored = np.clip(np.rint((signal - intercept) / slope), low, high)
    stored = stored.astype(np.int16 if signed else np.uint16, copy=False)

    base = headers.common("CT", headers.CT_IMAGE, seed, f"Chest {orientation}", number)
    base.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if orientation == "axial" else "OTHER"]
    base.BodyPartExamined = "CHEST"
    base.KVP, base.XRayTubeCurrent, base.ExposureTime = "120", "200", "500"
    base.ConvolutionKernel = "STANDARD"
    base.GantryDetectorTilt = headers.decimals([tilt])[0]
    base.AcquisitionNumber = "1"
    headers.describe_pixels(base, bits=bits, signed=signed)
    base.RescaleIntercept, base.RescaleSlope = headers.decimals([intercept, slope])
    base.RescaleType = "HU"
    if window:
        base.WindowCenter, base.WindowWidth = headers.decimals(window)
    images = []
    for index in range(slices):
        header = _image(base, seed, index)
        headers.place(header, grid, index)
        images.append(Slice(header, stored[index]))
    paths = _write(folder, images, faults, seed, transfer_syntax)
    return Phantom(
        paths,
        base.StudyInstanceUID,
        base.SeriesInstanceUID,
        stored,
        slope,
        intercept,
        grid,
        body.volumes_ml,
        counted,
    )


def mr_series(
    folder: Path,
    *,
    slices: int = 24,
    rows: int = 128,
    columns: int = 128,
    pixel_spacing: tuple[float, float] | None = None,
    slice_spacing: float | None = None,
    orientation: Orientation = "axial",
    reverse: bool = False,
    echoes: Sequence[float] = (90.0,),
    b_values: Sequence[float] = (),
    phases: int = 1,
    seed: int = 1,
    noise: float = 8.0,
    number: int = 2,
    transfer_syntax: str = headers.EXPLICIT_LITTLE_ENDIAN,
    **faults: Unpack[Faults],
) -> Phantom:
    """Write a head MR: one volume for each combination of echo, b-value and phase, all in one series.

    Args:
        echoes: echo times in ms. b_values: in s/mm², none for no diffusion. phases: temporal positions.
        Others as in :func:`chest_ct`. Volumes follow one another; within one, slices are in order.
    """
    body = anatomies.head()
    grid = make_grid(
        body.extent,
        slices=slices,
        rows=rows,
        columns=columns,
        pixel_spacing=pixel_spacing,
        slice_spacing=slice_spacing,
        orientation=orientation,
        reverse=reverse,
        tilt=0.0,
    )
    signal, counted = anatomies.paint(body, grid)
    base = headers.common("MR", headers.MR_IMAGE, seed, f"Head {orientation}", number)
    base.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    base.BodyPartExamined = "HEAD"
    base.ScanningSequence, base.SequenceVariant, base.ScanOptions = "SE", "SK", ""
    base.MRAcquisitionType = "2D"
    base.MagneticFieldStrength, base.RepetitionTime, base.FlipAngle = "3", "4000", "90"
    base.EchoTrainLength = "1"
    base.AcquisitionNumber = "1"
    headers.describe_pixels(base, bits=12, signed=False)
    base.WindowCenter, base.WindowWidth = "450", "1000"
    combinations = [
        (echo, b_value, phase)
        for echo in range(len(echoes))
        for b_value in (b_values or (None,))
        for phase in range(phases)
    ]
    images = []
    for volume, (echo, b_value, phase) in enumerate(combinations):
        decay = math.exp(-(echoes[echo] - echoes[0]) / 80) * (1 + 0.05 * phase)
        decay *= 1.0 if b_value is None else math.exp(-b_value * 0.0008)
        image = (signal * decay).astype(np.int16)
        _add_noise(image, noise, seed + volume)
        np.clip(image, 0, 4095, out=image)
        for index in range(slices):
            header = _image(base, seed, volume * slices + index)
            headers.place(header, grid, index)
            header.EchoTime = headers.decimals([echoes[echo]])[0]
            header.EchoNumbers = str(echo + 1)
            if b_value is not None:
                header.DiffusionBValue = float(b_value)
            if phases > 1:
                header.TemporalPositionIdentifier = str(phase + 1)
                header.NumberOfTemporalPositions = str(phases)
                header.TriggerTime = headers.decimals([phase * 40])[0]
            images.append(Slice(header, image[index].view(np.uint16)))
    stored = np.stack([one.pixels for one in images])
    paths = _write(folder, images, faults, seed, transfer_syntax)
    return Phantom(
        paths,
        base.StudyInstanceUID,
        base.SeriesInstanceUID,
        stored,
        1.0,
        0.0,
        grid,
        body.volumes_ml,
        counted,
    )


def _image(base: Dataset, seed: int, index: int) -> Dataset:
    from pydicom.dataset import Dataset

    header = Dataset()
    for element in base:
        header.add(copy.copy(element))  # else a fault planted in one slice would show in all
    header.SOPInstanceUID = headers.uid("instance", base.SeriesInstanceUID, seed, index)
    header.InstanceNumber = str(index + 1)
    return header


def _add_noise(image: NDArray[np.int16], deviation: float, seed: int) -> None:
    """Add smooth normal noise in place: windows of one tile, since a fresh field a slice would cost more."""
    if deviation <= 0:
        return
    slices, rows, columns = image.shape
    random = np.random.default_rng(seed)
    tile = random.standard_normal((rows + 33, columns + 33), dtype=np.float32)
    tile = tile[1:, 1:] + tile[:-1, 1:] + tile[1:, :-1] + tile[:-1, :-1]  # neighbours correlate, as in CT
    values = np.rint(tile * (deviation / 2)).astype(np.int16)
    for index in range(slices):
        down, along = random.integers(0, 32, size=2)
        image[index] += values[down : down + rows, along : along + columns]


def _write(
    folder: Path, images: list[Slice], faults: Faults, seed: int, transfer_syntax: str
) -> tuple[Path, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    root = headers.uid("fault", images[0].header.SeriesInstanceUID)[:-3]
    paths = []
    for image in plant(images, faults, seed=seed, uid=root):
        path = folder / f"IM{int(image.header.InstanceNumber):05d}.dcm"
        headers.write(path, image, transfer_syntax)
        paths.append(path)
    return tuple(paths)
