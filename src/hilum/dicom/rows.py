"""A header as a row of the warehouse's table ``dicom_metadata``.

Columns are keywords, sequences are lists of such rows, and what has no keyword goes to ``OtherElements``, as in the
Google Healthcare API's BigQuery export and in Imaging Data Commons, so that SQL written for those runs here.
Nothing is lost on the way: a value that its column's type cannot hold is null there and verbatim in
``conversion_faults``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

from hilum.dicom.columns import CONVERSION_FAULTS, OTHER_ELEMENTS, PRIVATE_SEQUENCE, column_of, is_binary
from hilum.dicom.conversion import CONVERTERS, to_text, to_timestamp
from hilum.dicom.elements import DataElement
from hilum.dicom.standard.keywords import by_tag, elements
from hilum.dicom.values import BINARY

TIMEZONE_OFFSET = 0x00080201


class _Plan(NamedTuple):
    """How an attribute of the dictionary becomes a value of its column."""

    keyword: str
    convert: Callable[..., Any]
    single: bool
    sequence: bool
    binary: bool
    repeating: bool


@cache
def _plans() -> dict[int, _Plan]:
    return {tag: _plan(tag) for tag in elements()}


def _plan(tag: int) -> _Plan:
    element = elements()[tag]
    column = column_of(element.keyword)
    if column is not None and element.repeating:
        column = column.fields[1]
    return _Plan(
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
    offset = next((to_text(e.values[0]) for e in header if e.tag == TIMEZONE_OFFSET and e.values), "")
    faults: list[dict[str, str]] = []
    row = _record(header, offset, "", faults)
    if faults:
        row[CONVERSION_FAULTS] = faults
    return row


def _record(
    header: Iterable[DataElement], offset: str, path: str, faults: list[dict[str, str]]
) -> dict[str, Any]:
    row: dict[str, Any] = {}
    own: dict[str, list[dict[str, Any]]] = {}
    others: list[dict[str, Any]] = []
    plans = _plans()
    for element in header:
        tag, vr, values, undecoded = element
        plan = plans.get(tag) or _repeated(tag)
        if plan is None or (vr == "SQ" and not plan.sequence):
            name = f"{PRIVATE_SEQUENCE}{tag:08X}"
            if vr == "SQ":
                own[name] = [_record(item, offset, f"{path}{name}.", faults) for item in values]
            elif vr not in BINARY:
                others.append(
                    {"Tag": name, "Data": [undecoded] if undecoded else [to_text(v) for v in values]}
                )
            continue
        if plan.binary or vr in BINARY:
            continue
        if vr == "SQ":
            value: Any = [_record(item, offset, f"{path}{plan.keyword}.", faults) for item in values]
        else:
            value = _value(plan, element, offset, path, faults)
        if plan.repeating:
            row.setdefault(plan.keyword, []).append({"Id": f"{tag >> 16:04X}", "Value": value})
        else:
            row[plan.keyword] = value
    row.update(own)
    if others:
        row[OTHER_ELEMENTS] = others
    return row


def _value(plan: _Plan, element: DataElement, offset: str, path: str, faults: list[dict[str, str]]) -> Any:
    """The values of an element that is no sequence, as its column has them."""
    _, _, values, undecoded = element
    convert = plan.convert
    if not values and not undecoded:
        return None if plan.single else []
    try:
        if undecoded or plan.sequence:
            raise ValueError("not of the dictionary's VR")
        if convert is to_timestamp:
            converted = [to_timestamp(value, offset) for value in values]
        else:
            converted = [convert(value) for value in values]
        if not plan.single:
            return converted
        if len(converted) == 1:
            return converted[0]
        if convert is to_text:
            return "\\".join(converted)
    except ValueError:
        pass
    verbatim = undecoded or "\\".join(map(to_text, values))
    faults.append(
        {"Tag": f"{PRIVATE_SEQUENCE}{element.tag:08X}", "Keyword": path + plan.keyword, "Value": verbatim}
    )
    return None if plan.single else []


def _repeated(tag: int) -> _Plan | None:
    element = by_tag(tag)
    return None if element is None else _plans()[element.tag]
