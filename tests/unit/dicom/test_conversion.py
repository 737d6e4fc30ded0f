"""DICOM values to the values of a warehouse's types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.dicom.conversion import (
    CONVERTERS,
    to_date,
    to_float,
    to_integer,
    to_name,
    to_time,
    to_timestamp,
)


@pytest.mark.parametrize(
    ("convert", "value", "converted"),
    [
        (to_date, "20240229", 19782),
        (to_date, "1997.04.24", 9975),
        (to_date, "19700101", 0),
        (to_date, "00010101", -719_162),
        (to_time, "07", 25_200_000_000),
        (to_time, "0709", 25_740_000_000),
        (to_time, "070907", 25_747_000_000),
        (to_time, "070907.0705", 25_747_070_500),
        (to_time, "07:09:07.5", 25_747_500_000),
        (to_time, "235959.999999", 86_399_999_999),
        (to_timestamp, "20240101", "2024-01-01T00:00:00.000000Z"),
        (to_timestamp, "20240101120000.5", "2024-01-01T12:00:00.500000Z"),
        (to_timestamp, "20240101003000+0130", "2023-12-31T23:00:00.000000Z"),
        (to_timestamp, "2024010123-0500", "2024-01-02T04:00:00.000000Z"),
        (to_integer, "-12", -12),
        (to_integer, 2**63 - 1, 2**63 - 1),
        (to_float, "1.5E3", 1500.0),
        (to_float, ".5", 0.5),
        (to_name, "Doe^John", {"Alphabetic": {"FamilyName": "Doe", "GivenName": "John"}}),
        (to_name, "Doe^^^^", {"Alphabetic": {"FamilyName": "Doe"}}),
        (to_name, "=山田^太郎", {"Ideographic": {"FamilyName": "山田", "GivenName": "太郎"}}),
        (
            to_name,
            "A^B^C^D^E=I=P",
            {
                "Alphabetic": {
                    "FamilyName": "A",
                    "GivenName": "B",
                    "MiddleName": "C",
                    "NamePrefix": "D",
                    "NameSuffix": "E",
                },
                "Ideographic": {"FamilyName": "I"},
                "Phonetic": {"FamilyName": "P"},
            },
        ),
    ],
)
def test_a_value_that_its_type_can_hold_is_converted(
    convert: Callable[[Any], Any], value: Any, converted: Any
) -> None:
    assert convert(value) == converted


@pytest.mark.parametrize(
    ("convert", "value"),
    [
        (to_date, "20230229"),
        (to_date, "00000000"),
        (to_date, "2024"),
        (to_date, "20240101-20240201"),
        (to_time, "240000"),
        (to_time, "235960"),
        (to_time, "9"),
        (to_time, "070907.1234567"),
        (to_timestamp, "2024"),
        (to_timestamp, "20240101+2500"),
        (to_timestamp, "00010101+0100"),
        (to_timestamp, "9999123123-0100"),
        (to_integer, "1.0"),
        (to_integer, "1_000"),
        (to_integer, 2**63),
        (to_integer, 1.5),
        (to_integer, float("inf")),
        (to_integer, float("nan")),
        (to_float, "nan"),
        (to_float, float("-inf")),
        (to_float, "1e999"),
        (to_float, "1,5"),
        (to_name, "A=B=C=D"),
        (to_name, "A^B^C^D^E^F"),
    ],
)
def test_a_value_that_its_type_cannot_hold_is_refused(convert: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(ValueError):
        convert(value)


def test_a_timestamp_without_offset_takes_the_objects() -> None:
    assert to_timestamp("20240101120000", "-0500") == "2024-01-01T17:00:00.000000Z"
    assert to_timestamp("20240101120000+0100", "-0500") == "2024-01-01T11:00:00.000000Z"


@given(st.sampled_from(sorted(CONVERTERS)), st.text() | st.integers() | st.floats())
def test_any_value_is_converted_or_refused(type_: str, value: str | float) -> None:
    try:
        CONVERTERS[type_](value)
    except ValueError:
        return
