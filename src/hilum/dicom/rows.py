"""A header as a row of the warehouse's table ``dicom_metadata``.

A row travels as text, one JSON object that nobody parses between a file and Arrow; :func:`row_of` says the same in
Python values. Columns are keywords, sequences are lists of such rows, and what has no keyword goes to
``OtherElements``, as in the Google Healthcare API's BigQuery export and in Imaging Data Commons, so that SQL written
for those runs here.
Nothing is lost on the way: a value that its column's type cannot hold is null there and verbatim in
``conversion_faults``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

from hilum.dicom.columns import CONVERSION_FAULTS, OTHER_ELEMENTS, PRIVATE_SEQUENCE, column_of, is_binary
from hilum.dicom.conversion import CONVERTERS, to_text, to_timestamp
from hilum.dicom.elements import DataElement
from hilum.dicom.limits import FAULTS, too_many
from hilum.dicom.standard.keywords import by_tag
from hilum.dicom.values import BINARY

TIMEZONE_OFFSET = 0x00080201
BESIDE = "TransferSyntaxUID"
"""Left out of a row's text: a file may not tell it, so it stands beside the row, as address and digest do."""

LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Plan(NamedTuple):
    """How an attribute of the dictionary becomes a value of its column."""

    keyword: str
    convert: Callable[..., Any]
    single: bool
    sequence: bool
    binary: bool
    repeating: bool


@lru_cache(maxsize=1 << 14)  # tags are whatever a file says
def plan_of(tag: int) -> Plan | None:
    """The plan of an attribute; None where the dictionary has none."""
    element = by_tag(tag)
    if element is None:
        return None
    column = column_of(element.keyword)
    if column is not None and element.repeating:
        column = column.fields[1]
    return Plan(
        element.keyword,
        to_text if column is None else CONVERTERS[column.type],
        element.single,
        element.vr == "SQ" and not element.repeating,
        is_binary(element),
        element.repeating,
    )


def row_of(header: Iterable[DataElement]) -> dict[str, Any]:
    """The row of a header; its elements come in tag order and so do the row's keys.

    An attribute whose multiplicity is 1 in the dictionary is a scalar, any other a list. Empty scalars are None,
    empty lists are lists. Text with several values where one belongs is kept whole, with its backslashes.
    Attributes of repeating groups (PS3.5 7.6) are lists of ``{Id, Value}``, the group in four hex digits as Id.
    Private and unknown elements are in ``OtherElements`` as ``{Tag, Data}``; private sequences have columns of
    their own, ``Tag_GGGGEEEE``. Binary VRs are left out. ``conversion_faults`` lists ``{Tag, Keyword, Value}``,
    the keyword with its sequences' before it, parted by dots.
    """
    header = list(header)
    offset = next(
        (to_text(each.values[0]) for each in header if each.tag == TIMEZONE_OFFSET and each.values), ""
    )
    writer = _Writer(offset)
    row = writer.record(header, "")
    if writer.faults:
        row[CONVERSION_FAULTS] = writer.faults
    return row


def row_text(header: Iterable[DataElement]) -> str:
    """:func:`row_of` as one line of JSON that UTF-8 can carry, without what stands :data:`BESIDE` it."""
    row = row_of(header)
    row.pop(BESIDE, None)
    return line_of(row)


def line_of(row: Mapping[str, Any]) -> str:
    """A row, or a part of one, as text; lone surrogates, which JSON has and UTF-8 has not, become U+FFFD."""
    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    return text if text.isascii() else LONE_SURROGATE.sub("\ufffd", text)


class _Writer:
    """Writes the records of one header and gathers what its columns cannot hold."""

    def __init__(self, offset: str) -> None:
        self.faults: list[dict[str, str]] = []
        self._timestamp = partial(to_timestamp, offset=offset)

    def record(self, header: Iterable[DataElement], path: str) -> dict[str, Any]:
        """A header, or an item of the sequence at ``path``."""
        if len(self.faults) > FAULTS:
            raise too_many()
        row: dict[str, Any] = {}
        private: dict[str, list[dict[str, Any]]] = {}
        others: list[dict[str, Any]] = []
        for element in header:
            tag, vr, values, undecoded = element
            plan = plan_of(tag)
            if plan is None or (vr == "SQ" and not plan.sequence):
                name = f"{PRIVATE_SEQUENCE}{tag:08X}"
                if vr == "SQ":
                    private[name] = [self.record(item, f"{path}{name}.") for item in values]
                elif vr not in BINARY:
                    others.append({"Tag": name, "Data": other_texts(values, undecoded)})
                    if undecoded and values:
                        self.faults.append({"Tag": name, "Keyword": path + name, "Value": undecoded})
                continue
            if plan.binary or vr in BINARY:
                continue
            value: Any = None if plan.single else []
            if vr == "SQ":
                value = [self.record(item, f"{path}{plan.keyword}.") for item in values]
            elif values or undecoded:
                value = self._value(plan, element, path)
            if plan.repeating:
                row.setdefault(plan.keyword, []).append({"Id": f"{tag >> 16:04X}", "Value": value})
            else:
                row[plan.keyword] = value
        row.update(private)
        if others:
            row[OTHER_ELEMENTS] = others
        return row

    def _value(self, plan: Plan, element: DataElement, path: str) -> Any:
        """The values of a filled element that is no sequence, as its column has them."""
        tag, _, values, undecoded = element
        convert = self._timestamp if plan.convert is to_timestamp else plan.convert
        value, fault = cell(plan, convert, values, undecoded)
        if fault is not None:
            self.faults.append(
                {"Tag": f"{PRIVATE_SEQUENCE}{tag:08X}", "Keyword": path + plan.keyword, "Value": fault}
            )
        return value


def cell(
    plan: Plan, convert: Callable[[Any], Any], values: list[Any], undecoded: str
) -> tuple[Any, str | None]:
    """What a filled element's column holds, and the element verbatim where that is not all of it.

    Args:
        convert: the plan's, or a timestamp's with an offset.
    """
    doubt = undecoded or None
    try:
        if plan.sequence or not values:
            raise ValueError("not of the dictionary's VR")
        if not plan.single:
            return [convert(value) for value in values], doubt
        if len(values) == 1:
            return convert(values[0]), doubt
        if convert is to_text:
            return "\\".join(map(to_text, values)), doubt
    except ValueError:
        pass
    return None if plan.single else [], undecoded or "\\".join(map(to_text, values))


def other_texts(values: list[Any], undecoded: str) -> list[str]:
    """What ``OtherElements`` has of an element: its values, or its bytes in hex where it has none."""
    return list(map(to_text, values)) if values or not undecoded else [undecoded]
