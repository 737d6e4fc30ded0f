"""Frames as qc sees them: what one needs of each header to judge a series, and nothing of the pixels. Classic
images have one frame; enhanced ones have many, each with its own functional groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hilum.dicom.geometry import Plane, planes
from hilum.dicom.pixels import frame_count, functional_group, rescale
from hilum.errors import StepError

if TYPE_CHECKING:
    from pydicom import Dataset

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

# What may tell volumes of one series apart: (keyword, functional group of enhanced images or "", finding).
# The order is that of trust: the first that explains a repeated place is taken.
MARKS: Sequence[tuple[str, str, str]] = (
    ("EchoTime", "", "several-echoes"),
    ("EchoNumbers", "", "several-echoes"),
    ("EffectiveEchoTime", "MREchoSequence", "several-echoes"),
    ("DiffusionBValue", "MRDiffusionSequence", "several-b-values"),
    ("DiffusionGradientOrientation", "", "several-b-values"),
    ("TemporalPositionIdentifier", "", "several-phases"),
    ("TemporalPositionIndex", "FrameContentSequence", "several-phases"),
    ("NominalPercentageOfCardiacPhase", "CardiacSynchronizationSequence", "several-phases"),
    ("TriggerTime", "", "several-phases"),
    ("StackID", "FrameContentSequence", "several-volumes"),
    ("ImageType", "", "several-volumes"),
    ("InversionTime", "", "several-volumes"),
    ("FlipAngle", "", "several-volumes"),
    ("KVP", "", "several-volumes"),
    ("ConvolutionKernel", "", "several-volumes"),
    ("AcquisitionNumber", "", "several-phases"),
    ("AcquisitionTime", "", "several-phases"),
    ("ContentTime", "", "several-phases"),
)

# Diffusion weighting of classic images, where makers keep it: (creator, group, element).
PRIVATE_B_VALUES = (
    ("SIEMENS MR HEADER", 0x0019, 0x0C),
    ("GEMS_PARM_01", 0x0043, 0x39),
    ("Philips Imaging DD 001", 0x2001, 0x03),
)
GE_B_VALUE_OFFSET = 1_000_000_000  # added by GE to mark that the value is stated


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame's header.

    Attributes:
        uid: of its instance. number: Instance Number plus frame index, or None.
        plane: where it lies; None if it does not say.
        rescale: slope, intercept and unit.
        marks: values of ``MARKS``, in that order; None where absent.
    """

    uid: str
    number: int | None
    plane: Plane | None
    rescale: tuple[float, float, str]
    frame_of_reference: str
    modality: str
    marks: tuple[Any, ...]


def image_type(dataset: Dataset) -> tuple[str, ...]:
    """Image Type as upper-case words without padding."""
    value = dataset.get("ImageType") or ()
    return tuple(str(word).strip().upper() for word in ([value] if isinstance(value, str) else value))


def role(dataset: Dataset) -> str:
    """What an image is besides a slice: a finding's code, or "" for a slice (or a picture of its own right)."""
    words = image_type(dataset)
    if str(dataset.get("SOPClassUID", "")).startswith(SECONDARY_CAPTURE) or "SCREEN SAVE" in words:
        return "secondary-capture"
    if "LOCALIZER" in words or "SCOUT" in words:
        return "localizer"
    return "projection" if "PROJECTION IMAGE" in words else ""


def frames_of(dataset: Dataset) -> list[Frame]:
    """The frames of an image. StepError ``bad-header`` where a number of the header is none."""
    count = frame_count(dataset)
    found: list[Plane | None]
    try:
        found = [*planes(dataset)]
    except StepError as error:
        if error.reason != "no-geometry":
            raise
        found = [None] * count
    number = _number(dataset.get("InstanceNumber"))
    frames = []
    for index, plane in enumerate(found):
        scale = rescale(dataset, index)
        frames.append(
            Frame(
                uid=str(dataset.get("SOPInstanceUID", "")),
                number=None if number is None else int(number) + index,
                plane=plane,
                rescale=(scale.slope, scale.intercept, scale.unit),
                frame_of_reference=str(dataset.get("FrameOfReferenceUID") or ""),
                modality=str(dataset.get("Modality") or ""),
                marks=tuple(_mark(dataset, keyword, group, index) for keyword, group, _ in MARKS),
            )
        )
    return frames


def _mark(dataset: Dataset, keyword: str, group: str, index: int) -> Any:
    owner = functional_group(dataset, group, index) if group else None
    value = (dataset if owner is None else owner).get(keyword)
    if value is None and keyword == "DiffusionBValue":
        value = _private_b_value(dataset)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return tuple(_rounded(part) for part in value)
    return _rounded(value)


def _private_b_value(dataset: Dataset) -> float | None:
    if dataset.get("Modality") != "MR":
        return None
    for creator, group, element in PRIVATE_B_VALUES:
        try:
            value = dataset.private_block(group, creator)[element].value
        except KeyError:
            continue
        first = value if isinstance(value, str | bytes | int | float) else next(iter(value), None)
        number = _number(first)
        return None if number is None else number % GE_B_VALUE_OFFSET
    return None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _rounded(value: Any) -> Any:
    number = _number(value)
    return str(value) if number is None else round(number, 3)
