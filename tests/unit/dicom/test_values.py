"""Values of every VR, as the standard and as the field writes them (PS3.5 6.2)."""

from __future__ import annotations

import math
import struct

import pytest

from hilum.dicom.charsets import DEFAULT, codec
from hilum.dicom.conversion import to_float, to_integer
from hilum.dicom.values import BINARY, KNOWN, NUMBERS, UndecodableError, decode_value


def value(vr: str, raw: bytes, little: bool = True) -> list[object]:
    return list(decode_value(vr, raw, little, DEFAULT))


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (b"1.5 ", 1.5),
        (b" 1.5", 1.5),
        (b"1.5\0", 1.5),
        (b"+1.5", 1.5),
        (b"-.5", -0.5),
        (b"5.", 5.0),
        (b"1e3 ", 1000.0),
        (b"-1.25E-02 ", -0.0125),
        (b"+1E+05", 100000.0),
    ],
)
def test_decimal_strings_are_numbers(raw: bytes, number: float) -> None:
    (text,) = value("DS", raw)
    assert text == raw.strip(b" \0").decode()
    assert to_float(str(text)) == number


@pytest.mark.parametrize(
    "raw", [b"NaN", b"inf", b"-Infinity", b"1,5", b"1.5e", b"1_0", b"one", b"-", b"1 5", "١".encode()]
)
def test_what_is_no_decimal_string_stays_text_and_is_no_number(raw: bytes) -> None:
    try:
        (text,) = value("DS", raw)
    except UndecodableError as error:
        (text,) = error.values
    with pytest.raises(ValueError):
        to_float(str(text))


@pytest.mark.parametrize(
    ("raw", "number"), [(b"7 ", 7), (b" -7", -7), (b"+7", 7), (b"007 ", 7), (b"2147483647", 2147483647)]
)
def test_integer_strings_are_numbers(raw: bytes, number: int) -> None:
    (text,) = value("IS", raw)
    assert to_integer(str(text)) == number


@pytest.mark.parametrize("raw", [b"1.0", b"1e3", b"seven", b"0x10", b"1_000"])
def test_what_is_no_integer_string_is_no_number(raw: bytes) -> None:
    (text,) = value("IS", raw)
    with pytest.raises(ValueError):
        to_integer(str(text))


def test_values_keep_their_places() -> None:
    assert value("DS", b"1\\\\3 ") == ["1", "", "3"]
    assert value("CS", b" A \\B\\ ") == ["A", "B", ""]
    assert value("LO", b" a \\b ") == [" a", "b"]


def test_a_backslash_in_text_of_one_value_is_text() -> None:
    assert value("LT", b" a\\b ") == [" a\\b"]
    assert value("UR", b"file:\\x ") == ["file:\\x"]


@pytest.mark.parametrize("little", [True, False])
def test_numbers_of_either_byte_order(little: bool) -> None:
    order = "<" if little else ">"
    extremes = {
        "SS": (-(1 << 15), (1 << 15) - 1),
        "SL": (-(1 << 31), (1 << 31) - 1),
        "SV": (-(1 << 63), (1 << 63) - 1),
        "US": (0, (1 << 16) - 1),
        "UL": (0, (1 << 32) - 1),
        "UV": (0, (1 << 64) - 1),
        "FD": (-1.5e308, 5e-324),
    }
    for vr, numbers in extremes.items():
        assert value(vr, struct.pack(f"{order}2{NUMBERS[vr]}", *numbers), little) == list(numbers)
    assert value("AT", struct.pack(f"{order}4H", 0x0018, 0x1063, 0xFFFE, 0xE000), little) == [
        0x00181063,
        0xFFFEE000,
    ]


@pytest.mark.parametrize("vr", ["FL", "FD"])
def test_floats_that_are_not_finite_are_what_they_are(vr: str) -> None:
    nan, endless = value(vr, struct.pack(f"<2{NUMBERS[vr]}", math.nan, -math.inf))
    assert isinstance(nan, float)
    assert math.isnan(nan)
    assert endless == -math.inf


@pytest.mark.parametrize("vr", sorted(NUMBERS))
def test_bytes_that_are_no_multiple_of_a_numbers_size_are_no_number(vr: str) -> None:
    with pytest.raises(UndecodableError) as caught:
        value(vr, bytes(9))
    assert caught.value.values == []


@pytest.mark.parametrize("vr", sorted(KNOWN - BINARY - {"SQ"}))
def test_nothing_is_no_value(vr: str) -> None:
    assert value(vr, b"") == []


def test_doubtful_text_comes_with_the_error_value_by_value() -> None:
    with pytest.raises(UndecodableError) as caught:
        decode_value("LO", "é\\ü ".encode(), True, codec(b"ISO_IR 100"))
    assert caught.value.values == ["é", "ü"]
    with pytest.raises(UndecodableError) as caught:
        decode_value("CS", b"\xb8\xd2\\A ", True, codec(b"ISO_IR 144"))
    assert caught.value.values == ["Ив", "A"]
