"""``intensity``: what values a series holds, in modality units (HU for CT), over all its frames.

Frames are read one by one and counted value by value, so that percentiles are exact and memory stays flat: what is
kept is one count for each distinct value, however many slices there are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hilum.dicom.pixels import header_number, iter_frames, modality_values, rescale
from hilum.dicom.quiet import quiet_pydicom
from hilum.errors import StepError
from hilum.steps.api import Code, Measure, Output, Parameters, step
from hilum.steps.context import Context

if TYPE_CHECKING:
    from pydicom import Dataset

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

PERCENTILES = {
    1: Code("percentile-1", "99HILUM", "First percentile"),
    5: Code("371888009", "SCT", "Fifth percentile"),
    25: Code("percentile-25", "99HILUM", "25th percentile"),
    75: Code("percentile-75", "99HILUM", "75th percentile"),
    95: Code("371889001", "SCT", "Ninety-fifth percentile"),
    99: Code("percentile-99", "99HILUM", "99th percentile"),
}

WIDEST_WINDOW = 1 << 22
"""Values spread wider than this are sorted instead of counted in a table."""

MERGE_AT = 1 << 20
"""Counts waiting to be merged before they are."""


class IntensityParameters(Parameters):
    """What to report.

    Attributes:
        bins: number of bins of the histogram; fewer where there are fewer whole values.
    """

    bins: int = Field(default=256, ge=1, le=65536)


@step(
    "intensity",
    version="1",
    outputs=[Output("histogram", "histogram.json", "application/json")],
    measurements=[
        Measure("minimum", Code("255605001", "SCT", "Minimum")),
        Measure("maximum", Code("56851009", "SCT", "Maximum")),
        Measure("mean", Code("373098007", "SCT", "Mean")),
        Measure("standard_deviation", Code("386136009", "SCT", "Standard deviation")),
        Measure("median", Code("373099004", "SCT", "Median")),
        *(Measure(f"percentile_{number}", code) for number, code in PERCENTILES.items()),
        Measure("pixels", Code("pixels", "99HILUM", "Number of pixels measured"), kind="integer"),
        Measure("padding", Code("padding", "99HILUM", "Number of padding pixels left out"), kind="integer"),
    ],
)
@quiet_pydicom()
def intensity(ctx: Context, parameters: IntensityParameters) -> None:
    """Measure modality values over all frames, and draw their histogram.

    Measurements carry the unit of the values (``[hnsf'U]`` for CT; ``1`` where there is none, or where instances
    differ in it). Pixel Padding (PS3.3 C.7.5.1.1.2) is left out. Standard deviation is the population's;
    percentiles interpolate linearly between ranks. Colour is measured as luminance, 0.299 R + 0.587 G + 0.114 B
    (the Y of PS3.3 C.7.6.3.1.2), rounded. Refuses with StepError ``no-pixel-data`` or ``only-padding``, or what
    :func:`hilum.dicom.pixels.frames` raises.
    """
    images = ctx.series.images
    if not images:
        raise StepError("no instance has pixel data", reason="no-pixel-data", hint="select image series only")
    tally = Tally()
    units = set()
    for number, image in enumerate(images):
        units.add(_count_image(image, tally))
        ctx.progress((number + 1) / len(images))
    if tally.total == 0:
        raise StepError("the images hold nothing but padding", reason="only-padding")
    unit = units.pop() if len(units) == 1 else "1"
    for name, value in statistics(tally).items():
        ctx.measure(name, value, unit=unit)
    ctx.measure("pixels", tally.total)
    ctx.measure("padding", tally.padding)
    histogram = {"unit": unit, "pixels": tally.total, **bin_counts(tally, parameters.bins)}
    ctx.output("histogram").write_text(json.dumps(histogram) + "\n")


@dataclass
class Tally:
    """How often each value was seen.

    Attributes:
        padding: how many pixels were left out.
    """

    padding: int = 0
    _values: list[Floats] = field(default_factory=list)
    _counts: list[Counts] = field(default_factory=list)
    _waiting: int = 0

    def add(self, values: NDArray[Any], counts: Counts) -> None:
        """Count ``values[i]`` another ``counts[i]`` times."""
        self._values.append(values.astype(np.float64))
        self._counts.append(counts)
        self._waiting += len(values)
        if self._waiting > MERGE_AT:
            self.merged()

    def merged(self) -> tuple[Floats, Counts]:
        """Distinct values, ascending, and their counts."""
        if not self._values:
            return np.empty(0), np.empty(0, np.int64)
        if len(self._values) > 1:
            values, inverse = np.unique(np.concatenate(self._values), return_inverse=True)
            counts = np.zeros(len(values), np.int64)
            np.add.at(counts, inverse, np.concatenate(self._counts))
            self._values, self._counts = [values], [counts]
        self._waiting = 0
        return self._values[0], self._counts[0]

    @property
    def total(self) -> int:
        return int(self.merged()[1].sum())


def statistics(tally: Tally) -> dict[str, float]:
    """Measurements by name, from exact counts."""
    values, counts = tally.merged()
    total = counts.sum()
    mean = float(values @ counts / total)
    found = {
        "minimum": float(values[0]),
        "maximum": float(values[-1]),
        "mean": mean,
        "standard_deviation": float(np.sqrt(((values - mean) ** 2) @ counts / total)),
        "median": percentile(values, counts, 50),
    }
    return found | {f"percentile_{number}": percentile(values, counts, number) for number in PERCENTILES}


def percentile(values: Floats, counts: Counts, number: float) -> float:
    """The ``number``-th percentile of counted values, linear between the two nearest ranks."""
    upto = np.cumsum(counts)
    rank = (upto[-1] - 1) * number / 100
    below = int(np.floor(rank))
    low, high = values[np.searchsorted(upto, [below, min(below + 1, upto[-1] - 1)], side="right")]
    return float(low + (high - low) * (rank - below))


def bin_counts(tally: Tally, bins: int) -> dict[str, list[float] | list[int]]:
    """``edges`` (one more than bins; the last bin holds its upper edge, the others do not) and ``counts``.

    Whole values get bins of a whole width, so that no bin sees one value more than its neighbour.
    """
    values, counts = tally.merged()
    low, high = float(values[0]), float(values[-1])
    if bool(np.all(values == np.floor(values))):
        width = float(np.ceil((high - low + 1) / bins))
        bins = int(np.ceil((high - low + 1) / width))
        edges = low + width * np.arange(bins + 1)
    else:
        edges = np.linspace(low, high, bins + 1)
    found, _ = np.histogram(values, edges, weights=counts)
    return {"edges": edges.tolist(), "counts": found.astype(np.int64).tolist()}


def _count_image(image: Dataset, tally: Tally) -> str:
    """Count all frames of an instance; the unit of its values."""
    unit = "1"
    padding = _padding(image)
    for number, stored in enumerate(iter_frames(image)):
        if stored.ndim == 3 or image.get("PhotometricInterpretation") == "PALETTE COLOR":
            tally.add(*_distinct(_luminance(image, stored)))
            continue
        values, counts = _distinct(stored)
        if padding is not None:
            kept = (values < padding[0]) | (values > padding[1])
            tally.padding += int(counts[~kept].sum())
            values, counts = values[kept], counts[kept]
        if len(values):
            tally.add(modality_values(image, values, number), counts)
        unit = rescale(image, number).unit
    return unit


def _distinct(values: NDArray[Any]) -> tuple[NDArray[Any], Counts]:
    """Distinct values and their counts, by a table where the values lie close enough."""
    if values.dtype.kind in "iu" and values.size:
        low, high = int(values.min()), int(values.max())
        if high - low < WIDEST_WINDOW:
            counts = np.bincount(values.ravel().astype(np.intp) - low, minlength=1)
            places = np.flatnonzero(counts)
            return (places + low).astype(values.dtype), counts[places].astype(np.int64)
    finite = values[np.isfinite(values)]
    distinct, counts = np.unique(finite, return_counts=True)
    return distinct, counts.astype(np.int64)


def _luminance(image: Dataset, stored: NDArray[Any]) -> NDArray[Any]:
    """Y of a colour frame, rounded, in the range of its channels."""
    if stored.ndim == 2:
        from pydicom.pixels.processing import apply_color_lut

        stored = apply_color_lut(stored, image)
    luminance: NDArray[Any] = np.rint(stored[..., :3] @ np.array([0.299, 0.587, 0.114])).astype(np.int64)
    return luminance


def _padding(image: Dataset) -> tuple[float, float] | None:
    """The range of stored values that are padding, both ends included."""
    if image.get("PixelPaddingValue") is None:
        return None
    first = header_number(image, "PixelPaddingValue")
    second = header_number(image, "PixelPaddingRangeLimit", first)
    if image.get("PixelRepresentation") == 1:  # often written as unsigned all the same
        first, second = (value - 65536 if value > 32767 else value for value in (first, second))
    return min(first, second), max(first, second)
