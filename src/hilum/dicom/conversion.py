"""DICOM values to the values of a warehouse's types. What a type cannot hold is refused, never bent."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

from hilum.dicom.columns import NAME_FIELDS
from hilum.dicom.values import Value

_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})|([0-9]{4})\.([0-9]{2})\.([0-9]{2})")
_TIME = re.compile(r"([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(?:\.([0-9]{1,6}))?)?)?")
_OFFSET = re.compile(r"([+-])([0-9]{2})([0-9]{2})")
EPOCH = date(1970, 1, 1).toordinal()
_GROUPS = tuple((group.name, tuple(part.name for part in group.fields)) for group in NAME_FIELDS)


def to_text(value: Value) -> str:
    return value if isinstance(value, str) else str(value)


def to_integer(value: Value) -> int:
    """A whole number of 64 bits; ValueError otherwise."""
    if isinstance(value, str):
        if not _INTEGER.fullmatch(value):
            raise ValueError("not an integer")
        value = int(value)
    if (isinstance(value, float) and not value.is_integer()) or not -(1 << 63) <= value < 1 << 63:
        raise ValueError("not an integer of 64 bits")
    return int(value)


def to_float(value: Value) -> float:
    """A finite number; ValueError otherwise."""
    if isinstance(value, str) and not _FLOAT.fullmatch(value):
        raise ValueError("not a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def to_date(value: Value) -> int:
    """``YYYYMMDD``, or ACR-NEMA's ``YYYY.MM.DD``, as days since 1970-01-01."""
    return _date(to_text(value)).toordinal() - EPOCH


def to_time(value: Value) -> int:
    """``HHMMSS.FFFFFF``, or ACR-NEMA's ``HH:MM:SS``, as microseconds of the day; what is left out is zero."""
    hour, minute, second, microsecond = _time(to_text(value))
    return ((hour * 60 + minute) * 60 + second) * 1_000_000 + microsecond


def to_timestamp(value: Value, offset: str = "") -> str:
    """``YYYYMMDDHHMMSS.FFFFFF&ZZXX`` as ISO 8601 in UTC; a date at least is needed.

    Args:
        offset: Timezone Offset From UTC (0008,0201), for values that have none of their own; none means UTC.
    """
    text = to_text(value)
    digits, sign, zone = text.partition("+") if "+" in text else text.partition("-")
    local = datetime.combine(_date(digits[:8]), time(*_time(digits[8:] or "00")))
    found = _OFFSET.fullmatch(sign + zone or offset or "+0000")
    if not found:
        raise ValueError("not an offset from UTC")
    away = timedelta(hours=int(found[2]), minutes=int(found[3]))
    local = local.replace(tzinfo=timezone(-away if found[1] == "-" else away))
    try:
        return local.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    except OverflowError:
        raise ValueError("before the first year or after the last") from None


def _date(text: str) -> date:
    found = _DATE.fullmatch(text)
    if not found:
        raise ValueError("not a date")
    year, month, day = (int(part) for part in found.groups() if part)
    return date(year, month, day)


def _time(text: str) -> tuple[int, int, int, int]:
    found = _TIME.fullmatch(text)
    if not found:
        raise ValueError("not a time")
    hour, minute, second, fraction = found.groups(default="0")
    parts = int(hour), int(minute), int(second), int(fraction.ljust(6, "0"))
    if parts[0] > 23 or parts[1] > 59 or parts[2] > 59:
        raise ValueError("not a time")
    return parts


def to_name(value: Value) -> dict[str, dict[str, str]]:
    """A person name's component groups, each with its components; empty ones are left out (PS3.5 6.2.1)."""
    parts = to_text(value).split("=")
    if len(parts) > len(_GROUPS):
        raise ValueError("more than three component groups")
    name = {}
    for (group, components), text in zip(_GROUPS, parts, strict=False):
        values = text.rstrip("^ ").split("^")
        if len(values) > len(components):
            raise ValueError("more than five components")
        if found := {
            part: stripped
            for part, each in zip(components, values, strict=False)
            if (stripped := each.strip())
        }:
            name[group] = found
    return name


CONVERTERS: dict[str, Callable[..., Any]] = {
    "STRING": to_text,
    "INTEGER": to_integer,
    "FLOAT": to_float,
    "DATE": to_date,
    "TIME": to_time,
    "TIMESTAMP": to_timestamp,
    "RECORD": to_name,
}
