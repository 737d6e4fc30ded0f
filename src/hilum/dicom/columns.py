"""The columns of ``dicom_metadata``, named and typed as the Google Healthcare API's BigQuery export and Imaging Data
Commons have them, in neutral terms: the warehouse makes an Arrow schema of them, another one a BigQuery schema.

A column's type is the data dictionary's word alone, never the file's, so two batches cannot disagree on it. Only
which columns there are, and which fields sequences have, is learnt from rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hilum.dicom.standard.keywords import Element, lookup
from hilum.dicom.values import BINARY

_TYPES = {
    **dict.fromkeys(("SL", "SS", "UL", "US", "SV", "UV", "AT"), "INTEGER"),
    **dict.fromkeys(("FL", "FD"), "FLOAT"),
    **dict.fromkeys(("PN", "SQ"), "RECORD"),
    "DA": "DATE",
    "DT": "TIMESTAMP",
    "TM": "TIME",
}

OTHER_ELEMENTS = "OtherElements"
CONVERSION_FAULTS = "conversion_faults"
PRIVATE_SEQUENCE = "Tag_"


@dataclass(frozen=True, slots=True)
class Column:
    """A column or a field of a record.

    Attributes:
        type: BigQuery's name of it: STRING, INTEGER, FLOAT, DATE, TIME, TIMESTAMP or RECORD for DICOM's. In rows
            DATE is days since 1970-01-01, TIME microseconds of the day and TIMESTAMP ISO 8601 text in UTC; RECORD is
            an object of its fields, absent ones being null.
        repeated: a list of such.
    """

    name: str
    type: str
    repeated: bool = False
    fields: tuple[Column, ...] = ()


_COMPONENTS = tuple(
    Column(name, "STRING") for name in ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
)
NAME_FIELDS = tuple(
    Column(name, "RECORD", fields=_COMPONENTS) for name in ("Alphabetic", "Ideographic", "Phonetic")
)
"""A person name's component groups and their components, in DICOM's order (PS3.5 6.2.1)."""

_FIXED = {
    OTHER_ELEMENTS: Column(
        OTHER_ELEMENTS, "RECORD", True, (Column("Tag", "STRING"), Column("Data", "STRING", True))
    ),
    CONVERSION_FAULTS: Column(
        CONVERSION_FAULTS,
        "RECORD",
        True,
        tuple(Column(name, "STRING") for name in ("Tag", "Keyword", "Value")),
    ),
}


def is_binary(element: Element) -> bool:
    """Whether the dictionary has a binary VR for it, or a choice with one; it is no column then."""
    return not BINARY.isdisjoint(element.vr.split(" or "))


def column_of(keyword: str) -> Column | None:
    """The column of a keyword, or None where there is none: an unknown keyword, a binary VR, a repeating sequence.

    A sequence's fields are not known here, so they are empty; see :func:`columns_of`.
    """
    element = lookup(keyword)
    if element is None or is_binary(element) or (element.repeating and element.vr == "SQ"):
        return None
    name_fields = NAME_FIELDS if element.vr == "PN" else ()
    column = Column(keyword, _TYPES.get(element.vr, "INTEGER" if " or " in element.vr else "STRING"))
    if not element.repeating:
        return Column(keyword, column.type, not element.single, name_fields)
    value = Column("Value", column.type, not element.single, name_fields)
    return Column(keyword, "RECORD", True, (Column("Id", "STRING"), value))


def columns_of(rows: Iterable[Mapping[str, Any]], extra: Iterable[Column] = ()) -> list[Column]:
    """The columns that hold these rows: ``extra`` in its own order, then DICOM's by tag, private sequences, the rest.

    A sequence without a filled item in any row has no fields, so it gets no column.

    Args:
        extra: columns that are not DICOM's; each is there whether or not a row has it.

    Raises:
        ValueError: a row has a name that is neither DICOM's nor in ``extra``.
    """
    columns = list(extra)
    names: set[str] = set()
    items: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        names.update(row)
        for name, value in row.items():
            if value and isinstance(value, list) and is_sequence(name):
                items.setdefault(name, []).extend(value)
    for name in sorted(names - {column.name for column in columns}, key=place_of):
        if not is_sequence(name):
            columns.append(_column(name))
        elif fields := columns_of(items.get(name, ())):
            columns.append(Column(name, "RECORD", True, tuple(fields)))
    return columns


def _column(name: str) -> Column:
    column = _FIXED.get(name) or column_of(name)
    if column is None:
        raise ValueError(f"{name!r} is no column of DICOM metadata")
    return column


def is_sequence(name: str) -> bool:
    """Whether a column or field of this name is a list of rows."""
    if name.startswith(PRIVATE_SEQUENCE):
        return True
    element = lookup(name)
    return element is not None and element.vr == "SQ" and not element.repeating


def place_of(name: str) -> tuple[int, int, str]:
    """What columns and fields are sorted by: DICOM's by tag, private sequences, the rest."""
    element = lookup(name)
    if element is not None:
        return (0, element.tag, name)
    return (2 if name in _FIXED else 1, 0, name)
