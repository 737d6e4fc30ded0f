"""What the walk takes, what it leaves to pydicom, and where it stops."""

from __future__ import annotations

import pytest

from beds.encoding import BIG_ENDIAN, EXPLICIT, IMPLICIT, Item, Node, Syntax, encode, pixels, written
from beds.hostile import ITEM_END, SEQUENCE_END, UNDEFINED, element, head, item
from hilum.dicom import limits
from hilum.dicom.elements import DataElement
from hilum.dicom.scan import Scanner, Unsure, scan_elements
from hilum.dicom.scan.elements import ElementForm
from hilum.dicom.scan.feed import WINDOW, Feed, whole
from hilum.errors import UnreadableError

HEAD = head()
CODE = element(0x00080100, "SH", b"T-1 ")


def tail(data: bytes) -> list[DataElement]:
    """The elements behind the identifying ones."""
    return [each for each in scan_elements(HEAD + data) if each.tag > 0x0020000E]


def left_to_pydicom(data: bytes) -> bool:
    try:
        scan_elements(data)
    except Unsure:
        return True
    return False


class TestElements:
    @pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
    def test_are_found_in_every_encoding(self, syntax: Syntax) -> None:
        nodes = [Node(0x00080060, "CS", b"CT"), Node(0x00280010, "US", (512,)), Node(0x00291010, "OB", b"ab")]
        found = scan_elements(written(encode(nodes, syntax) + pixels(syntax), syntax))
        assert [(each.tag, each.vr, each.values) for each in found if each.tag >> 16 != 2] == [
            (0x00080060, "CS", ["CT"]),
            (0x00280010, "US", [512]),
            (0x00291010, "UN" if syntax is IMPLICIT else "OB", []),
        ]

    def test_may_end_with_zeros(self) -> None:
        assert len(tail(element(0x00280010, "US", b"\1\0") + bytes(4000))) == 1

    def test_in_disorder_are_left_to_pydicom(self) -> None:
        rows, columns = element(0x00280010, "US", b"\1\0"), element(0x00280011, "US", b"\1\0")
        assert not left_to_pydicom(HEAD + rows + columns)
        assert left_to_pydicom(HEAD + columns + rows)
        assert left_to_pydicom(HEAD + rows + rows)

    @pytest.mark.parametrize(
        "data",
        [
            element(0x00280010, "ZZ", b"\1\0"),
            element(0x00280010, "US", b"\1\0", length=40),
            element(0x00280010, "US", b"\1\0") + b"rubbish",
            element(0x00280010, "US", b"\1\0") + bytes(10) + b"1",
            element(0x00291010, "OB", b"", length=UNDEFINED) + item(b"ab") + SEQUENCE_END,
            element(0x00291010, "UN", b"ab", length=1000),
            item(CODE),
        ],
    )
    def test_that_are_odd_are_left_to_pydicom(self, data: bytes) -> None:
        assert left_to_pydicom(HEAD + data)

    def test_of_groups_that_no_data_set_has_are_left_to_pydicom(self) -> None:
        begin = len(HEAD) - len(HEAD[HEAD.index(b"\x08\0\x16\0") :])
        for group in (0x0002, 0x0004, 0x0006, 0x0007):
            odd = HEAD[:begin] + element(group << 16 | 0x1010, "LO", b"ab") + HEAD[begin:]
            assert left_to_pydicom(odd) == (group != 2), group

    def test_that_are_binary_are_passed_over_however_long(self) -> None:
        data = HEAD + element(0x00291010, "OB", bytes(5 * WINDOW)) + element(0x00400002, "DA", b"20240101")

        class Sparse(Feed):
            jumps = 0

            def jump(self, position: int) -> None:
                self.jumps += 1
                super().jump(position)

        feed = Sparse(whole(data).stream, len(data))
        found = Scanner(ElementForm()).scan(feed).parts
        assert [each.tag for each in found[-2:]] == [0x00291010, 0x00400002]
        assert feed.jumps > 1


class TestSequences:
    ITEMS = (
        element(0x00400275, "SQ", item(CODE) + item()),
        element(0x00400275, "SQ", item(CODE) + item() + SEQUENCE_END, length=UNDEFINED),
        element(0x00400275, "SQ", item(CODE + ITEM_END, length=UNDEFINED) + item()),
        element(
            0x00400275,
            "SQ",
            item(CODE + ITEM_END, length=UNDEFINED) + item(ITEM_END, length=UNDEFINED) + SEQUENCE_END,
            length=UNDEFINED,
        ),
    )

    @pytest.mark.parametrize("data", ITEMS)
    def test_may_tell_their_length_or_not(self, data: bytes) -> None:
        expected = [[DataElement(0x00080100, "SH", ["T-1"])], []]
        assert tail(data) == [DataElement(0x00400275, "SQ", expected)]

    @pytest.mark.parametrize("data", ITEMS)
    def test_may_begin_and_end_anywhere_in_a_window(self, data: bytes) -> None:
        for length in range(WINDOW - len(HEAD) - 130, WINDOW - len(HEAD) + 20, 3):
            before = element(0x00204000, "LT", b"x" * length)
            assert tail(before + data)[1:] == tail(data), length

    @pytest.mark.parametrize(
        "data",
        [
            element(0x00400275, "SQ", item(CODE)[:-2]),
            element(0x00400275, "SQ", item(CODE, length=4) + bytes(8)),
            element(0x00400275, "SQ", item(CODE, length=100)),
            element(0x00400275, "SQ", CODE),
            element(0x00400275, "SQ", item(CODE + ITEM_END)),
            element(0x00400275, "SQ", item(CODE, length=UNDEFINED)),
            element(0x00400275, "SQ", item(CODE) + SEQUENCE_END),
            element(0x00400275, "SQ", item(CODE), length=UNDEFINED),
            element(0x00400275, "SQ", item(CODE + ITEM_END[:4] + b"\1\0\0\0", length=UNDEFINED)),
            element(0x00400275, "UN", item(CODE)),
        ],
    )
    def test_that_do_not_close_as_they_should_are_left_to_pydicom(self, data: bytes) -> None:
        assert left_to_pydicom(HEAD + data)

    def test_of_unknown_vr_are_implicit_inside(self) -> None:
        code = element(0x00080100, "SH", b"T-1 ", syntax=IMPLICIT)
        found = tail(element(0x00291010, "UN", item(code) + SEQUENCE_END, length=UNDEFINED))
        assert found == [DataElement(0x00291010, "SQ", [[DataElement(0x00080100, "SH", ["T-1"])]])]

    def test_have_character_sets_and_signs_of_their_own(self) -> None:
        utf8 = element(0x00080005, "CS", b"ISO_IR 192") + element(0x00080104, "LO", "ä".encode())
        signed = element(0x00280103, "US", b"\1\0") + element(0x00280106, "US", b"\xff\xff")
        sequence = element(0x00400275, "SQ", item(utf8) + item(element(0x00080104, "LO", b"\xe4 ")))
        found = tail(sequence + element(0x00409096, "SQ", item(signed)))
        assert [[each.values for each in part][-1] for part in found[0].values] == [["ä"], ["ä"]]
        assert [bool(part[-1].undecoded) for part in found[0].values] == [False, True]
        implicit = encode(
            [
                Node(0x00280103, "US", (0,)),
                Node(
                    0x00400275, "SQ", (Item((Node(0x00280103, "US", (1,)), Node(0x00280106, "SS", (-1,)))),)
                ),
                Node(0x00409096, "SQ", (Item((Node(0x00280106, "US", (65535,)),)),)),
            ],
            IMPLICIT,
        )
        found = [each for each in scan_elements(head(IMPLICIT) + implicit) if each.vr == "SQ"]
        assert [each.values[0][-1].values for each in found] == [[-1], [65535]]


class TestLimits:
    """What only the scanner can get wrong; see also test_limits.py."""

    def nested(self, depth: int, tag: int = 0x00400275) -> bytes:
        data = element(tag, "SQ", item())
        for _ in range(depth - 1):
            data = element(tag, "SQ", item(data))
        return data

    def test_a_sequence_that_was_seen_further_out_counts_as_deep_as_it_is(self) -> None:
        scanner = Scanner(ElementForm())
        scanner.scan(whole(HEAD + self.nested(20)))
        deep = self.nested(20)
        for _ in range(15):
            deep = element(0x00400440, "SQ", item(deep))
        for reader in (scanner, Scanner(ElementForm())):
            with pytest.raises(UnreadableError) as caught:
                reader.scan(whole(HEAD + deep))
            assert caught.value.reason == "nested-too-deep"

    def test_what_is_walked_again_in_a_larger_window_counts_once(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hilum.dicom.scan.walk.ELEMENTS", 9000)
        sequence = element(0x00400275, "SQ", item(CODE) * 4000 + SEQUENCE_END, length=UNDEFINED)
        data = HEAD + sequence
        found = Scanner(ElementForm()).scan(Feed(whole(data).stream, len(data))).parts
        assert len(found[-1].values) == 4000
        monkeypatch.setattr("hilum.dicom.scan.walk.ELEMENTS", 7000)
        with pytest.raises(UnreadableError) as caught:
            Scanner(ElementForm()).scan(whole(data))
        assert caught.value.reason == "too-many-elements"

    def test_the_limit_of_kinds_holds_for_each_header_anew(self) -> None:
        scanner = Scanner(ElementForm())
        for block in range(3):
            numbers = range(0x1000 + block, 0x1000 + limits.KINDS // 2)
            scanner.scan(whole(HEAD + b"".join(element(0x00290000 | n, "CS") for n in numbers)))
