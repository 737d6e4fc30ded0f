"""What is said of an element elsewhere in its object: character set, sign, VR; by the scanner and by pydicom."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from beds.agreement import read_with_elements
from beds.encoding import EXPLICIT, IMPLICIT, Item, Node, encode, in_order, written
from hilum.dicom.elements import DataElement
from hilum.dicom.rows import row_of
from hilum.dicom.scan import scan_elements

CHARSET, NAME, SEQUENCE, INNER = 0x00080005, 0x00100010, 0x00081140, 0x00081110
COMMENT, PRIVATE = 0x00104000, 0x00111001
CYRILLIC = b"\xb8\xd2"

Read = Callable[[bytes], list[DataElement]]
BOTH = pytest.mark.parametrize("read", [read_with_elements, scan_elements])


def found(read: Read, *nodes: Node, explicit: bool = True) -> dict[int, DataElement]:
    syntax = EXPLICIT if explicit else IMPLICIT
    return {element.tag: element for element in read(written(encode(in_order(nodes), syntax), syntax))}


def item(*nodes: Node) -> tuple[Item, ...]:
    return (Item(tuple(in_order(nodes))),)


@BOTH
def test_an_item_inherits_the_character_set(read: Read) -> None:
    inner = Node(INNER, "SQ", item(Node(NAME, "PN", CYRILLIC)))
    elements = found(read, Node(CHARSET, "CS", b"ISO_IR 144"), Node(SEQUENCE, "SQ", item(inner)))
    assert elements[SEQUENCE].values[0][0].values[0][0].values == ["Ив"]


@BOTH
@pytest.mark.parametrize("undefined", [True, False])
def test_an_item_overrides_the_character_set_for_itself_alone(read: Read, undefined: bool) -> None:
    own = item(Node(CHARSET, "CS", b"ISO_IR 144"), Node(NAME, "PN", CYRILLIC))
    elements = found(
        read,
        Node(CHARSET, "CS", b"ISO_IR 100"),
        Node(SEQUENCE, "SQ", own + item(Node(NAME, "PN", b"\xc9")), undefined=undefined),
        Node(NAME, "PN", b"\xc9"),
    )
    assert [each[-1].values for each in elements[SEQUENCE].values] == [["Ив"], ["É"]]
    assert elements[NAME].values == ["É"]


@BOTH
def test_an_item_whose_character_set_is_empty_has_the_default_one(read: Read) -> None:
    own = item(Node(CHARSET, "CS", b""), Node(NAME, "PN", CYRILLIC))
    elements = found(read, Node(CHARSET, "CS", b"ISO_IR 144"), Node(SEQUENCE, "SQ", own))
    assert elements[SEQUENCE].values[0][1] == DataElement(NAME, "PN", ["¸Ò"], CYRILLIC.hex())


@BOTH
def test_text_that_is_not_as_declared_is_guessed_and_its_bytes_are_kept(read: Read) -> None:
    raw = "Müller".encode()
    elements = found(read, Node(CHARSET, "CS", b"ISO_IR 100"), Node(NAME, "PN", raw + b" "))
    assert elements[NAME] == DataElement(NAME, "PN", ["Müller"], (raw + b" ").hex())


@BOTH
def test_doubtful_text_is_in_its_column_and_its_bytes_in_the_faults(read: Read) -> None:
    elements = found(
        read,
        Node(COMMENT, "LT", b"caf\xe9"),
        Node(0x00110010, "LO", b"Hilum test"),
        Node(PRIVATE, "LO", b"caf\xe9"),
        Node(SEQUENCE, "SQ", item(Node(COMMENT, "LT", b"th\xe9 "))),
    )
    row = row_of(elements.values())
    assert row["PatientComments"] == "café"
    assert row["ReferencedImageSequence"] == [{"PatientComments": "thé"}]
    assert row["OtherElements"][-1] == {"Tag": "Tag_00111001", "Data": ["café"]}
    assert row["conversion_faults"] == [
        {
            "Tag": "Tag_00104000",
            "Keyword": "ReferencedImageSequence.PatientComments",
            "Value": b"th\xe9 ".hex(),
        },
        {"Tag": "Tag_00104000", "Keyword": "PatientComments", "Value": b"caf\xe9".hex()},
        {"Tag": "Tag_00111001", "Keyword": "Tag_00111001", "Value": b"caf\xe9".hex()},
    ]


@BOTH
def test_the_count_of_a_signed_lookup_table_is_unsigned(read: Read) -> None:
    descriptor = Node(0x00281101, "SS", (-1, -1024, 16))
    elements = found(read, Node(0x00280103, "US", (1,)), descriptor)
    assert elements[0x00281101].values == [65535, -1024, 16]


@BOTH
def test_an_unknown_element_of_undefined_length_is_a_sequence_even_if_empty(read: Read) -> None:
    elements = found(read, Node(CHARSET, "CS", b""), Node(PRIVATE, "SQ", (), undefined=True), explicit=False)
    assert elements[PRIVATE] == DataElement(PRIVATE, "SQ", [])
