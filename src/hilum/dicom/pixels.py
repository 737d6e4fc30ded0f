"""From an instance to numbers: stored pixel values decoded from any transfer syntax, and modality values.

Uncompressed grey images, nearly three of four in the field, are read straight into an array. Everything else
goes through pydicom's decoders (GDCM, pyjpegls, Pillow), which are native code, slow to import and able to
crash on damaged data; so they are loaded only when needed, and steps run in processes of their own.

References: PS3.5 8 (encoding of pixel data), PS3.3 C.7.6.3 (Image Pixel), C.11.1 (Modality LUT),
C.7.6.16.2.9 (Pixel Value Transformation).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hilum.errors import StepError

if TYPE_CHECKING:
    from pydicom import Dataset

Array = NDArray[Any]

DEFERRED_BYTES = 32768
"""Elements longer than this stay in the file until somebody asks for them."""

INT16_MAX = 32767

PIXEL_TAGS = (0x7FE00010, 0x7FE00008, 0x7FE00009)
"""Pixel Data, Float Pixel Data, Double Float Pixel Data."""

IMPLICIT_LITTLE, EXPLICIT_LITTLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
UNCOMPRESSED = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED)
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"


def read_instance(path: Path) -> Dataset:
    """The header of a DICOM file, with pixel data (and whatever else is long) left in the file.

    Files without preamble or File Meta Information are read as well.

    Raises:
        StepError: ``unreadable``, if it does not parse as DICOM.
    """
    import pydicom

    try:
        dataset = pydicom.dcmread(path, force=True, defer_size=DEFERRED_BYTES)
        if transfer_syntax(dataset) == DEFLATED:  # offsets into the inflated stream are of no use in the file
            dataset = pydicom.dcmread(path, force=True)
    except OSError:  # of the disk, not of the content
        raise
    except Exception as error:
        raise StepError(
            f"an instance does not parse as DICOM: {type(error).__name__}", reason="unreadable"
        ) from None
    return dataset


def transfer_syntax(dataset: Dataset) -> str:
    """Transfer Syntax UID; for files that do not say, the one that they parsed as."""
    meta = getattr(dataset, "file_meta", None)
    stated = meta.get("TransferSyntaxUID") if meta is not None else None
    if stated:
        return str(stated)
    implicit, little = dataset.original_encoding
    if not little:
        return EXPLICIT_BIG
    return IMPLICIT_LITTLE if implicit else EXPLICIT_LITTLE


def has_pixels(dataset: Dataset) -> bool:
    """Whether the instance holds an image."""
    return any(tag in dataset for tag in PIXEL_TAGS)


def header_number(dataset: Dataset, keyword: str, default: float | None = None) -> float:
    """A header value as a number; StepError ``bad-header`` where it is none, or missing without default."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            if default is None:
                raise StepError(f"{keyword} is missing", reason="bad-header")
            return default
        return float(value)
    except (ValueError, TypeError):
        raise StepError(f"{keyword} is not a number", reason="bad-header") from None


def frame_count(dataset: Dataset) -> int:
    """Number of Frames (PS3.3 C.7.6.6), 1 where absent."""
    return max(1, int(header_number(dataset, "NumberOfFrames", 1)))


def missing_bytes(dataset: Dataset) -> int:
    """How many bytes of uncompressed pixel data the file lacks of what its header promises; 0 for compressed."""
    tag = next((tag for tag in PIXEL_TAGS if tag in dataset), None)
    if tag is None or transfer_syntax(dataset) not in UNCOMPRESSED:
        return 0
    raw = _pixel_element(dataset, tag)
    if raw.value is None:
        present = min(raw.length, Path(dataset.filename).stat().st_size - raw.value_tell)
    else:
        present = len(raw.value)
    samples = header_number(dataset, "SamplesPerPixel", 1)
    if dataset.get("PhotometricInterpretation") in ("YBR_FULL_422", "YBR_PARTIAL_422"):
        samples = 2
    bits = samples * header_number(dataset, "BitsAllocated") * frame_count(dataset)
    promised = bits * header_number(dataset, "Rows") * header_number(dataset, "Columns") / 8
    return max(0, math.ceil(promised) - int(present))


def frames(source: Dataset | Path) -> Array:
    """All frames of an instance as stored values.

    Returns:
        Array of shape (frames, rows, columns) for grey and PALETTE COLOR (indices), or
        (frames, rows, columns, 3) for colour, which is always RGB: YBR is converted (PS3.3 C.7.6.3.1.2).
        Bits above Bits Stored are cleared or filled with the sign (PS3.5 8.1.1).

    Raises:
        StepError: ``no-pixel-data``, ``pixel-data-short``, ``undecodable`` or ``bad-header``.
    """
    dataset = _dataset(source)
    layout = _plain_layout(dataset)
    if layout is not None:
        return _read_plain(dataset, layout)
    found = list(_decode(dataset))
    return found[0][np.newaxis] if len(found) == 1 else np.stack(found)


def iter_frames(source: Dataset | Path) -> Iterator[Array]:
    """The frames of :func:`frames` one by one, so that memory stays flat however many there are."""
    dataset = _dataset(source)
    layout = _plain_layout(dataset)
    if layout is None:
        yield from _decode(dataset)
        return
    for index in range(layout.frames):
        yield _read_plain(dataset, layout, index)[0]


@dataclass(frozen=True, slots=True)
class Rescale:
    """How stored values become modality values (PS3.3 C.11.1): ``stored * slope + intercept``, or a table.

    Attributes:
        unit: UCUM code of the result: ``[hnsf'U]`` for Hounsfield units, ``1`` where there is none.
        table: the Modality LUT, with ``first`` the stored value of its first entry; None for a linear one.
    """

    slope: float = 1.0
    intercept: float = 0.0
    unit: str = "1"
    table: Array | None = None
    first: int = 0

    @property
    def integral(self) -> bool:
        return self.table is None and self.slope.is_integer() and self.intercept.is_integer()


def rescale(dataset: Dataset, index: int = 0) -> Rescale:
    """The Modality LUT of frame ``index``; the identity where the instance has none."""
    transform = functional_group(dataset, "PixelValueTransformationSequence", index)
    owner = transform if transform is not None else dataset
    slope = header_number(owner, "RescaleSlope", 1.0)
    intercept = header_number(owner, "RescaleIntercept", 0.0)
    if not dataset.get("ModalityLUTSequence"):
        return Rescale(slope, intercept, _unit(dataset, str(owner.get("RescaleType") or "")))
    item = dataset.ModalityLUTSequence[0]
    table, first = _lookup_table(item, signed=dataset.get("PixelRepresentation") == 1)
    return Rescale(1.0, 0.0, _unit(dataset, str(item.get("ModalityLUTType") or "US")), table, first)


UNITS = {"HU": "[hnsf'U]", "MGML": "mg/mL", "PCT": "%", "BQML": "Bq/mL", "GML": "g/mL"}
"""Rescale Type (PS3.3 C.11.1.1.2) and, for PET, Units (C.8.9.1.1.3) as UCUM codes; any other is ``1``."""


def _unit(dataset: Dataset, kind: str) -> str:
    """The unit of modality values. CT without Rescale Type is in Hounsfield units (PS3.3 C.8.2.1)."""
    if not kind and dataset.get("Modality") == "CT":
        kind = "HU"
    if not kind or kind == "US":
        kind = str(dataset.get("Units") or "") if dataset.get("Modality") == "PT" else ""
    return UNITS.get(kind, "1")


def modality_values(dataset: Dataset, stored: Array, index: int = 0) -> Array:
    """Stored values as modality values.

    Args:
        stored: stored values of frame ``index``, any shape.

    Returns:
        An array of the same shape, and of the smallest of int16, int32 and int64 that holds the values where
        slope and intercept are whole numbers; float32 elsewhere. ``stored`` itself where nothing is to be done.
    """
    how = rescale(dataset, index)
    if how.table is not None:
        return np.asarray(how.table[np.clip(stored.astype(np.int64) - how.first, 0, len(how.table) - 1)])
    if stored.dtype.kind == "f" or not how.integral:
        exact: Array = stored * np.float64(how.slope) + how.intercept
        return exact.astype(np.float32)
    slope, intercept = int(how.slope), int(how.intercept)
    target = _integer_type(stored, slope, intercept, int(dataset.get("BitsStored") or 64))
    if (slope, intercept) == (1, 0):
        return stored.astype(target, copy=False)
    if slope == 1 and stored.dtype.itemsize == 2 and target == np.int16 and abs(intercept) <= INT16_MAX:
        return np.add(stored.view(np.int16), np.int16(intercept))  # may wrap round, and comes out right
    wide: Array = stored.astype(np.int64) * slope + intercept
    return wide.astype(target)


def scaling_varies(images: Sequence[Dataset]) -> bool:
    """Whether frames differ in Rescale Slope or Intercept."""
    return len({(how.slope, how.intercept) for how in _rescales(images)}) > 1


def has_private_scaling(image: Dataset) -> bool:
    """Whether it is Philips MR, which has a second, private pair of factors beside Rescale Slope and Intercept."""
    return image.get("Modality") == "MR" and str(image.get("Manufacturer") or "").upper().startswith(
        "PHILIPS"
    )


def _rescales(images: Sequence[Dataset]) -> Iterator[Rescale]:
    return (rescale(image, index) for image in images for index in range(frame_count(image)))


def functional_group(dataset: Dataset, sequence: str, index: int) -> Dataset | None:
    """Frame ``index``'s item of a functional group macro (PS3.3 C.7.6.16): its own, else the shared one, if any."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    for groups, place in ((per_frame, index), (shared, 0)):
        if groups and place < len(groups) and groups[place].get(sequence):
            item: Dataset = groups[place][sequence].value[0]
            return item
    return None


def _dataset(source: Dataset | Path) -> Dataset:
    return read_instance(source) if isinstance(source, Path) else source


def _integer_type(stored: Array, slope: int, intercept: int, bits: int) -> np.dtype[Any]:
    """Decided from the type and Bits Stored where they suffice, from the values where they do not."""
    signed = stored.dtype.kind == "i"
    bits = min(bits, stored.dtype.itemsize * 8)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    for exact in (False, True):
        if exact and stored.size:
            low, high = int(stored.min()), int(stored.max())
        ends = sorted((low * slope + intercept, high * slope + intercept))
        if ends[0] >= -INT16_MAX - 1 and ends[1] <= INT16_MAX:
            return np.dtype(np.int16)
    fits = ends[0] >= -(1 << 31) and ends[1] < 1 << 31
    return np.dtype(np.int32 if fits else np.int64)


def _lookup_table(item: Dataset, *, signed: bool) -> tuple[Array, int]:
    """LUT Data (PS3.3 C.11.1.1.1) as int32 and the stored value that its first entry is for."""
    first = int(item.LUTDescriptor[1])
    if signed and first > 32767:
        first -= 65536
    data = item.LUTData
    values = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.asarray(data)
    return values.astype(np.int32), first


@dataclass(frozen=True, slots=True)
class _PlainLayout:
    """Uncompressed, one sample a pixel, whole bytes, little endian."""

    frames: int
    rows: int
    columns: int
    dtype: np.dtype[Any]
    tag: int
    bits: int

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * self.dtype.itemsize


def _plain_layout(dataset: Dataset) -> _PlainLayout | None:
    """The layout for the fast path, or None where pydicom has to decode."""
    tag = next((tag for tag in PIXEL_TAGS if tag in dataset), None)
    if tag is None:
        raise StepError("the instance has no pixel data", reason="no-pixel-data")
    if transfer_syntax(dataset) not in (IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED):
        return None
    allocated = int(header_number(dataset, "BitsAllocated"))
    if int(header_number(dataset, "SamplesPerPixel", 1)) != 1 or allocated not in (8, 16, 32, 64):
        return None
    kind = "f" if tag != PIXEL_TAGS[0] else "i" if header_number(dataset, "PixelRepresentation", 0) else "u"
    return _PlainLayout(
        frames=frame_count(dataset),
        rows=int(header_number(dataset, "Rows")),
        columns=int(header_number(dataset, "Columns")),
        dtype=np.dtype(f"<{kind}{allocated // 8}"),
        tag=tag,
        bits=int(header_number(dataset, "BitsStored", allocated)),
    )


def _read_plain(dataset: Dataset, layout: _PlainLayout, index: int | None = None) -> Array:
    """Frame ``index``, or all, as (frames, rows, columns)."""
    count = layout.frames if index is None else 1
    skip = 0 if index is None else index * layout.frame_bytes
    values = np.empty((count, layout.rows, layout.columns), layout.dtype)
    raw = _pixel_element(dataset, layout.tag)
    buffer = values.data.cast("B") if values.size else memoryview(b"")
    if raw.value is None:  # deferred
        with open(dataset.filename, "rb") as stream:
            got = _fill(stream, buffer, raw.value_tell + skip) if skip < raw.length else 0
            got = min(got, max(0, raw.length - skip))
    else:
        piece = raw.value[skip : skip + len(buffer)]
        buffer[: len(piece)] = piece
        got = len(piece)
    if got < len(buffer):
        raise StepError(
            f"pixel data holds {got} of the {len(buffer)} bytes that the header promises",
            reason="pixel-data-short",
            hint="the file was cut off, or its Rows, Columns or Number of Frames are wrong",
        )
    spare = layout.dtype.itemsize * 8 - layout.bits
    if spare > 0 and layout.dtype.kind != "f":
        np.left_shift(values, spare, out=values)
        np.right_shift(values, spare, out=values)
    return values


def _pixel_element(dataset: Dataset, tag: int) -> Any:
    """The pixel data element as it is, not read from the file because of being looked at: ``value`` may be None."""
    return dataset.get_item(tag, keep_deferred=True)


def _fill(stream: BinaryIO, buffer: memoryview, offset: int) -> int:
    stream.seek(offset)
    return stream.readinto(buffer)  # type: ignore[attr-defined,no-any-return]


def _decode(dataset: Dataset) -> Iterator[Array]:
    """Frames by pydicom's decoders, which read the pixel data into the dataset: let go of afterwards."""
    raw = _pixel_element(dataset, PIXEL_TAGS[0])
    syntax = transfer_syntax(dataset)
    try:
        yield from _decoded(dataset, syntax)
    except StepError:
        raise
    except NotImplementedError:
        raise StepError(
            f"no decoder for transfer syntax {syntax}", reason="undecodable", hint="re-send it uncompressed"
        ) from None
    except Exception as error:
        short = "less than" in str(error) or "insufficient" in str(error)
        raise StepError(
            f"transfer syntax {syntax} could not be decoded: {type(error).__name__}",
            reason="pixel-data-short" if short else "undecodable",
            hint="the pixel data may be damaged; see whether a viewer opens it",
        ) from None
    finally:
        if raw is not None and raw.is_raw:
            dataset[raw.tag] = raw


def _decoded(dataset: Dataset, syntax: str) -> Iterator[Array]:
    from pydicom.pixels.decoders.base import get_decoder

    if syntax == JPEG_EXTENDED and header_number(dataset, "BitsStored", 8) > 8:
        yield from _jpeg_12_bit(dataset)
        return
    decoder = get_decoder(syntax)
    # By index, since pydicom's way without one fails on frames whose sign it has to correct (read-only buffer).
    for values, _ in decoder.iter_array(dataset, indices=range(frame_count(dataset))):
        yield values.astype(values.dtype.newbyteorder("="), copy=False)


def _jpeg_12_bit(dataset: Dataset) -> Array:
    """All frames of a 12-bit JPEG Extended image, shape (frames, rows, columns).

    GDCM decodes them, though pydicom does not let it; it needs the file for that.
    """
    import gdcm

    reader = gdcm.ImageReader()
    reader.SetFileName(str(dataset.filename))
    buffer = reader.GetImage().GetBuffer() if reader.Read() else None
    if buffer is None or int(header_number(dataset, "SamplesPerPixel", 1)) != 1:
        raise StepError("12-bit JPEG Extended could not be decoded", reason="undecodable")
    signed = header_number(dataset, "PixelRepresentation", 0)
    values = np.frombuffer(buffer.encode("utf-8", "surrogateescape"), "<i2" if signed else "<u2")
    return values.reshape(frame_count(dataset), int(dataset.Rows), int(dataset.Columns)).copy()
