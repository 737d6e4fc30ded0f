"""From stored values to what belongs on a screen: DICOM's greyscale and colour pipelines down to 8 bits.

Grey: Modality LUT, then VOI LUT or window, then the inversion of MONOCHROME1. Colour: palettes become RGB and
deeper samples are reduced to 8 bits; YBR is already RGB when it leaves :mod:`hilum.dicom.pixels`.

References: PS3.3 C.11.2 (VOI LUT, windows), C.11.6 and C.7.6.3.1.2 (presentation and photometric
interpretation), C.7.6.3.1.5 (palettes), C.7.6.2.1.1 (orientation), C.9.2 (overlay planes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from hilum.dicom.pixels import functional_group, modality_values
from hilum.errors import StepError

if TYPE_CHECKING:
    from pydicom import Dataset

Array = NDArray[Any]
Bytes = NDArray[np.uint8]
Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]

PERCENTILES = (0.5, 99.5)
"""What is shown from black to white where the header has no window and the modality no custom."""

SECOND_LETTER = 0.35
"""A direction gets a second letter from this cosine on (about 20 degrees)."""


@dataclass(frozen=True, slots=True)
class Window:
    """A window over modality values: centre, width, and the function between its ends (C.11.2.1.2, .3)."""

    center: float
    width: float
    function: Function = "LINEAR"

    def apply(self, values: Array) -> Bytes:
        """``values`` as 0 to 255, rounded to nearest; any shape."""
        x = np.asarray(values, dtype=np.float32)
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):
                part = 1 / (1 + np.exp(-4 * (x - self.center) / self.width))
        elif self.function == "LINEAR_EXACT" or self.width < 1:
            part = (x - self.center) / self.width + 0.5
        elif self.width == 1:
            part = x > self.center - 0.5
        else:
            part = (x - (self.center - 0.5)) / (self.width - 1) + 0.5
        shades: Bytes = np.rint(np.clip(np.nan_to_num(part), 0, 1) * 255).astype(np.uint8)
        return shades


SOFT_TISSUE = Window(40, 400)


@dataclass(frozen=True, slots=True)
class VoiTable:
    """A VOI LUT (C.11.2.1.1): the modality value ``first`` maps to ``entries[0]``, of ``bits`` bits."""

    entries: Array
    first: int
    bits: int

    def apply(self, values: Array) -> Bytes:
        """``values`` as 0 to 255; what lies outside the table takes its ends."""
        index = np.clip(np.rint(values).astype(np.int64) - self.first, 0, len(self.entries) - 1)
        return np.rint(self.entries[index] * (255 / ((1 << self.bits) - 1))).astype(np.uint8)


def header_voi(dataset: Dataset, index: int = 0) -> Window | VoiTable | None:
    """What the header wants shown of frame ``index``: its first VOI LUT, else its first sound window."""
    tables = dataset.get("VOILUTSequence")
    if tables:
        return _voi_table(tables[0], signed=dataset.get("PixelRepresentation") == 1)
    group = functional_group(dataset, "FrameVOILUTSequence", index)
    owner = dataset if group is None else group
    center, width = (_first_number(owner.get(keyword)) for keyword in ("WindowCenter", "WindowWidth"))
    if center is None or width is None or width <= 0:
        return None
    stated = str(owner.get("VOILUTFunction") or "LINEAR").upper()
    functions: dict[str, Function] = {"LINEAR_EXACT": "LINEAR_EXACT", "SIGMOID": "SIGMOID"}
    return Window(center, width, functions.get(stated, "LINEAR"))


def _voi_table(item: Dataset, *, signed: bool) -> VoiTable | None:
    count, first, bits = (int(value) for value in item.LUTDescriptor)
    if signed and first > 32767:
        first -= 65536
    count = count or 65536
    data = item.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, "u1" if len(data) < 2 * count else "<u2")
    entries = np.asarray(data, dtype=np.float64)[:count]
    return VoiTable(entries, first, bits) if len(entries) and 0 < bits <= 16 else None


def default_window(samples: Sequence[Array], dataset: Dataset) -> Window:
    """A window where the header has none.

    Soft tissue for CT, so that one CT looks like the next; else from percentile 0.5 to 99.5 of ``samples``
    (modality values), padding left out, so that one hot pixel does not turn the rest black.
    """
    if dataset.get("Modality") == "CT" and str(dataset.get("RescaleType") or "HU") == "HU":
        return SOFT_TISSUE
    values = np.concatenate([sample.ravel()[:: max(1, sample.size // 50_000)] for sample in samples])
    values = values[np.isfinite(values)].astype(np.float64)
    padding = _first_number(dataset.get("PixelPaddingValue"))
    if padding is not None and np.any(values != padding):
        values = values[values != padding]
    low, high = np.percentile(values, PERCENTILES) if len(values) else (0.0, 1.0)
    if high <= low:
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    return Window((low + high) / 2, max(high - low, 1e-6), "LINEAR_EXACT")


def is_colour(dataset: Dataset) -> bool:
    """Whether the image is shown in colour."""
    return int(dataset.get("SamplesPerPixel") or 1) > 1 or _photometric(dataset) == "PALETTE COLOR"


def inverted(dataset: Dataset) -> bool:
    """Whether the lowest value is shown white: MONOCHROME1, or a Presentation LUT Shape of INVERSE."""
    return _photometric(dataset) == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"


def grey(dataset: Dataset, values: Array, voi: Window | VoiTable) -> Bytes:
    """Modality values as shades from 0 (black) to 255; any shape."""
    shades = voi.apply(values)
    return 255 - shades if inverted(dataset) else shades


def shades_of(dataset: Dataset, stored: Array, index: int, voi: Window | VoiTable | None = None) -> Bytes:
    """Stored values of frame ``index`` as shades; ``voi`` overrides the header's and the default."""
    values = modality_values(dataset, stored, index)
    how = voi or header_voi(dataset, index) or default_window([values], dataset)
    return grey(dataset, values, how)


def colours(dataset: Dataset, stored: Array) -> Bytes:
    """A colour frame as RGB.

    Args:
        stored: (rows, columns, 3) RGB as :func:`hilum.dicom.pixels.frames` gives it, or (rows, columns)
            palette indices.

    Returns:
        Array of shape (rows, columns, 3).

    Raises:
        StepError: ``bad-palette``.
    """
    if _photometric(dataset) != "PALETTE COLOR":
        return _to_8_bits(stored[..., :3], int(dataset.get("BitsStored") or 8))
    from pydicom.pixels.processing import apply_color_lut

    try:
        mapped = apply_color_lut(stored, dataset)
    except Exception as error:
        raise StepError(
            f"the palette cannot be applied: {type(error).__name__}", reason="bad-palette"
        ) from None
    return _to_8_bits(mapped[..., :3], mapped.dtype.itemsize * 8)


def _to_8_bits(samples: Array, bits: int) -> Bytes:
    if bits > 8:
        samples = samples >> (bits - 8)
    return np.clip(samples, 0, 255).astype(np.uint8)


def burn_overlays(dataset: Dataset, shades: Bytes) -> Bytes:
    """Shades with the graphic overlay planes of a single-frame image in white (C.9.2); a copy if there are any.

    Overlays that are damaged, or lie in unused bits of the pixels (retired), are left out.
    """
    for group in range(0x6000, 0x6020, 2):
        if (group, 0x3000) not in dataset or (group, 0x0010) not in dataset:
            continue
        try:
            plane = dataset.overlay_array(group) > 0
            row, column = (int(value) - 1 for value in dataset[group, 0x0050].value)
        except Exception:  # damaged by a maker or on the way; the image itself is sound
            continue
        if plane.ndim != 2:
            continue
        shades = shades.copy()
        part = plane[max(0, -row) :, max(0, -column) :]
        target = shades[max(0, row) :, max(0, column) :][: part.shape[0], : part.shape[1]]
        target[part[: target.shape[0], : target.shape[1]]] = 255
    return shades


def pixel_size(dataset: Dataset, index: int = 0) -> tuple[float, float]:
    """Height and width of a pixel: mm where the header says, else the ratio alone; (1, 1) if it says nothing."""
    measures = functional_group(dataset, "PixelMeasuresSequence", index)
    regions = dataset.get("SequenceOfUltrasoundRegions") or []
    candidates: list[Any] = [measures.get("PixelSpacing") if measures is not None else None]
    candidates += [
        dataset.get(keyword)
        for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
    ]
    # Units of 3 are cm: a region that shows tissue, and not a curve over time.
    candidates += [
        (region.get("PhysicalDeltaY"), region.get("PhysicalDeltaX"))
        for region in regions
        if region.get("PhysicalUnitsXDirection") == region.get("PhysicalUnitsYDirection") == 3
    ]
    candidates.append(dataset.get("PixelAspectRatio"))
    for candidate in candidates:
        try:
            height, width = (abs(float(value)) for value in candidate)
        except (TypeError, ValueError):
            continue
        if height > 0 and width > 0 and 0.05 < height / width < 20:
            return height, width
    return 1.0, 1.0


def letters(direction: Sequence[float]) -> str:
    """Where a direction in LPS points to, as one or two of R, L, A, P, H and F (C.7.6.1.1.1)."""
    names = ("LR", "PA", "HF")
    ranked = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    length = float(np.linalg.norm(np.asarray(direction, dtype=float))) or 1.0
    return "".join(
        names[axis][int(direction[axis] < 0)]
        for place, axis in enumerate(ranked[:2])
        if place == 0 or abs(direction[axis]) / length > SECOND_LETTER
    )


OPPOSITE = str.maketrans("RLAPHF", "LRPAFH")


def edge_letters(row: str, column: str) -> tuple[str, str, str, str]:
    """Letters for the left, right, top and bottom edge, given where rows and columns point to."""
    return row.translate(OPPOSITE), row, column.translate(OPPOSITE), column


def stated_orientation(dataset: Dataset) -> tuple[str, str] | None:
    """Patient Orientation of an image without a plane (radiographs): where rows and columns point to."""
    value = dataset.get("PatientOrientation") or ()
    words = ["".join(str(word).split()).upper() for word in ([] if isinstance(value, str) else value)]
    if len(words) != 2 or not all(word and set(word) <= set("RLAPHF") for word in words):
        return None
    return words[0], words[1]


def _photometric(dataset: Dataset) -> str:
    return str(dataset.get("PhotometricInterpretation") or "MONOCHROME2").strip()


def _first_number(value: Any) -> float | None:
    if value is not None and not isinstance(value, str | bytes | int | float) and hasattr(value, "__iter__"):
        value = next(iter(value), None)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None
