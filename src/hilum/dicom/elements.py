"""A header as a list of decoded elements: what rows, facts and identity are made from.

pydicom parses; this module takes its raw elements and decodes each value once, which is several times faster than
its element objects. A dataset that was built or touched in Python is taken too. A scanner of our own can later
give the same list.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from hilum.dicom.charsets import DEFAULT, Charset, codec
from hilum.dicom.limits import DEPTH, LONGEST_SWITCH, LONGEST_VALUE, Allowance, Metered, too_deep, too_long
from hilum.dicom.private import private_vr
from hilum.dicom.standard.keywords import by_tag
from hilum.dicom.values import BINARY, KNOWN, LOCAL_TEXT, UndecodableError, Value, decode_value

if TYPE_CHECKING:
    from pydicom.dataelem import RawDataElement
    from pydicom.dataset import Dataset

SPECIFIC_CHARACTER_SET = 0x00080005
PIXEL_REPRESENTATION = 0x00280103
UNDEFINED = 0xFFFFFFFF
COSTLY, COST = frozenset({"DA", "DT", "PN", "TM"}), 5
"""VRs whose values become more than text, and how many others one is counted for."""
LUT_DESCRIPTORS = frozenset({0x00281101, 0x00281102, 0x00281103, 0x00283002})
"""Their first value is a count, so unsigned even where their VR is SS for the second's sake (PS3.3 C.11.1.1.1)."""


class DataElement(NamedTuple):
    """A decoded data element.

    Attributes:
        tag: group and element in one number.
        vr: as the file has it; looked up where the file has none (implicit VR, UN), never a choice of two.
        values: its values; of a sequence its items, each a list of elements; none for binary VRs.
        undecoded: the bytes in hex, where they cannot be values of this VR, or where the character set is not as
            declared; in the latter case ``values`` has the likeliest text.
    """

    tag: int
    vr: str
    values: list[Any]
    undecoded: str = ""


def decode(
    dataset: Dataset,
    signed: bool = False,
    charset: Charset = DEFAULT,
    allowance: Allowance | None = None,
    depth: int = 0,
) -> list[DataElement]:
    """The elements of a dataset in tag order, sequences included.

    Args:
        signed: what ``US or SS`` means where the dataset has no Pixel Representation of its own (PS3.5 A.1).
        charset: what holds where it has no Specific Character Set of its own (PS3.3 C.12.1.1.2).
        allowance: what is left to the object. depth: how many sequences the dataset is in.

    Raises:
        UnreadableError: it goes beyond a limit of :mod:`hilum.dicom.limits`.
        ValueError: a value is shorter than it says, or a sequence cannot be parsed; pydicom has errors of other
            types too for such bytes.
    """
    if depth > DEPTH:
        raise too_deep()
    allowance = allowance or Allowance()
    raws = sorted(zip(map(int, dataset.keys()), dataset.values(), strict=True), key=itemgetter(0))
    if SPECIFIC_CHARACTER_SET in dataset:
        charset = _charset(dataset.get_item(SPECIFIC_CHARACTER_SET, keep_deferred=True).value)
    if PIXEL_REPRESENTATION in dataset:  # it holds for what comes before it, too
        signed = _is_signed(dataset.get_item(PIXEL_REPRESENTATION, keep_deferred=True), signed)
    creators: dict[int, str] = {}
    decoded = []
    for tag, raw in raws:
        vr = raw.VR
        if vr is None or vr == "UN" or vr not in KNOWN:
            vr = _vr_of(tag, vr, creators, signed)
        if isinstance(raw, tuple):
            element = _decode_raw(tag, vr, raw, charset, signed, allowance, depth)
        else:
            element = _decode_built(tag, str(vr), raw.value, charset, signed, allowance, depth)
        allowance.take(1 + len(element.values) * (COST if element.vr in COSTLY else 1))
        decoded.append(element)
        if _is_creator(tag) and vr == "LO":
            creators[(tag >> 16) << 8 | tag & 0xFF] = str(element.values[0]) if element.values else ""
    return decoded


def _is_signed(found: Any, otherwise: bool) -> bool:
    """What Pixel Representation says, raw or converted by pydicom; ``otherwise`` where it says nothing."""
    vr = found.VR if found.VR in KNOWN and found.VR not in ("UN", "SQ") else "US"
    is_raw = isinstance(found, tuple)
    about = (DEFAULT, otherwise, Allowance(), 0)
    values = (
        _decode_raw(PIXEL_REPRESENTATION, vr, found, *about)
        if is_raw
        else _decode_built(PIXEL_REPRESENTATION, vr, found.value, *about)
    ).values
    return bool(values[0] == 1) if values else otherwise


def _is_creator(tag: int) -> bool:
    """Whether the element reserves a block of private ones (PS3.5 7.8.1)."""
    return tag & 0x10000 != 0 and 0x10 <= tag & 0xFFFF <= 0xFF


def _charset(declared: Any) -> Charset:
    """From the bytes of Specific Character Set, or from its terms where pydicom has converted it."""
    if isinstance(declared, bytes | None):
        if len(declared or b"") > LONGEST_SWITCH:
            raise too_long()
        return codec(declared or b"")
    return codec((declared,) if isinstance(declared, str) else tuple(map(str, declared)))


def _decode_raw(
    tag: int,
    vr: str,
    raw: RawDataElement,
    charset: Charset,
    signed: bool,
    allowance: Allowance,
    depth: int,
) -> DataElement:
    value = raw.value or b""
    if vr == "UN" and raw.length == UNDEFINED and not value:
        vr = "SQ"  # pydicom looks for its first item to see that it is one (PS3.5 6.2.2)
    if raw.length not in (len(value), UNDEFINED) and raw.value is not None:
        raise ValueError("a value ends before its length")
    if vr in BINARY:
        return DataElement(tag, vr, [])
    if vr == "SQ":
        from pydicom.filereader import read_sequence

        stream = cast(BinaryIO, Metered(io.BytesIO(value), len(value), allowance))
        items = read_sequence(stream, raw.is_implicit_VR, raw.is_little_endian, len(value), "latin-1")
        return DataElement(tag, vr, [decode(item, signed, charset, allowance, depth + 1) for item in items])
    if vr in LOCAL_TEXT:
        allowance.take(value.count(b"\x1b"))
    if len(value) > LONGEST_VALUE or (len(value) > LONGEST_SWITCH and _is_creator(tag)):
        raise too_long()
    return DataElement(tag, vr, *decode_bytes(tag, vr, value, raw.is_little_endian, charset))


def decode_bytes(tag: int, vr: str, raw: bytes, little: bool, charset: Charset) -> tuple[list[Any], str]:
    """An element's values, and its bytes in hex where they are in doubt; see :class:`DataElement`."""
    try:
        values = decode_value(vr, raw, little, charset)
    except UndecodableError as error:
        return list(error.values), raw.hex()
    if tag in LUT_DESCRIPTORS and vr == "SS" and len(values) > 1:
        values[0] = int(values[0]) & 0xFFFF
    return values, ""


def _decode_built(
    tag: int, vr: str, value: Any, charset: Charset, signed: bool, allowance: Allowance, depth: int
) -> DataElement:
    """An element that pydicom has already converted: an undefined-length sequence, or one set in Python."""
    if vr in BINARY or value is None or value == "":
        return DataElement(tag, vr, [])
    if vr == "SQ":
        return DataElement(tag, vr, [decode(item, signed, charset, allowance, depth + 1) for item in value])
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
    return private_vr(tag, creators.get((tag >> 16) << 8 | number >> 8, ""))
