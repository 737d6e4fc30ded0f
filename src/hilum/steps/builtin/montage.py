"""Drawing for the preview step: pictures of true proportions, put into tiles with marks and a caption."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

CAPTION = 16
GAP = 2
MARK = 215
TEXT = 150


@dataclass(frozen=True, slots=True)
class Picture:
    """Something to show.

    Attributes:
        shades: uint8, (rows, columns) or (rows, columns, 3).
        pixel: height and width of a pixel, in any one unit.
        marks: letters for left, right, top and bottom, or none.
        caption: what to write below it: a number or a plane, never a header value.
    """

    shades: NDArray[np.uint8]
    pixel: tuple[float, float]
    marks: tuple[str, str, str, str] | None
    caption: str


def square_pixels(picture: Picture) -> Image:
    """The picture at full resolution with square pixels: the coarser direction is interpolated."""
    rows, columns = picture.shades.shape[:2]
    height, width = picture.pixel
    fine = min(height, width)
    return _resized(picture, round(columns * width / fine), round(rows * height / fine))


def fitted(picture: Picture, size: int) -> Image:
    """The picture as large as a square of ``size`` takes, in true proportions."""
    tall = picture.shades.shape[0] * picture.pixel[0]
    wide = picture.shades.shape[1] * picture.pixel[1]
    scale = size / max(tall, wide)
    return _resized(picture, max(1, round(wide * scale)), max(1, round(tall * scale)))


def _resized(picture: Picture, width: int, height: int) -> Image:
    import numpy as np
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(picture.shades))
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BICUBIC)


def montage(pictures: Sequence[Picture], size: int) -> Image:
    """Pictures in rows, each in a square of ``size`` pixels with its caption below. In colour if one is."""
    from PIL import Image, ImageDraw

    across = math.ceil(math.sqrt(len(pictures)))
    down = math.ceil(len(pictures) / across)
    mode = "RGB" if any(picture.shades.ndim == 3 for picture in pictures) else "L"
    cell = (size + GAP, size + CAPTION + GAP)
    sheet = Image.new(mode, (across * cell[0] + GAP, down * cell[1] + GAP), 0)
    draw = ImageDraw.Draw(sheet)
    for number, picture in enumerate(pictures):
        left = number % across * cell[0] + GAP
        top = number // across * cell[1] + GAP
        image = fitted(picture, size).convert(mode)
        sheet.paste(image, (left + (size - image.width) // 2, top + (size - image.height) // 2))
        _write_marks(draw, picture.marks, left, top, size)
        _write(draw, (left + size / 2, top + size + CAPTION / 2), picture.caption, "mm", TEXT)
    return sheet


def _write_marks(
    draw: Any, marks: tuple[str, str, str, str] | None, left: float, top: float, size: float
) -> None:
    if marks is None:
        return
    places = (
        (left + 3, top + size / 2, "lm"),
        (left + size - 3, top + size / 2, "rm"),
        (left + size / 2, top + 3, "mt"),
        (left + size / 2, top + size - 3, "mb"),
    )
    for text, (x, y, anchor) in zip(marks, places, strict=True):
        _write(draw, (x, y), text, anchor, MARK)


def _write(draw: Any, place: tuple[float, float], text: str, anchor: str, shade: int) -> None:
    colour = (shade,) * 3 if draw.mode == "RGB" else shade
    black = (0,) * 3 if draw.mode == "RGB" else 0
    draw.text(place, text, fill=colour, font=_font(), anchor=anchor, stroke_width=1, stroke_fill=black)


def _font() -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size=11)
