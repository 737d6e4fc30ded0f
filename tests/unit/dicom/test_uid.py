"""Unique identifiers (PS3.5 9.1)."""

from __future__ import annotations

import pytest

from hilum.dicom.uid import is_valid_uid


@pytest.mark.parametrize("text", ["1.2.840.10008.1.2", "0.0", "2", "1.02.3", "1." + "2" * 62])
def test_decimal_components_parted_by_dots_are_a_uid(text: str) -> None:
    assert is_valid_uid(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        ".1",
        "1..2",
        "../..",
        "1.2/3",
        "1.2\n",
        "1.2 ",
        "1.-2",
        "1.\u0662",
        "1." + "2" * 63,
        "1.2a",
    ],
)
def test_anything_else_is_not(text: str) -> None:
    assert not is_valid_uid(text)
