"""The columns of ``dicom_metadata``."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from beds.headers import instance, read_back
from hilum.dicom.columns import NAME_FIELDS, Column, column_of, columns_of
from hilum.dicom.rows import row_of


@pytest.mark.parametrize(
    ("keyword", "column"),
    [
        ("Modality", Column("Modality", "STRING")),
        ("SliceThickness", Column("SliceThickness", "STRING")),
        ("ImageType", Column("ImageType", "STRING", True)),
        ("StudyDate", Column("StudyDate", "DATE")),
        ("StudyTime", Column("StudyTime", "TIME")),
        ("AcquisitionDateTime", Column("AcquisitionDateTime", "TIMESTAMP")),
        ("ExposureTimeInms", Column("ExposureTimeInms", "FLOAT")),
        ("Rows", Column("Rows", "INTEGER")),
        ("SmallestImagePixelValue", Column("SmallestImagePixelValue", "INTEGER")),
        ("PatientName", Column("PatientName", "RECORD", False, NAME_FIELDS)),
        ("OtherPatientNames", Column("OtherPatientNames", "RECORD", True, NAME_FIELDS)),
        ("ProcedureCodeSequence", Column("ProcedureCodeSequence", "RECORD", True)),
        (
            "OverlayOrigin",
            Column(
                "OverlayOrigin", "RECORD", True, (Column("Id", "STRING"), Column("Value", "INTEGER", True))
            ),
        ),
        ("PixelData", None),
        ("LUTData", None),
        ("NoKeyword", None),
    ],
)
def test_a_keyword_has_the_column_of_its_vr_and_multiplicity(keyword: str, column: Column | None) -> None:
    assert column_of(keyword) == column


def test_the_columns_of_rows_are_their_keywords_in_tag_order() -> None:
    rows = [{"Rows": 1, "Modality": None}, {"StudyDate": None}]
    assert [column.name for column in columns_of(rows)] == ["StudyDate", "Modality", "Rows"]


def test_the_fields_of_a_sequence_are_those_of_all_its_items() -> None:
    rows = [
        {"ProcedureCodeSequence": [{"CodeValue": "a"}, {"CodeMeaning": "b"}]},
        {"ProcedureCodeSequence": [{"EquivalentCodeSequence": [{"CodeValue": "c"}]}]},
        {"ProcedureCodeSequence": []},
    ]
    assert columns_of(rows) == [
        Column(
            "ProcedureCodeSequence",
            "RECORD",
            True,
            (
                Column("CodeValue", "STRING"),
                Column("CodeMeaning", "STRING"),
                Column("EquivalentCodeSequence", "RECORD", True, (Column("CodeValue", "STRING"),)),
            ),
        )
    ]


def test_a_sequence_that_is_always_empty_has_no_column() -> None:
    assert columns_of([{"ProcedureCodeSequence": []}, {"ProcedureCodeSequence": [{}]}]) == []


def test_columns_of_others_come_first_and_are_always_there() -> None:
    extra = [Column("uri", "STRING"), Column("size", "INTEGER")]
    assert columns_of([{"size": 1, "Modality": "CT"}], extra) == [*extra, Column("Modality", "STRING")]


def test_a_name_of_nobodys_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody"):
        columns_of([{"nobody": 1}])


def test_every_name_that_a_row_can_have_has_a_column() -> None:
    item = Dataset()
    item.PatientID = "inner"
    dataset = instance(OperatorsName=["A", "B"], Rows=[1, 2], ProcedureCodeSequence=[item])
    block = dataset.private_block(0x0011, "Hilum test", create=True)
    block.add_new(0x01, "SQ", [item])
    dataset.add_new(0x60000010, "US", 5)
    row = row_of(read_back(dataset))
    found = {column.name: column for column in columns_of([row])}
    assert found.keys() == row.keys() >= {"Tag_00111001", "OtherElements", "conversion_faults", "OverlayRows"}
    assert list(found)[-3:] == ["Tag_00111001", "OtherElements", "conversion_faults"]
    assert found["Tag_00111001"].fields == (Column("PatientID", "STRING"),)
