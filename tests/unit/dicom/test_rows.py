"""Headers as rows of ``dicom_metadata``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from beds.headers import instance, read_back
from hilum.dicom.elements import DataElement, decode
from hilum.dicom.rows import row_of, row_text


def row(**attributes: Any) -> dict[str, Any]:
    return row_of(read_back(instance(**attributes)))


def test_attributes_have_the_types_of_their_vrs() -> None:
    found = row(
        StudyDate="20240102",
        StudyTime="030405.5",
        AcquisitionDateTime="20240102030405",
        PatientName="Doe^Jane",
        SliceThickness="2.50",
        InstanceNumber="7",
        Rows=512,
        ExposureTimeInms=1.25,
        ImageType=["ORIGINAL", "PRIMARY"],
        FrameIncrementPointer=0x00181063,
    )
    assert found["StudyDate"] == 19_724
    assert found["StudyTime"] == 11_045_500_000
    assert found["AcquisitionDateTime"] == "2024-01-02T03:04:05.000000Z"
    assert found["PatientName"] == {"Alphabetic": {"FamilyName": "Doe", "GivenName": "Jane"}}
    assert found["SliceThickness"] == "2.50"
    assert found["InstanceNumber"] == "7"
    assert found["Rows"] == 512
    assert found["ExposureTimeInms"] == 1.25
    assert found["ImageType"] == ["ORIGINAL", "PRIMARY"]
    assert found["FrameIncrementPointer"] == [0x00181063]


def test_the_dictionarys_multiplicity_decides_between_scalar_and_list() -> None:
    found = row(SoftwareVersions="v1", StationName="s1", PixelSpacing=["1", "2"])
    assert found["SoftwareVersions"] == ["v1"]
    assert found["StationName"] == "s1"
    assert found["PixelSpacing"] == ["1", "2"]


def test_what_is_empty_is_null_or_an_empty_list() -> None:
    found = row(AccessionNumber="", ImageType=None, PixelSpacing=[], StudyDate="", PatientName="", Rows=None)
    assert (found["AccessionNumber"], found["PixelSpacing"], found["StudyDate"]) == (None, [], None)
    assert found["PatientName"] is None
    assert "ImageType" not in found


def test_columns_come_in_tag_order() -> None:
    found = row(Rows=1, StudyDate="20240101", PatientID="p")
    assert list(found)[:3] == ["SOPClassUID", "SOPInstanceUID", "StudyDate"]
    assert list(found).index("PatientID") < list(found).index("Rows")


def test_a_value_that_its_type_cannot_hold_is_null_and_kept_verbatim() -> None:
    dataset = instance(Rows=7)
    dataset.add_new(0x00080020, "LO", "20241399")
    dataset.add_new(0x00180088, "DS", "1")
    found = row_of(read_back(dataset))
    assert found["StudyDate"] is None
    assert found["conversion_faults"] == [
        {"Tag": "Tag_00080020", "Keyword": "StudyDate", "Value": "20241399"}
    ]


def test_a_fault_in_a_sequence_names_the_way_there() -> None:
    item = Dataset()
    item.add_new(0x00400002, "LO", "soon")
    found = row(RequestAttributesSequence=[item])
    assert found["RequestAttributesSequence"] == [{"ScheduledProcedureStepStartDate": None}]
    assert found["conversion_faults"] == [
        {
            "Tag": "Tag_00400002",
            "Keyword": "RequestAttributesSequence.ScheduledProcedureStepStartDate",
            "Value": "soon",
        }
    ]


def test_numbers_that_are_not_finite_are_faults() -> None:
    found = row(ExposureTimeInms=float("nan"), ReconstructionFieldOfView=[1.0, float("inf")])
    assert found["ExposureTimeInms"] is None
    assert found["ReconstructionFieldOfView"] == []
    assert [fault["Value"] for fault in found["conversion_faults"]] == ["1.0\\inf", "nan"]


def test_several_numbers_where_one_belongs_are_a_fault_and_several_texts_are_kept_whole() -> None:
    dataset = instance(Rows=[1, 2], StationName=["a", "b"])
    found = row_of(read_back(dataset))
    assert found["Rows"] is None
    assert found["StationName"] == "a\\b"
    assert [fault["Keyword"] for fault in found["conversion_faults"]] == ["Rows"]


def test_bytes_that_make_no_number_are_a_fault_in_hex() -> None:
    rows = RawDataElement(BaseTag(0x00280010), "US", 3, b"\1\2\xff", 0, False, True)
    found = row_of(decode(Dataset({rows.tag: rows})))
    assert found == {
        "Rows": None,
        "conversion_faults": [{"Tag": "Tag_00280010", "Keyword": "Rows", "Value": "0102ff"}],
    }


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_the_encoding_makes_no_difference(syntax: str) -> None:
    item = Dataset()
    item.CodeValue = "T-1"
    dataset = instance(
        Rows=3,
        PixelRepresentation=1,
        SmallestImagePixelValue=-5,
        ProcedureCodeSequence=[item],
        FrameIncrementPointer=[0x00181063, 0x00181065],
        ExposureTimeInms=0.5,
    )
    if syntax != ExplicitVRLittleEndian:
        assert row_of(read_back(dataset, syntax)) == row_of(read_back(dataset))
    assert row_of(read_back(dataset, syntax))["SmallestImagePixelValue"] == -5


def test_private_elements_are_other_elements_and_private_sequences_columns() -> None:
    item = Dataset()
    item.PatientID = "inner"
    dataset = instance()
    block = dataset.private_block(0x0011, "Hilum test", create=True)
    block.add_new(0x01, "SH", ["a", "b"])
    block.add_new(0x02, "OB", b"\0\1")
    block.add_new(0x03, "SQ", [item])
    found = row_of(read_back(dataset))
    assert found["OtherElements"] == [
        {"Tag": "Tag_00110010", "Data": ["Hilum test"]},
        {"Tag": "Tag_00111001", "Data": ["a", "b"]},
    ]
    assert found["Tag_00111003"] == [{"PatientID": "inner"}]


def test_repeating_groups_are_lists_by_group() -> None:
    dataset = instance()
    dataset.add_new(0x60000010, "US", 5)
    dataset.add_new(0x60020010, "US", 6)
    dataset.add_new(0x60020050, "SS", [1, -1])
    found = row_of(read_back(dataset))
    assert found["OverlayRows"] == [{"Id": "6000", "Value": 5}, {"Id": "6002", "Value": 6}]
    assert found["OverlayOrigin"] == [{"Id": "6002", "Value": [1, -1]}]


def test_binary_values_are_left_out() -> None:
    dataset = instance(ICCProfile=b"\0\1", EncapsulatedDocument=b"%PDF")
    assert {"ICCProfile", "EncapsulatedDocument"}.isdisjoint(row_of(read_back(dataset)))


@pytest.mark.parametrize(
    ("charset", "name", "family"),
    [
        ("ISO_IR 100", "Müller^Jörg", "Müller"),
        ("ISO_IR 192", "Łęcka^Ewa", "Łęcka"),
        ("GB18030", "王^小东", "王"),
        ("ISO_IR 144", "Люкceмбypг", "Люкceмбypг"),
    ],
)
def test_text_is_decoded_with_the_objects_character_set(charset: str, name: str, family: str) -> None:
    found = row(SpecificCharacterSet=charset, PatientName=name)
    assert found["PatientName"]["Alphabetic"]["FamilyName"] == family


def test_timestamps_take_the_headers_offset() -> None:
    found = row(TimezoneOffsetFromUTC="+0200", AcquisitionDateTime="20240102010000")
    assert found["AcquisitionDateTime"] == "2024-01-01T23:00:00.000000Z"


def test_a_dataset_built_in_python_gives_the_row_that_its_file_gives() -> None:
    item = Dataset()
    item.CodeValue = "T-1"
    dataset = instance(
        PatientName="A^B",
        SliceThickness="2.50",
        ImageType=["X", "Y"],
        Rows=4,
        ExposureTimeInms=0.5,
        AccessionNumber="",
        ProcedureCodeSequence=[item],
        FrameIncrementPointer=[0x00181063],
    )
    assert row_of(decode(dataset)) == row_of(read_back(dataset))


def test_the_text_of_a_row_is_one_line_that_says_the_same() -> None:
    dataset = instance(
        SpecificCharacterSet="ISO_IR 192",
        PatientName="Müller^Jörg",
        StudyDescription='"a"\n\u2028',
        StudyDate="20240102",
        Rows=7,
    )
    elements = read_back(dataset)
    text = row_text(elements)
    assert json.loads(text) == row_of(elements)
    assert "\n" not in text
    assert '"StudyDate":19724,' in text
    assert '"FamilyName":"Müller"' in text


def test_the_text_of_a_row_can_be_encoded_whatever_the_header_holds() -> None:
    text = row_text([DataElement(0x00081030, "LO", ["x\ud800y"])])
    assert text == '{"StudyDescription":"x\ufffdy"}'
    assert text.encode()


def test_the_transfer_syntax_stands_beside_a_row() -> None:
    elements = [DataElement(0x00020010, "UI", [ExplicitVRLittleEndian]), DataElement(0x00280010, "US", [1])]
    assert row_of(elements)["TransferSyntaxUID"] == ExplicitVRLittleEndian
    assert row_text(elements) == '{"Rows":1}'
