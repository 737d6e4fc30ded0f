"""Pictures on one sheet, so that a person can look at everything that came out in one go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

TILE, CAPTION, GAP = 240, 18, 6
GROUND, INK = (24, 24, 28), (225, 225, 225)


def write_contact_sheet(target: Path, pictures: Sequence[tuple[BinaryIO, str]], across: int = 6) -> None:
    """Write a PNG of all ``pictures`` (an image file, caption), each fitted into a square of 240 pixels."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=12)
    columns = min(across, max(1, len(pictures)))
    step = (TILE + GAP, TILE + CAPTION + GAP)
    size = (columns * step[0] + GAP, math.ceil(len(pictures) / columns) * step[1] + GAP)
    sheet = Image.new("RGB", size, GROUND)
    draw = ImageDraw.Draw(sheet)
    for number, (file, caption) in enumerate(pictures):
        left = number % columns * step[0] + GAP
        top = number // columns * step[1] + GAP
        with Image.open(file) as picture:
            scale = TILE / max(picture.size)
            fitted = picture.convert("RGB").resize(
                (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))),
                Image.Resampling.LANCZOS,
            )
        sheet.paste(fitted, (left + (TILE - fitted.width) // 2, top + (TILE - fitted.height) // 2))
        while caption and draw.textlength(caption, font=font) > TILE:
            caption = caption[:-2].rstrip() + "…" if caption.endswith("…") else caption[:-1].rstrip() + "…"
        place = (left + TILE / 2, top + TILE + CAPTION / 2)
        draw.text(place, caption, fill=INK, font=font, anchor="mm")
    partial = target.with_suffix(".part.png")
    sheet.save(partial)
    partial.replace(target)
