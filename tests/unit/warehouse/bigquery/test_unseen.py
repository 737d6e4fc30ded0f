"""What a query selects so that keywords are columns that no header has had. Whether the answer is right is asked by
tests/contract/test_warehouse.py, as deep as an emulator goes."""

from __future__ import annotations

import pytest
import sqlglot

from hilum.dicom.columns import Column, column_of
from hilum.warehouse.bigquery.address import parse_address
from hilum.warehouse.bigquery.faults import RequestRefused
from hilum.warehouse.bigquery.schema import MOST_COLUMNS, Field, field_of
from hilum.warehouse.bigquery.sql import placed
from hilum.warehouse.bigquery.unseen import columns_to_add, no_room, selected

ECHO = Column("EchoTime", "STRING")
CODE = Column("CodeSequence", "RECORD", True, (Column("CodeValue", "STRING"),))
SCHEMA = [
    field_of(each) for each in (Column("Modality", "STRING"), Column("Things", "RECORD", True, (CODE,)))
]


def unknown(
    name: str, told: str = "Unrecognized name: {}; Did you mean Modality? at [1:8]"
) -> RequestRefused:
    return RequestRefused("invalidQuery", "invalidQuery", told.format(name))


def test_a_column_is_added_behind_those_that_there_are() -> None:
    assert selected(SCHEMA, [ECHO], 15) == "*, CAST(NULL AS STRING) AS `EchoTime`"
    lists = [Column("PixelSpacing", "STRING", True), Column("Rows", "INTEGER")]
    assert (
        selected(SCHEMA, lists, 15) == "*, ARRAY<STRING>[] AS `PixelSpacing`, CAST(NULL AS INT64) AS `Rows`"
    )


def test_a_field_is_added_inside_the_sequence_and_what_is_there_is_taken_over() -> None:
    more = Column("CodeSequence", "RECORD", True, (Column("CodeMeaning", "STRING"),))
    assert selected(SCHEMA, [Column("Things", "RECORD", True, (more,))], 15) == (
        "* REPLACE (ARRAY(SELECT AS STRUCT ARRAY(SELECT AS STRUCT item1.`CodeValue` AS `CodeValue`, "
        "CAST(NULL AS STRING) AS `CodeMeaning` FROM UNNEST(item0.`CodeSequence`) AS item1) AS `CodeSequence` "
        "FROM UNNEST(`Things`) AS item0) AS `Things`)"
    )


def test_a_record_that_is_not_there_stays_so_when_a_field_is_added() -> None:
    name: Field = {"name": "N", "type": "RECORD", "mode": "NULLABLE", "fields": [field_of(ECHO)]}
    wider = Column("N", "RECORD", False, (Column("Rows", "INTEGER"),))
    assert selected([name], [wider], 15) == (
        "* REPLACE (IF(`N` IS NULL, NULL, STRUCT(`N`.`EchoTime` AS `EchoTime`, "
        "CAST(NULL AS INT64) AS `Rows`)) AS `N`)"
    )


def test_what_the_table_has_no_room_for_is_not_said_to_be_empty() -> None:
    full = [field_of(Column(f"c{number}", "STRING")) for number in range(MOST_COLUMNS)]
    assert selected(full, [ECHO], 15) == ""
    assert selected(SCHEMA, [column_of("PatientName") or ECHO], 1) == ""


def test_only_tables_that_have_every_keyword_are_read_so() -> None:
    dataset = parse_address("bigquery://my-project/imaging")
    sql = placed("SELECT EchoTime FROM dicom_all a JOIN runs USING (x)", dataset, "*, NULL AS `EchoTime`")
    assert sql == (
        "SELECT EchoTime FROM (SELECT *, NULL AS `EchoTime` FROM `my-project.imaging.dicom_all`) a "
        "JOIN `my-project.imaging.runs` AS runs USING (x)"
    )
    assert sqlglot.parse_one(sql, read="bigquery")


@pytest.mark.parametrize(
    ("error", "sql", "added"),
    [
        (unknown("echotime"), "SELECT echotime FROM dicom_metadata", ["EchoTime"]),
        (
            unknown("EchoTime", "Name {} not found inside d"),
            "SELECT d.EchoTime FROM dicom_metadata d",
            ["EchoTime"],
        ),
        (unknown("EchoTime"), "SELECT EchoTime FROM runs", None),
        (unknown("EchoTme"), "SELECT EchoTme FROM dicom_metadata", None),
        (unknown("PixelData"), "SELECT PixelData FROM dicom_metadata", None),
        (RequestRefused("x", "x", "Syntax error: EchoTime"), "SELECT EchoTime FROM dicom_metadata", None),
        (
            unknown("BeamName", "Field name {} does not exist in STRUCT<BeamNumber INT64> at [1:10]"),
            "SELECT b.BeamName FROM dicom_metadata, UNNEST(BeamSequence) AS b",
            ["BeamSequence"],
        ),
    ],
)
def test_only_keywords_of_the_dictionary_are_added(
    error: RequestRefused, sql: str, added: list[str] | None
) -> None:
    found = columns_to_add(error, sql, [])
    assert (found and [column.name for column in found]) == added
    if found and found[0].fields:
        assert [field.name for field in found[0].fields] == ["BeamName"]


def test_a_keyword_without_room_is_not_answered_by_its_own_name() -> None:
    error = no_room(unknown("PatientName"))
    assert error.reason == "unknown-column"
    assert error.message == "there is no column PatientName"
    assert "beyond_schema" in error.hint
