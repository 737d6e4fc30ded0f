"""Header rows as Hilum kept them before they were text: JSON objects among others, with dates and times as ISO 8601.

They may wait in an outbox or a quarantine when a new version opens the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hilum.dicom.columns import column_of
from hilum.dicom.conversion import to_date, to_time
from hilum.dicom.rows import BESIDE, line_of


def header_line(row: Mapping[str, Any]) -> str:
    """A row of ``dicom_metadata`` as it is written now."""
    return line_of({name: _now(name, value) for name, value in row.items()})


def received_row(row: Mapping[str, Any] | str) -> str:
    """The row of a :class:`~hilum.model.arrival.Received` as it is written now."""
    if isinstance(row, str):
        return row
    return header_line({name: value for name, value in row.items() if name != BESIDE})


def _now(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {field: _now(field, item) for field, item in value.items()}
    if isinstance(value, list):
        return [_now(name, item) for item in value]
    column = column_of(name) if isinstance(value, str) else None
    if column is not None and column.type == "DATE":
        return to_date(value.replace("-", ""))
    return to_time(value) if column is not None and column.type == "TIME" else value
