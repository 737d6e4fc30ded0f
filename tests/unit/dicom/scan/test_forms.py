"""What a header becomes: elements, a row, DICOM JSON."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from beds.encoding import EXPLICIT, pixels
from beds.fuzzing import outcome
from beds.hostile import element, head, item
from beds.seeds import seeds
from hilum.dicom import header as headers
from hilum.dicom.header import Header, read_header
from hilum.dicom.quiet import quiet_pydicom
from hilum.dicom.scan import Scanner
from hilum.dicom.scan.feed import whole
from hilum.dicom.scan.json import JsonForm
from hilum.dicom.scan.row import RowForm

HEAD = head()
NOWHERE = Path()


def row(data: bytes) -> dict[str, Any]:
    form = RowForm()
    scanned = Scanner(form).scan(whole(data))
    found: dict[str, Any] = json.loads(form.finish(scanned.parts, scanned.others)[0])
    return found


def model(data: bytes) -> dict[str, Any]:
    """As DICOM JSON."""
    parts = Scanner(JsonForm()).scan(whole(data)).parts
    found: dict[str, Any] = json.loads(f"{{{''.join(parts)[:-1]}}}")
    return found


class TestARow:
    def test_is_what_pydicoms_way_gives_whatever_the_header(self) -> None:
        compared = 0
        for data in seeds(1 << 20):
            found = outcome(data)
            if isinstance(found, Header):
                with quiet_pydicom():
                    other = headers._parsed(io.BytesIO(data))
                assert json.loads(found.row) == json.loads(other.row)
                assert found.facts == other.facts
                assert read_header(NOWHERE, io.BytesIO(data), facts=False) == replace(found, facts={})
                compared += 1
        assert compared > 150

    def test_has_the_group_with_each_value_of_a_repeating_group(self) -> None:
        data = element(0x60000010, "US", b"\1\0") + element(0x60020010, "US", b"\2\0")
        assert row(HEAD + data)["OverlayRows"] == [{"Id": "6000", "Value": 1}, {"Id": "6002", "Value": 2}]

    def test_tells_where_in_a_sequence_a_fault_is(self) -> None:
        inner = element(0x0040A730, "SQ", item(element(0x0040A121, "DA", b"20240230")))
        private = element(0x00291010, "SQ", item(inner))
        (fault,) = row(HEAD + private)["conversion_faults"]
        assert fault == {
            "Tag": "Tag_0040A121",
            "Keyword": "Tag_00291010.ContentSequence.Date",
            "Value": "20240230",
        }

    def test_tells_a_fault_again_where_the_same_sequence_comes_again(self) -> None:
        inner = item(element(0x0040A730, "SQ", item(element(0x0040A121, "DA", b"20240230"))))
        assert len(row(HEAD + element(0x00400275, "SQ", inner * 3))["conversion_faults"]) == 3

    def test_of_control_characters_is_json(self) -> None:
        name = bytes(range(1, 0x1B)) + bytes(range(0x1C, 0x21))
        found = row(HEAD + element(0x00204000, "LT", name + b"x" * (len(name) % 2 + 1)))
        assert found["ImageComments"].startswith("\x01\x02")

    def test_of_half_a_character_is_utf_8(self) -> None:
        utf_8 = element(0x00080005, "CS", b"ISO_IR 192")
        data = HEAD + element(0x00400275, "SQ", item(utf_8 + element(0x00081030, "LO", b"\xed\xa0\x80 ")))
        form = RowForm()
        scanned = Scanner(form).scan(whole(data))
        form.finish(scanned.parts, scanned.others)[0].encode()

    @pytest.mark.parametrize("offset", [b"+0100", b"-0400 ", b"", b"nonsense", b"+0100\0"])
    @pytest.mark.parametrize("before", [b"", b"+0900 "])
    def test_has_times_by_its_own_offset_whatever_the_last_one_had(
        self, offset: bytes, before: bytes
    ) -> None:
        def data(offset: bytes) -> bytes:
            start, rest = HEAD[: HEAD.index(b"\x20\0\x0d\0")], HEAD[HEAD.index(b"\x20\0\x0d\0") :]
            time = element(0x0008002A, "DT", b"20240101120000")
            return start + time + element(0x00080201, "SH", offset) + rest

        used, new = RowForm(), RowForm()
        scanner = Scanner(used)
        scanner.scan(whole(data(before)))
        one, other = scanner.scan(whole(data(offset))), Scanner(new).scan(whole(data(offset)))
        assert used.finish(one.parts, one.others) == new.finish(other.parts, other.others)


class TestTheJsonModel:
    def test_has_binary_values_inline(self) -> None:
        found = model(HEAD + element(0x00291010, "OB", b"ab"))
        assert found["00291010"] == {"vr": "OB", "InlineBinary": "YWI="}

    def test_has_text_for_numbers_that_are_none(self) -> None:
        found = model(HEAD + element(0x00200037, "DS", b"1\\x\\1e400\\+5 "))
        assert found["00200037"]["Value"] == [1.0, "x", "1e400", 5.0]

    def test_is_over_where_the_pixels_begin(self) -> None:
        assert list(model(HEAD + pixels(EXPLICIT))) == ["00080016", "00080018", "0020000D", "0020000E"]
