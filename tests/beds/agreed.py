"""The differences between our readings and pydicom's that the standard decides for ours: docs/reference/agreement.md.

Each rule recognises its own differences by working out ours from the bytes, or from pydicom's reading; it does not
excuse whatever else may be wrong with that element.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from beds.agreement import UNREADABLE, Difference
from beds.encoding import NUMBERS
from beds.texts import REPERTOIRES
from hilum.dicom.elements import LUT_DESCRIPTORS
from hilum.dicom.standard.keywords import by_tag
from hilum.dicom.values import LOCAL_TEXT, STRIPPED

_ENCODERS = {repertoire.terms: repertoire.encode for repertoire in REPERTOIRES}
_GROUP_ZERO = 0x0000FFFF


class Rule(NamedTuple):
    """A difference that is agreed on: its row in the table, and what recognises it."""

    name: str
    paragraph: str
    holds: Callable[[Difference], bool]


def _padding(difference: Difference) -> bool:
    """Spaces (and NULs, which some send in their place) around each value, not only around all of them."""
    ours, theirs = difference.ours, difference.theirs
    if ours is None or theirs is None or ours.undecoded or ours.vr != theirs.vr:
        return False
    if ours.vr not in STRIPPED | {"UR"}:
        return False
    strip = str.rstrip if ours.vr == "UR" else str.strip
    return ours.values == tuple(
        strip(str(value), " \0") for value in theirs.values if str(value).strip(" \0")
    )


def _choice(difference: Difference) -> bool:
    """A choice of VRs that pydicom leaves open is made."""
    ours, theirs, known = difference.ours, difference.theirs, by_tag(difference.tag)
    if ours is None or theirs is None or ours.undecoded or known is None:
        return False
    if ours.vr not in known.vr.split(" or ") or theirs.vr not in (known.vr, UNREADABLE):
        return False
    raw = difference.raw or b""
    if ours.vr not in NUMBERS:
        return not ours.values
    code = NUMBERS[ours.vr]
    sizes = len(raw) // struct.calcsize(code)
    return any(ours.values == struct.unpack(f"{order}{sizes}{code}", raw) for order in "<>")


def _trailing_groups(difference: Difference) -> bool:
    """Delimiters of empty component groups at a name's end are kept."""
    ours, theirs = difference.ours, difference.theirs
    return (
        ours is not None
        and theirs is not None
        and ours.vr == theirs.vr == "PN"
        and not ours.undecoded
        and tuple(value.rstrip("=") for value in ours.values) == theirs.values
    )


def _declared_text(difference: Difference) -> bool:
    """Text whose bytes are what the declared sets make of it, by the tables in :mod:`beds.texts`."""
    ours, raw = difference.ours, difference.raw
    encode = _ENCODERS.get(difference.terms)
    if ours is None or raw is None or encode is None or ours.undecoded or ours.vr not in LOCAL_TEXT:
        return False
    if raw.isascii() and b"\x1b" not in raw:
        return False
    return encode("\\".join(ours.values), ours.vr).rstrip(b" \0") == raw.rstrip(b" \0")


def _undeclared_text(difference: Difference) -> bool:
    """Bytes that are not of the declared set: they are kept in hex beside the likeliest text."""
    ours, raw = difference.ours, difference.raw
    text = ours is not None and ours.vr in LOCAL_TEXT | STRIPPED | {"UR"}
    return (
        text
        and ours is not None
        and (raw is None or ours.undecoded == raw.hex())
        and bool(ours.undecoded)
        and (not bytes.fromhex(ours.undecoded).isascii() or "1b" in ours.undecoded)
    )


def _table_count(difference: Difference) -> bool:
    """The first value of a lookup table's descriptor is unsigned, in an implicit header too."""
    ours, theirs = difference.ours, difference.theirs
    if ours is None or theirs is None or difference.tag not in LUT_DESCRIPTORS or not theirs.values:
        return False
    return ours.vr == theirs.vr == "SS" and ours.values == (theirs.values[0] & 0xFFFF, *theirs.values[1:])


def _no_number(difference: Difference) -> bool:
    """Bytes that are no multiple of a number's size: they are kept in hex."""
    ours, raw = difference.ours, difference.raw
    if ours is None or raw is None or ours.vr not in NUMBERS:
        return False
    return bool(len(raw) % struct.calcsize(f"={NUMBERS[ours.vr]}")) and (ours.values, ours.undecoded) == (
        (),
        raw.hex(),
    )


def _group_zero(difference: Difference) -> bool:
    """Zeros behind the last element are padding, not elements of group 0000."""
    return difference.ours is None and difference.tag <= _GROUP_ZERO


def _delimiter(difference: Difference) -> bool:
    """A delimiter that is in no sequence has no VR and no value."""
    theirs = difference.theirs
    return difference.tag >> 16 == 0xFFFE and theirs is not None and theirs.vr == UNREADABLE


def _empty_sequence(difference: Difference) -> bool:
    """An unknown element of undefined length is a sequence, also when it has no item."""
    ours, theirs = difference.ours, difference.theirs
    if ours is None or theirs is None:
        return False
    return (ours.vr, ours.values) == ("SQ", ("items", 0)) and (theirs.vr, theirs.values) == ("UN", ())


def _told_unknown(difference: Difference) -> bool:
    """The VR of a known element counts also where UN is told: of group lengths, and of values above 64 KiB."""
    ours, theirs, raw = difference.ours, difference.theirs, difference.raw
    if ours is None or theirs is None or raw is None or theirs.vr != "UN":
        return False
    if not difference.tag & 0xFFFF:
        return ours.vr == "UL" and ours.values[0] in (
            int.from_bytes(raw, "little"),
            int.from_bytes(raw, "big"),
        )
    known = by_tag(difference.tag)
    if known is None or known.vr != ours.vr or ours.vr not in STRIPPED or len(raw) < 0xFFFF:
        return False
    return ours.values == tuple(part.strip(" \0") for part in raw.decode("ascii").split("\\"))


AGREED = (
    Rule("padding", "PS3.5 6.2, table 6.2-1", _padding),
    Rule("choice of VRs", "PS3.5 A.1, A.2", _choice),
    Rule("empty groups of a name", "PS3.5 6.2.1", _trailing_groups),
    Rule("text of declared sets", "PS3.3 C.12.1.1.2, PS3.5 6.1.2.5.3", _declared_text),
    Rule("text of other sets", "PS3.3 C.12.1.1.2, PS3.5 6.1.2.2", _undeclared_text),
    Rule("no number", "PS3.5 6.2, table 6.2-1", _no_number),
    Rule("count of a lookup table", "PS3.3 C.11.1.1.1", _table_count),
    Rule("group 0000", "PS3.7 6.3.1", _group_zero),
    Rule("delimiter astray", "PS3.5 7.5", _delimiter),
    Rule("empty unknown sequence", "PS3.5 6.2.2", _empty_sequence),
    Rule("known but told as UN", "PS3.5 6.2.2", _told_unknown),
)


def rule_of(difference: Difference) -> Rule | None:
    """The first rule that recognises a difference; None where none does."""
    return next((rule for rule in AGREED if rule.holds(difference)), None)
