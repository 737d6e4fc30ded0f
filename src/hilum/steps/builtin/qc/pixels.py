"""Checks of pixels that do not decode a whole series. Length is a matter of header and file size. Every
uncompressed image is looked at in three strips, and read whole only if these hold one value. Of compressed
images some are decoded: the middle one, and those so small that there can be little in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hilum.dicom.pixels import (
    PIXEL_TAGS,
    UNCOMPRESSED,
    frame_count,
    header_number,
    iter_frames,
    missing_bytes,
    transfer_syntax,
)
from hilum.errors import StepError
from hilum.steps.builtin.qc.findings import CODES, Finding

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataelem import RawDataElement

STRIP = 768
"""Bytes of a strip: whole pixels of 1, 2, 3, 4, 6, 8 and 12 bytes."""

LITTLE_IN_IT = 8
"""Images compressed further than to this part of their size may be constant."""

MASKS = ("SEG", "RTDOSE")
"""An empty mask or a dose of nothing is no fault."""


def check_pixels(images: Sequence[Dataset], *, decode: int) -> list[Finding]:
    """Short, undecodable and constant pixel data; at most ``decode`` compressed images are decoded."""
    faults: dict[str, list[str]] = {}
    compressed = []
    for image in images:
        try:
            if transfer_syntax(image) not in UNCOMPRESSED:
                compressed.append(image)
            elif missing_bytes(image):
                faults.setdefault("pixel-data-short", []).append(_uid(image))
            elif image.get("Modality") not in MASKS and _strips_are_flat(image) and _constant(image):
                faults.setdefault("constant-pixels", []).append(_uid(image))
        except StepError as error:
            faults.setdefault(_code(error), []).append(_uid(image))
    for image in _sample(compressed, decode):
        try:
            if _constant(image) and image.get("Modality") not in MASKS:
                faults.setdefault("constant-pixels", []).append(_uid(image))
        except StepError as error:
            faults.setdefault(_code(error), []).append(_uid(image))
    return [
        Finding(code, f"{len(uids)} images: {CODES[code][1]}", uids, len(uids))
        for code, uids in faults.items()
    ]


def _sample(images: Sequence[Dataset], count: int) -> list[Dataset]:
    if not images or not count:
        return []
    middle = images[len(images) // 2]
    others = [image for image in images if image is not middle and _little_in_it(image)]
    return [middle, *sorted(others, key=_length)[: count - 1]]


def _little_in_it(image: Dataset) -> bool:
    bits = header_number(image, "BitsAllocated", 8) * header_number(image, "SamplesPerPixel", 1)
    pixels = header_number(image, "Rows", 0) * header_number(image, "Columns", 0) * frame_count(image)
    return _length(image) * LITTLE_IN_IT < bits / 8 * pixels


def _raw(image: Dataset) -> RawDataElement | None:
    """Pixel data as it lies in the file: perhaps without its value, which then is at ``value_tell``."""
    from pydicom.dataelem import RawDataElement

    tag = next((tag for tag in PIXEL_TAGS if tag in image), None)
    raw = None if tag is None else image.get_item(tag, keep_deferred=True)
    return raw if isinstance(raw, RawDataElement) else None


def _length(image: Dataset) -> int:
    raw = _raw(image)
    if raw is None:
        return 0
    return raw.length if raw.value is None else len(raw.value)


def _strips_are_flat(image: Dataset) -> bool:
    """Whether strips at beginning, middle and end hold one pixel over and over; True if that is unclear."""
    raw = _raw(image)
    pixel = math.ceil(header_number(image, "BitsAllocated", 8) / 8)
    if header_number(image, "PlanarConfiguration", 0) == 0:
        pixel *= int(header_number(image, "SamplesPerPixel", 1))
    if raw is None or STRIP % pixel:
        return True
    if raw.value is not None:
        return all(_flat(raw.value[at : at + STRIP], pixel) for at in _starts(len(raw.value)))
    with open(image.filename, "rb") as stream:
        for at in _starts(raw.length):
            stream.seek(raw.value_tell + at)
            if not _flat(stream.read(min(STRIP, raw.length - at)), pixel):
                return False
    return True


def _starts(length: int) -> tuple[int, ...]:
    return (0, length // 2 // STRIP * STRIP, max(0, (length // STRIP - 1) * STRIP))


def _flat(strip: bytes, pixel: int) -> bool:
    usable = len(strip) // pixel * pixel
    return strip[:usable] == strip[:pixel] * (usable // pixel)


def _constant(image: Dataset) -> bool:
    """Whether every frame has one value throughout; stops at the first that has not."""
    return all(np.all(frame == frame[:1, :1]) for frame in iter_frames(image))


def _code(error: StepError) -> str:
    return error.reason if error.reason in CODES else "undecodable"


def _uid(image: Dataset) -> str:
    return str(image.get("SOPInstanceUID", ""))
