from pathlib import Path

import pytest

from beds.headers import lines
from hilum.warehouse.interface import QueryError
from hilum.warehouse.local import LocalWarehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> LocalWarehouse:
    warehouse = LocalWarehouse(tmp_path / "warehouse")
    segment = {"SegmentNumber": 1, "SegmentedPropertyTypeCodeSequence": [{"CodeValue": "T-1"}]}
    warehouse.append(1, {}, lines({"_row_id": "a", "Modality": "SEG", "SegmentSequence": [segment]}))
    return warehouse


@pytest.mark.parametrize(
    ("sql", "rows", "types"),
    [
        ("SELECT EchoTime, Rows, StudyTime FROM dicom_metadata", 1, ["string", "int64", "time64[us]"]),
        ("SELECT d.flipangle FROM dicom_metadata d WHERE d.EchoTime IS NULL", 1, ["string"]),
        ("SELECT PixelSpacing FROM dicom_metadata", 1, ["list<l: string>"]),
        ("SELECT EffectiveDateTime FROM dicom_all", 1, ["timestamp[us, tz=UTC]"]),
        ("SELECT TRY_CAST(EchoTime AS DOUBLE) AS EchoTime FROM dicom_metadata", 1, ["double"]),
        ("SELECT ReferringPhysicianName.Alphabetic.FamilyName FROM dicom_metadata", 1, ["string"]),
        ("SELECT OverlayRows[1].Value FROM dicom_metadata", 1, ["int64"]),
        ("SELECT Modality FROM dicom_metadata WHERE len(BeamSequence) > 0", 0, ["string"]),
        ("SELECT SegmentSequence[1].TrackingUID FROM dicom_metadata", 1, ["string"]),
        ("SELECT s.TrackingUID FROM dicom_metadata, unnest(SegmentSequence) AS t(s)", 1, ["string"]),
        ("SELECT b.BeamName FROM dicom_metadata, unnest(BeamSequence) AS t(b)", 0, ["string"]),
        (
            "SELECT p.CumulativeMetersetWeight FROM dicom_metadata, unnest(BeamSequence) AS t(b),"
            " unnest(b.ControlPointSequence) AS u(p)",
            0,
            ["string"],
        ),
        (
            "WITH a AS (SELECT SegmentSequence[1].SegmentedPropertyTypeCodeSequence[1] AS code FROM dicom_metadata)"
            " SELECT code.CodeValue, code.CodeMeaning FROM a",
            1,
            ["string", "string"],
        ),
        ("SELECT count(*) FROM segmentations", 1, ["int64"]),
        ("SELECT SliceThickness FROM dicom_metadata_curated", 1, ["double"]),
    ],
)
def test_a_keyword_that_no_file_has_is_a_column_that_is_typed_and_empty(
    warehouse: LocalWarehouse, sql: str, rows: int, types: list[str]
) -> None:
    found = warehouse.query(sql)
    assert found.num_rows == rows
    assert [str(kind) for kind in found.schema.types] == types


def test_it_can_be_asked_for_before_the_first_file(tmp_path: Path) -> None:
    empty = LocalWarehouse(tmp_path / "none")
    assert empty.query("SELECT EchoTime FROM dicom_metadata").column_names == ["EchoTime"]
    assert list(tmp_path.iterdir()) == []


def test_values_inside_a_sequence_stay_when_fields_are_added(warehouse: LocalWarehouse) -> None:
    sql = """
        SELECT s.SegmentNumber AS n, s.TrackingUID AS t, s.SegmentedPropertyTypeCodeSequence[1].CodeValue AS c
        FROM dicom_metadata, unnest(SegmentSequence) AS t(s)
    """
    assert warehouse.query(sql).to_pylist() == [{"n": 1, "t": None, "c": "T-1"}]


def test_aliases_that_name_themselves_end_somewhere(warehouse: LocalWarehouse) -> None:
    sql = """
        WITH a AS (SELECT ContentSequence AS x, ConceptNameCodeSequence AS y FROM dicom_metadata),
        b AS (SELECT x[1].ConceptNameCodeSequence AS y, y[1].ContentSequence AS x FROM a)
        SELECT x[1].TextValue AS t, y[1].CodeValue AS c FROM b
    """
    assert warehouse.query(sql).to_pylist() == [{"t": None, "c": None}]


def test_all_columns_are_those_that_files_had(warehouse: LocalWarehouse) -> None:
    warehouse.query("SELECT EchoTime FROM dicom_metadata")
    assert "EchoTime" not in warehouse.query("SELECT * FROM dicom_metadata").column_names


@pytest.mark.parametrize(
    ("sql", "message", "hint"),
    [
        ("SELECT EchoTme FROM dicom_metadata", "no column EchoTme", "EchoTime"),
        ("SELECT EchoTime FROM runs", "no column EchoTime", "dicom_metadata has it"),
        ("SELECT PixelData FROM dicom_metadata", "no column PixelData", ""),
        (
            'SELECT Modality FROM dicom_metadata WHERE Modality = "CT"',
            "no column CT",
            "double quotes hold text",
        ),
        (
            "SELECT SegmentSequence[1].SegmentNumbr FROM dicom_metadata",
            "SegmentNumbr",
            "SegmentNumber",
        ),
    ],
)
def test_what_is_no_keyword_is_told_with_the_nearest(
    warehouse: LocalWarehouse, sql: str, message: str, hint: str
) -> None:
    with pytest.raises(QueryError) as caught:
        warehouse.query(sql)
    assert caught.value.reason == "unknown-column"
    assert message in caught.value.message
    assert hint in caught.value.hint
