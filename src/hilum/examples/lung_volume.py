"""A step of one's own: how much air-filled lung a chest CT shows, with numpy alone.

Air inside the body is lung, windpipe or bowel. So: threshold, take connected pieces, leave out what reaches the edge
of the picture (the room) and what is small (the windpipe). Good for healthy lungs; a teaching example, no product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from hilum import Code, Context, Measure, Output, Parameters, StepError, step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hilum import Volume

VOLUME = Code("118565006", "SCT", "Volume")
HU = "[hnsf'U]"


class LungParameters(Parameters):
    """What counts as lung."""

    threshold: float = Field(-500, description="Below this many HU a voxel is air or lung")
    least: float = Field(200, gt=0, description="mL; a smaller piece is no lung")


@step(
    "lung-volume",
    version="1",
    outputs=[Output("picture", "lungs.png", "image/png")],
    measurements=[
        Measure("volume", VOLUME, "mL"),
        Measure("total_volume", VOLUME, "mL"),
        Measure("density", Code("112031", "DCM", "Attenuation Coefficient"), HU),
    ],
)
def lung_volume(ctx: Context, parameters: LungParameters) -> None:
    """Measure the volume and mean density of the lungs in a chest CT."""
    volume = ctx.volume()
    pieces = label(volume.array < parameters.threshold)
    ctx.progress(0.8, "pieces found")
    room = np.unique(np.concatenate([pieces[[0, -1]].ravel(), pieces[:, [0, -1]].ravel()]))
    names, counts = np.unique(pieces, return_counts=True)
    voxel_ml = abs(float(np.linalg.det(volume.affine[:3, :3]))) / 1000
    lungs = [name for name, n in zip(names, counts, strict=True) if n * voxel_ml >= parameters.least]
    lungs = [name for name in lungs if name != 0 and name not in room]
    if not lungs:
        raise StepError("no piece of air in the body is large enough to be a lung", reason="no-lung")

    mask = np.isin(pieces, lungs)
    for region, piece in by_side(pieces, lungs, volume).items():
        ctx.measure("volume", np.count_nonzero(piece) * voxel_ml, region=region)
    ctx.measure("total_volume", np.count_nonzero(mask) * voxel_ml)
    ctx.measure("density", float(volume.array[mask].mean()))
    draw(volume, mask).save(ctx.output("picture"))


def label(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the pieces of a mask that hang together by faces: the same number within a piece, 0 outside.

    Every voxel starts with a number of its own; the least of each piece then spreads along the axes, there and back,
    until nothing changes. A handful of rounds does for compact organs.
    """
    nobody = np.iinfo(np.int32).max
    numbers = np.arange(1, mask.size + 1, dtype=np.int32).reshape(mask.shape)
    numbers[~mask] = nobody
    while True:
        before = numbers.copy()
        for axis in range(mask.ndim):
            for line, inside in (
                (np.moveaxis(numbers, axis, 0), np.moveaxis(mask, axis, 0)),
                (np.moveaxis(numbers, axis, 0)[::-1], np.moveaxis(mask, axis, 0)[::-1]),
            ):
                for here in range(1, len(line)):
                    np.minimum(line[here], line[here - 1], out=line[here], where=inside[here])
        if np.array_equal(before, numbers):
            break
    numbers[~mask] = 0
    return numbers


def by_side(pieces: NDArray[np.int32], lungs: list[int], volume: Volume) -> dict[str, NDArray[np.bool_]]:
    """Masks of the right and the left lung; of both together where they touch. RAS: x grows to the right."""
    if len(lungs) != 2:
        return {"both lungs": np.isin(pieces, lungs)}
    masks = [pieces == name for name in lungs]
    x = [float((volume.affine @ [*np.mean(np.nonzero(mask), axis=1), 1])[0]) for mask in masks]
    right, left = (masks[0], masks[1]) if x[0] > x[1] else (masks[1], masks[0])
    return {"right lung": right, "left lung": left}


def draw(volume: Volume, mask: NDArray[np.bool_]) -> Any:
    """A coronal picture through the middle of the lungs, as seen from the front, with the lungs tinted."""
    from PIL import Image

    depth = int(np.mean(np.nonzero(mask)[1]))
    grey = np.clip((volume.array[:, depth].astype(np.float32) + 1000) / 1500 * 255, 0, 255)
    shades = np.repeat(grey.T[::-1, :, None], 3, axis=2)
    lungs = mask[:, depth].T[::-1]
    shades[lungs] = shades[lungs] / 2 + np.array([40.0, 130.0, 110.0])
    picture = Image.fromarray(shades.astype(np.uint8))
    columns, rows = picture.size
    return picture.resize((columns * 2, round(rows * 2 * volume.spacing[2] / volume.spacing[0])))
