"""What is remembered of elements and values: enough to be quick, never too much, and never what was false."""

from __future__ import annotations

import struct

import pytest

from beds.encoding import IMPLICIT
from beds.hostile import element, head, item
from hilum.dicom.elements import DataElement
from hilum.dicom.scan import Scanner, Unsure, scan_elements, tables
from hilum.dicom.scan.elements import ElementForm
from hilum.dicom.scan.feed import whole
from hilum.errors import UnreadableError

HEAD = head()


def tail(data: bytes, begin: bytes = HEAD) -> list[DataElement]:
    return [each for each in scan_elements(begin + data) if each.tag > 0x0020000E]


def creator(name: bytes, block: int = 0x10, vr: str = "LO", group: int = 0x0029) -> bytes:
    return element(group << 16 | block, vr, name + b" " * (len(name) % 2))


class TestPrivateElements:
    """PS3.5 7.8.1: who reserved the block says what its elements are."""

    SIEMENS = b"SIEMENS CSA HEADER"

    def implicit(self, *creators: bytes) -> list[DataElement]:
        known = element(0x00291008, "CS", b"IMAGE NUM 4 ", syntax=IMPLICIT)
        reserved = b"".join(
            element(0x00290010 + place, "LO", name, syntax=IMPLICIT) for place, name in enumerate(creators)
        )
        return tail(reserved + known, head(IMPLICIT))

    def test_have_the_vr_that_their_creator_gave_them(self) -> None:
        assert self.implicit(self.SIEMENS)[-1] == DataElement(0x00291008, "CS", ["IMAGE NUM 4"])

    @pytest.mark.parametrize("name", [b"NOBODY", b"", b" SIEMENS CSA HEADER "])
    def test_of_an_unknown_creator_are_unknown(self, name: bytes) -> None:
        assert self.implicit(name)[-1] == DataElement(0x00291008, "UN", [])

    def test_are_told_by_the_block_that_they_are_in(self) -> None:
        assert self.implicit(b"NOBODY", self.SIEMENS)[-1].vr == "UN"
        assert self.implicit(self.SIEMENS, b"NOBODY")[-1].vr == "CS"

    def test_of_the_next_group_need_a_creator_of_their_own(self) -> None:
        other = element(0x002B1008, "CS", b"IMAGE NUM 4 ", syntax=IMPLICIT)
        reserved = element(0x00290010, "LO", self.SIEMENS, syntax=IMPLICIT)
        assert tail(reserved + other, head(IMPLICIT))[-1].vr == "UN"

    def test_in_an_item_need_a_creator_there(self) -> None:
        known = element(0x00291008, "CS", b"IMAGE NUM 4 ", syntax=IMPLICIT)
        reserved = element(0x00290010, "LO", self.SIEMENS, syntax=IMPLICIT)
        both = element(0x00400275, "SQ", item(known) + item(reserved + known), syntax=IMPLICIT)
        without, having = tail(reserved + both, head(IMPLICIT))[-1].values
        assert (without[-1].vr, having[-1].vr) == ("UN", "CS")

    def test_with_a_creator_of_another_vr_are_left_to_pydicom(self) -> None:
        with pytest.raises(Unsure):
            tail(creator(self.SIEMENS, vr="SH"))

    def test_with_several_creators_in_one_are_the_firsts(self) -> None:
        assert self.implicit(self.SIEMENS + b"\\NOBODY ")[-1].vr == "CS"


class TestWhatChangesTheMeaningOfBytes:
    @pytest.mark.parametrize(
        "data",
        [
            element(0x00280103, "UL", struct.pack("<I", 1)),
            element(0x00280103, "OB", b"\1\0"),
        ],
    )
    def test_is_left_to_pydicom_if_it_is_of_another_vr(self, data: bytes) -> None:
        if b"OB" in data:
            assert tail(data)[-1].values == []
            return
        with pytest.raises(Unsure):
            tail(data)

    def test_signed_pixels_make_signed_values(self) -> None:
        smallest = element(0x00280106, "US", b"\xff\xff", syntax=IMPLICIT)
        for representation, value in ((b"\0\0", 65535), (b"\1\0", -1), (b"", 65535), (b"\2\0", 65535)):
            told = element(0x00280103, "US", representation, syntax=IMPLICIT)
            assert tail(told + smallest, head(IMPLICIT))[-1].values == [value]

    def test_may_not_be_endless(self) -> None:
        for data in (creator(b"x" * 2000), creator(b"x" * 60_000)):
            with pytest.raises(UnreadableError) as caught:
                tail(data)
            assert caught.value.reason == "value-too-long"


class TestMemory:
    @pytest.fixture
    def scanner(self) -> Scanner:
        return Scanner(ElementForm())

    def used(self, scanner: Scanner) -> int:
        return scanner._tables.used

    def test_of_values_that_are_never_the_same_does_not_grow(self, scanner: Scanner) -> None:
        def read(numbers: range) -> None:
            values = b"".join(item(element(0x0008103E, "LO", b"%08d" % number)) for number in numbers)
            scanner.scan(whole(HEAD + element(0x00400275, "SQ", values)))

        read(range(100))
        before = self.used(scanner)
        read(range(100, 20_000))
        assert self.used(scanner) < before + 200_000

    def test_of_sequences_that_are_never_the_same_does_not_grow(self, scanner: Scanner) -> None:
        sequences = [
            item(element(0x00400440, "SQ", item(element(0x0008103E, "LO", b"%08d" % number) * 1)))
            for number in range(5000)
        ]
        scanner.scan(whole(HEAD + element(0x00400275, "SQ", b"".join(sequences[:10]))))
        before = self.used(scanner)
        scanner.scan(whole(HEAD + element(0x00400275, "SQ", b"".join(sequences))))
        assert self.used(scanner) < before + 200_000

    def test_is_given_up_when_there_is_too_much_of_it(
        self, scanner: Scanner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tables, "ROOM", 50_000)
        for block in range(20):
            kinds = b"".join(element(0x00291000 + 64 * block + n, "LO", b"%04d" % n) for n in range(64))
            scanner.scan(whole(HEAD + kinds))
            assert self.used(scanner) < 2 * 50_000 + 64 * 1000
        assert scanner.scan(whole(HEAD)).parts == scan_elements(HEAD)

    def test_of_too_many_contexts_is_no_headers(self, scanner: Scanner) -> None:
        def read(numbers: range) -> None:
            sets = b"".join(item(element(0x00080005, "CS", b"%08d" % number)) for number in numbers)
            scanner.scan(whole(HEAD + element(0x00400275, "SQ", sets)))

        with pytest.raises(Unsure):
            read(range(2 * tables.CONTEXTS))
        read(range(100))
