"""``intensity``: what values a series holds, in modality units (HU for CT), over all its frames. Frames are read
one by one and only counts are kept, so that percentiles are exact and memory stays flat.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hilum.dicom.quiet import quiet_pydicom
from hilum.errors import StepError
from hilum.steps.api import Code, Measure, Output, Parameters, step
from hilum.steps.context import Context

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

    from hilum.steps.builtin.tally import Tally

PERCENTILES = {
    1: Code("percentile-1", "99HILUM", "First percentile"),
    5: Code("371888009", "SCT", "Fifth percentile"),
    25: Code("percentile-25", "99HILUM", "25th percentile"),
    75: Code("percentile-75", "99HILUM", "75th percentile"),
    95: Code("371889001", "SCT", "Ninety-fifth percentile"),
    99: Code("percentile-99", "99HILUM", "99th percentile"),
}


class IntensityParameters(Parameters):
    """What to report."""

    bins: int = Field(
        default=256,
        ge=1,
        le=65536,
        description="Number of bins of the histogram; fewer where there are fewer whole values",
    )


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
    from hilum.steps.builtin.tally import Tally, bin_counts, statistics

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
    for name, value in statistics(tally, PERCENTILES).items():
        ctx.measure(name, value, unit=unit)
    ctx.measure("pixels", tally.total)
    ctx.measure("padding", tally.padding)
    histogram = {"unit": unit, "pixels": tally.total, **bin_counts(tally, parameters.bins)}
    ctx.output("histogram").write_text(json.dumps(histogram) + "\n")


def _count_image(image: Dataset, tally: Tally) -> str:
    """Count all frames of an instance; the unit of its values."""
    from hilum.dicom.pixels import iter_frames, modality_values, rescale
    from hilum.steps.builtin.tally import distinct

    unit = "1"
    padding = _padding(image)
    for number, stored in enumerate(iter_frames(image)):
        if stored.ndim == 3 or image.get("PhotometricInterpretation") == "PALETTE COLOR":
            tally.add(*distinct(_luminance(image, stored)))
            continue
        values, counts = distinct(stored)
        if padding is not None:
            kept = (values < padding[0]) | (values > padding[1])
            tally.padding += int(counts[~kept].sum())
            values, counts = values[kept], counts[kept]
        if len(values):
            tally.add(modality_values(image, values, number), counts)
        unit = rescale(image, number).unit
    return unit


def _luminance(image: Dataset, stored: NDArray[Any]) -> NDArray[Any]:
    """Y of a colour frame, rounded, in the range of its channels."""
    import numpy as np
    from pydicom.pixels.processing import apply_color_lut

    if stored.ndim == 2:
        stored = apply_color_lut(stored, image)
    luminance: NDArray[Any] = np.rint(stored[..., :3] @ np.array([0.299, 0.587, 0.114])).astype(np.int64)
    return luminance


def _padding(image: Dataset) -> tuple[float, float] | None:
    """The range of stored values that are padding, both ends included."""
    from hilum.dicom.pixels import header_number

    if image.get("PixelPaddingValue") is None:
        return None
    first = header_number(image, "PixelPaddingValue")
    second = header_number(image, "PixelPaddingRangeLimit", first)
    if image.get("PixelRepresentation") == 1:  # often written as unsigned all the same
        first, second = (value - 65536 if value > 32767 else value for value in (first, second))
    return min(first, second), max(first, second)
