"""A header as a list of decoded elements: what rows, facts and identity are made from.

pydicom parses; this module takes its raw elements and decodes each value once, which is several times faster than
its element objects. A dataset that was built or touched in Python is taken too. A scanner of our own can later
give the same list.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from hilum.dicom.standard.keywords import by_tag
from hilum.dicom.values import BINARY, KNOWN, Value, decode_value

if TYPE_CHECKING:
    from pydicom.dataelem import RawDataElement
    from pydicom.dataset import Dataset

SPECIFIC_CHARACTER_SET = 0x00080005
PIXEL_REPRESENTATION = 0x00280103


class DataElement(NamedTuple):
    """A decoded data element.

    Attributes:
        tag: group and element in one number.
        vr: as the file has it; looked up where the file has none (implicit VR, UN), never a choice of two.
        values: its values; of a sequence its items, each a list of elements; none for binary VRs.
        undecoded: the bytes in hex, where they cannot be values of this VR.
    """

    tag: int
    vr: str
    values: list[Any]
    undecoded: str = ""


def decode(dataset: Dataset, signed: bool = False) -> list[DataElement]:
    """The elements of a dataset in tag order, sequences included.

    Args:
        signed: what ``US or SS`` means where the dataset has no Pixel Representation of its own (PS3.5 A.1).

    Raises:
        ValueError: a value is shorter than it says, or a sequence cannot be parsed; pydicom has errors of other
            types too for such bytes.
    """
    raws = sorted(zip(map(int, dataset.keys()), dataset.values(), strict=True), key=itemgetter(0))
    found = dataset.original_character_set
    encodings = [found] if isinstance(found, str) else list(found)
    creators: dict[int, str] = {}
    decoded = []
    for tag, raw in raws:
        vr = raw.VR
        if vr is None or vr == "UN" or vr not in KNOWN:
            vr = _vr_of(tag, vr, creators, signed)
        if isinstance(raw, tuple):
            element = _decode_raw(tag, vr, raw, encodings, signed)
        else:
            element = _decode_built(tag, vr, raw.value, signed)
        decoded.append(element)
        if tag & 0x10000 and 0x10 <= tag & 0xFFFF <= 0xFF and vr == "LO":
            creators[(tag >> 16) << 8 | tag & 0xFF] = str(element.values[0]) if element.values else ""
        elif tag == PIXEL_REPRESENTATION and element.values:
            signed = element.values[0] == 1
    return decoded


def _decode_raw(
    tag: int, vr: str, raw: RawDataElement, encodings: Sequence[str], signed: bool
) -> DataElement:
    if vr in BINARY:
        return DataElement(tag, vr, [])
    value = raw.value or b""
    if raw.length not in (len(value), 0xFFFFFFFF):
        raise ValueError("a value ends before its length")
    if vr == "SQ":
        from pydicom.values import convert_SQ

        items = convert_SQ(value, raw.is_implicit_VR, raw.is_little_endian, list(encodings)) if value else []
        return DataElement(tag, vr, [decode(item, signed) for item in items])
    try:
        return DataElement(tag, vr, decode_value(vr, value, raw.is_little_endian, encodings))
    except ValueError:
        return DataElement(tag, vr, [], value.hex())


def _decode_built(tag: int, vr: str, value: Any, signed: bool) -> DataElement:
    """An element that pydicom has already converted: an undefined-length sequence, or one set in Python."""
    if vr in BINARY or value is None or value == "":
        return DataElement(tag, vr, [])
    if vr == "SQ":
        return DataElement(tag, vr, [decode(item, signed) for item in value])
    several = isinstance(value, Iterable) and not isinstance(value, (str, bytes)) and vr != "PN"
    values = list(value) if several or hasattr(value, "append") else [value]
    return DataElement(tag, vr, [_plain(item) for item in values])


def _plain(value: Any) -> Value:
    if isinstance(original := getattr(value, "original_string", None), str):
        return original
    if isinstance(value, (int, float)):
        return float(value) if isinstance(value, float) else int(value)
    return str(value)


def _vr_of(tag: int, vr: str | None, creators: dict[int, str], signed: bool) -> str:
    """The VR of an element that does not tell it, as PS3.5 6.2.2 and A.1 have it."""
    if tag & 0x10000:
        return _private_vr(tag, creators)
    element = by_tag(tag)
    if element is None:
        return "UL" if not tag & 0xFFFF else "UN"
    if element.vr == "US or SS":
        return "SS" if signed else "US"
    return element.vr if element.vr in KNOWN else "OW"


def _private_vr(tag: int, creators: dict[int, str]) -> str:
    number = tag & 0xFFFF
    if 0x10 <= number <= 0xFF:
        return "LO"
    creator = creators.get((tag >> 16) << 8 | number >> 8)
    if not creator:
        return "UN"
    from pydicom.datadict import private_dictionary_VR

    try:
        vr = private_dictionary_VR(tag, creator)
    except KeyError:
        return "UN"
    return vr if vr in KNOWN else "UN"
