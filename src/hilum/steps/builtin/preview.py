"""The preview step: a series as one picture, shown as its header wants it shown, in true proportions and with
marks that say which side is which. Nothing that identifies a patient is written into a picture; what is burned
into the pixels themselves stays there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import Field

from hilum.errors import StepError
from hilum.steps.api import Output, Parameters, step
from hilum.steps.builtin.montage import Picture
from hilum.steps.context import Context

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

    from hilum.dicom.geometry import Plane
    from hilum.dicom.presentation import VoiTable, Window
    from hilum.dicom.series import Volume

FEWEST_SLICES = 8
"""A reformat of fewer slices is a strip that says nothing."""

MOST_VOXELS = 500_000_000
"""Reformats read the whole volume (2 bytes a voxel); a preview should not take more than 1 GB for that."""


class PreviewParameters(Parameters):
    """What to show, and how large."""

    tiles: int = Field(25, ge=1, le=400, description="At most so many frames, evenly sampled")
    tile_size: int = Field(192, ge=32, le=2048, description="Edge of a tile in pixels")
    window: tuple[float, float] | None = Field(
        None, description="Centre and width to show grey images with, instead of what the header says"
    )
    reformats: bool = Field(
        True, description="Add the two other planes through the middle, where the series is one volume"
    )
    overlays: bool = Field(
        False,
        description="Draw graphic overlay planes in white; off since some hold names as pictures of text",
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame that can be shown: its image, its index in it, and where it lies if it says."""

    dataset: Dataset
    index: int
    plane: Plane | None


@step(
    "preview",
    version="1",
    outputs=[Output("montage", "montage.png", "image/png"), Output("middle", "middle.png", "image/png")],
)
def preview(ctx: Context, parameters: PreviewParameters) -> None:
    """Draw a montage of the series and its middle frame at full resolution.

    Grey images are shown with the first VOI LUT of the header, else its first window; where it has neither,
    CT with the soft-tissue window (centre 40, width 400 HU) and anything else from percentile 0.5 to 99.5 of
    what is shown. MONOCHROME1 is inverted; palettes and YBR become RGB. Slices are in order of place: axial
    ones from head to feet, others along their normal; captions count them in that order. Frames that cannot
    be decoded are left black and named in the log.

    Raises:
        StepError: ``no-pixel-data``; or why not one frame could be shown.
    """
    from hilum.steps.builtin.montage import montage, square_pixels

    frames = in_order(ctx.series.images)
    if not frames:
        raise StepError("no instance has pixel data", reason="no-pixel-data", hint="select image series only")
    middle = middle_of(frames)
    extra = _reformats(ctx, frames[middle], parameters) if _worth_reformatting(frames, parameters) else []
    chosen = evenly(len(frames), max(1, parameters.tiles - len(extra)))
    pictures = _pictures(ctx, frames, sorted({*chosen, middle}), parameters)
    nearest = min(pictures, key=lambda place: abs(place - middle))
    square_pixels(pictures[nearest]).save(ctx.output("middle"), optimize=True)
    tiles = [pictures.get(place) or _blank(place, len(frames)) for place in chosen]
    montage([*tiles, *extra], parameters.tile_size).save(ctx.output("montage"), optimize=True)


def in_order(images: Sequence[Dataset]) -> list[Shown]:
    """All frames in the order to show them.

    The orientation with most frames comes first; within one, volumes that share places follow one another,
    and within these slices go along the normal (from head to feet if axial). Frames that do not say where
    they lie come last, by Instance Number.
    """
    groups: dict[tuple[float, ...], list[tuple[float, float, Shown]]] = defaultdict(list)
    loose = []
    for image in images:
        number = _instance_number(image)
        for shown in _frames(image):
            if shown.plane is None:
                loose.append((number, shown.index, shown))
                continue
            normal = shown.plane.normal
            along = sum(a * b for a, b in zip(normal, shown.plane.position, strict=True))
            down = -1 if abs(normal[2]) > 0.7 and normal[2] > 0 else 1
            axes = tuple(round(cosine, 2) + 0.0 for cosine in shown.plane.row + shown.plane.column)
            groups[axes].append((number + shown.index * 1e-6, round(along * down, 2), shown))
    ordered = []
    for members in sorted(groups.values(), key=len, reverse=True):
        seen: dict[float, int] = defaultdict(int)
        ranked = []
        for number, along, shown in sorted(members, key=lambda member: member[:2]):
            ranked.append((seen[along], along, number, shown))
            seen[along] += 1
        ordered += [member[-1] for member in sorted(ranked, key=lambda member: member[:3])]
    return ordered + [member[-1] for member in sorted(loose, key=lambda member: member[:2])]


def middle_of(frames: Sequence[Shown]) -> int:
    """The place of the middle slice of the first volume (of all frames, where they do not say where they lie)."""
    rows = {shown.plane.row for shown in frames[:1] if shown.plane is not None}
    seen: set[tuple[float, ...]] = set()
    for shown in frames:
        if shown.plane is None or shown.plane.position in seen or shown.plane.row not in rows:
            break
        seen.add(shown.plane.position)
    return (len(seen) or len(frames)) // 2


def evenly(count: int, most: int) -> list[int]:
    """At most ``most`` of ``count`` places, evenly spread, the middle of each part."""
    if count <= most:
        return list(range(count))
    return [int((number + 0.5) * count / most) for number in range(most)]


def _frames(image: Dataset) -> list[Shown]:
    from hilum.dicom.geometry import planes
    from hilum.dicom.pixels import frame_count

    try:
        return [Shown(image, index, plane) for index, plane in enumerate(planes(image))]
    except StepError:
        pass
    try:
        return [Shown(image, index, None) for index in range(frame_count(image))]
    except StepError:  # a broken Number of Frames: perhaps the first can be shown
        return [Shown(image, 0, None)]


def _instance_number(image: Dataset) -> float:
    try:
        return float(image.get("InstanceNumber") or 0)
    except (TypeError, ValueError):
        return 0.0


def _pictures(
    ctx: Context, frames: Sequence[Shown], chosen: Sequence[int], parameters: PreviewParameters
) -> dict[int, Picture]:
    """Pictures by place. Raises the last StepError if there is none."""
    from hilum.dicom import presentation
    from hilum.dicom.pixels import modality_values

    decoded: dict[int, NDArray[Any]] = {}
    failed: StepError | None = None
    by_image: dict[int, list[int]] = defaultdict(list)
    for place in chosen:
        by_image[id(frames[place].dataset)].append(place)
    for done, places in enumerate(by_image.values()):
        try:
            wanted = {frames[place].index: place for place in places}
            for index, stored in _stored(frames[places[0]].dataset, sorted(wanted)):
                dataset = frames[places[0]].dataset
                colour = presentation.is_colour(dataset)
                decoded[wanted[index]] = stored if colour else modality_values(dataset, stored, index)
        except StepError as error:
            failed = error
            ctx.log.warning("frame not shown", reason=error.reason, frames=len(places))
        ctx.progress(done / len(by_image))
    if failed is not None and not decoded:
        raise failed
    voi = presentation.Window(*parameters.window) if parameters.window else None
    usual: Window | None = None
    pictures = {}
    for place, values in decoded.items():
        shown = frames[place]
        if presentation.is_colour(shown.dataset):
            shades = presentation.colours(shown.dataset, values)
        else:
            how = voi or presentation.header_voi(shown.dataset, shown.index)
            if how is None:
                usual = usual or presentation.default_window(_grey(frames, decoded), shown.dataset)
                how = usual
            shades = presentation.grey(shown.dataset, values, how)
            if parameters.overlays:
                shades = presentation.burn_overlays(shown.dataset, shades)
        pixel = presentation.pixel_size(shown.dataset, shown.index)
        pictures[place] = Picture(shades, pixel, _marks(shown), f"{place + 1}/{len(frames)}")
    return pictures


def _grey(frames: Sequence[Shown], decoded: dict[int, NDArray[Any]]) -> list[NDArray[Any]]:
    from hilum.dicom.presentation import is_colour

    return [values for place, values in decoded.items() if not is_colour(frames[place].dataset)]


def _stored(image: Dataset, wanted: Sequence[int]) -> list[tuple[int, NDArray[Any]]]:
    """Stored values of some frames, none decoded beyond the last that is wanted."""
    from hilum.dicom.pixels import iter_frames

    upto = islice(enumerate(iter_frames(image)), wanted[-1] + 1)
    return [(index, stored) for index, stored in upto if index in wanted]


def _marks(shown: Shown) -> tuple[str, str, str, str] | None:
    from hilum.dicom.presentation import edge_letters, letters, stated_orientation

    if shown.plane is not None:
        return edge_letters(letters(shown.plane.row), letters(shown.plane.column))
    stated = stated_orientation(shown.dataset)
    return None if stated is None else edge_letters(*stated)


def _blank(place: int, count: int) -> Picture:
    import numpy as np

    return Picture(np.zeros((8, 8), np.uint8), (1, 1), None, f"{place + 1}/{count} unreadable")


def _worth_reformatting(frames: Sequence[Shown], parameters: PreviewParameters) -> bool:
    """Whether other planes are wanted, would show anything, and fit into memory."""
    size = frames[0].plane.size if frames[0].plane is not None else (0, 0)
    return (
        parameters.reformats
        and len(frames) >= FEWEST_SLICES
        and 0 < size[0] * size[1] * len(frames) <= MOST_VOXELS
    )


def _reformats(ctx: Context, middle: Shown, parameters: PreviewParameters) -> list[Picture]:
    """The two planes through the middle that the slices are not in; none where there is no one volume."""
    from hilum.dicom import presentation

    try:
        volume = ctx.volume()
    except StepError:
        return []
    voi: Window | VoiTable | None = presentation.Window(*parameters.window) if parameters.window else None
    voi = voi or presentation.header_voi(middle.dataset, middle.index)
    pictures = []
    for fixed in (1, 0):
        values, pixel, marks, name = reformat(volume, fixed)
        how = voi or presentation.default_window(
            [volume.array[:, :, volume.array.shape[2] // 2]], middle.dataset
        )
        pictures.append(Picture(presentation.grey(middle.dataset, values, how), pixel, marks, name))
    return pictures


def reformat(
    volume: Volume, fixed: int
) -> tuple[NDArray[Any], tuple[float, float], tuple[str, str, str, str], str]:
    """The plane through the middle of axis ``fixed`` as it is usually looked at.

    Returns:
        Values (rows, columns) with the head up, or the front up if axial, and the patient's left or back to
        the right; height and width of a pixel in mm; letters of the edges; the plane's name.
    """
    import numpy as np

    from hilum.dicom.presentation import edge_letters, letters

    axes = [axis for axis in range(3) if axis != fixed]
    lps = volume.affine[:3, :3] * np.array([[-1], [-1], [1]])
    directions = lps / np.linalg.norm(lps, axis=0)
    vertical = max(axes, key=lambda axis: (abs(directions[2, axis]), abs(directions[1, axis])))
    (across,) = (axis for axis in axes if axis != vertical)
    values = np.moveaxis(volume.array, fixed, 0)[volume.array.shape[fixed] // 2]  # a view; np.take copies all
    if axes[0] != vertical:
        values = values.T
    down, right = directions[:, vertical], directions[:, across]
    if (down[2] > 0) if abs(down[2]) >= abs(down[1]) else (down[1] < 0):
        values, down = values[::-1], -down
    if right[int(np.argmax(np.abs(right)))] < 0:
        values, right = values[:, ::-1], -right
    name = ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(directions[:, fixed])))]
    pixel = (abs(volume.spacing[vertical]), abs(volume.spacing[across]))
    return values, pixel, edge_letters(letters(right), letters(down)), name
