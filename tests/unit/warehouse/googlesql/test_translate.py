"""Each rule of the translation by what it gives: values are those of BigQuery's documentation, or worked by hand."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from beds.headers import lines
from hilum.warehouse.interface import QueryError
from hilum.warehouse.local import LocalWarehouse


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> LocalWarehouse:
    warehouse = LocalWarehouse(tmp_path_factory.mktemp("home") / "warehouse")
    code = {"CodeValue": "T-1", "CodeMeaning": "chest"}
    row = {
        "_row_id": "a",
        "Modality": "CT",
        "PatientID": "P",
        "SOPInstanceUID": "1.2",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "ConceptNameCodeSequence": [code],
        "ContentSequence": [
            {"ValueType": "NUM", "ContentSequence": [{"ValueType": "TEXT", "TextValue": "x"}]},
            {"ValueType": "CODE", "ConceptNameCodeSequence": [code]},
        ],
    }
    warehouse.append(1, {}, lines(row))
    return warehouse


def ask(warehouse: LocalWarehouse, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    rows = warehouse.query(sql, parameters, dialect="bigquery").to_pylist()
    return [tuple(row.values()) for row in rows]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        # casts
        ("SAFE_CAST('1.5' AS INT64)", None),
        ("SAFE_CAST(' 12 ' AS INT64)", 12),
        ("SAFE_CAST('0x1F' AS INT64)", 31),
        ("CAST(2.5 AS INT64)", 3),
        ("CAST(-2.5 AS INT64)", -3),
        ("CAST(9007199254740993 AS INT64)", 9007199254740993),
        ("CAST('9007199254740993' AS INT64)", 9007199254740993),
        ("SAFE_CAST('much' AS FLOAT64)", None),
        ("SAFE_CAST('yes' AS BOOL)", None),
        ("SAFE_CAST('True' AS BOOL)", True),
        ("CAST('0.123456789' AS NUMERIC)", Decimal("0.123456789")),
        ("CAST(CAST(2 AS FLOAT64) AS STRING)", "2"),
        ("CAST(CAST(2.25 AS FLOAT64) AS STRING)", "2.25"),
        ("CAST(CAST('100.50' AS NUMERIC) AS STRING)", "100.5"),
        ("CAST(NUMERIC '100' AS STRING)", "100"),
        ("CAST(DATE '2020-01-05' AS STRING)", "2020-01-05"),
        ("CAST(TRUE AS STRING)", "true"),
        # dates: parts
        ("EXTRACT(DAYOFWEEK FROM DATE '2020-01-05')", 1),
        ("EXTRACT(DAYOFWEEK FROM DATE '2020-01-04')", 7),
        ("EXTRACT(WEEK FROM DATE '2020-01-04')", 0),
        ("EXTRACT(WEEK FROM DATE '2020-01-05')", 1),
        ("EXTRACT(WEEK(MONDAY) FROM DATE '2020-01-06')", 1),
        ("EXTRACT(ISOWEEK FROM DATE '2020-01-05')", 1),
        ("EXTRACT(ISOYEAR FROM DATE '2021-01-01')", 2020),
        ("EXTRACT(DATE FROM TIMESTAMP '2020-01-01 10:00:00+00')", date(2020, 1, 1)),
        # dates: arithmetic
        ("DATE_ADD(DATE '2020-01-31', INTERVAL 1 MONTH)", date(2020, 2, 29)),
        ("DATE_SUB(DATE '2020-03-01', INTERVAL 1 DAY)", date(2020, 2, 29)),
        ("DATE_TRUNC(DATE '2020-05-17', QUARTER)", date(2020, 4, 1)),
        ("DATE_TRUNC(DATE '2020-05-20', WEEK)", date(2020, 5, 17)),
        ("DATE_TRUNC(DATE '2020-05-17', WEEK(MONDAY))", date(2020, 5, 11)),
        ("DATE_DIFF(DATE '2017-10-15', DATE '2017-10-14', WEEK)", 1),
        ("DATE_DIFF(DATE '2017-12-18', DATE '2017-12-17', WEEK)", 0),
        ("DATE_DIFF(DATE '2017-12-18', DATE '2017-12-17', WEEK(MONDAY))", 1),
        ("DATE_DIFF(DATE '2017-12-18', DATE '2017-12-17', ISOWEEK)", 1),
        ("DATE_DIFF(DATE '2017-12-30', DATE '2014-12-30', YEAR)", 3),
        ("TIMESTAMP_DIFF(TIMESTAMP '2001-02-01 01:00:00', TIMESTAMP '2001-02-01 00:00:01', HOUR)", 0),
        ("DATETIME_DIFF(DATETIME '2010-07-07 00:00:01', DATETIME '2010-07-06 23:59:59', DAY)", 1),
        ("TIME_DIFF(TIME '15:30:00', TIME '14:35:00', MINUTE)", 55),
        # dates: text
        ("PARSE_DATE('%Y%m%d', '20081225')", date(2008, 12, 25)),
        ("PARSE_DATE('%F', '2008-12-25')", date(2008, 12, 25)),
        ("SAFE.PARSE_DATE('%Y%m%d', 'Christmas')", None),
        ("FORMAT_DATE('%b %e, %E4Y', DATE '2008-12-05')", "Dec 5, 2008"),
        ("FORMAT_TIME('%R', TIME '15:30:00')", "15:30"),
        ("PARSE_TIMESTAMP('%F %T', '2008-12-25 07:30:00')", datetime(2008, 12, 25, 7, 30, tzinfo=UTC)),
        ("FORMAT_TIMESTAMP('%F %T', TIMESTAMP '2008-12-25 15:30:00+02')", "2008-12-25 13:30:00"),
        # text
        ("FORMAT('%s|%5d|%-6.2f|%x|%%', 'a', 3, 2.5, 255)", "a|    3|2.50  |ff|%"),
        ('FORMAT("%\'d %i", 1234567, 8)', "1,234,567 8"),
        ("FORMAT('%t %t', DATE '2020-01-01', NULL)", "2020-01-01 NULL"),
        ("FORMAT('%s', NULL)", None),
        ("SUBSTR('apple', 0, 2)", "ap"),
        ("CONCAT('a', NULL)", None),
        ("REGEXP_EXTRACT('no digits', r'\\d+')", None),
        ("REGEXP_EXTRACT('foo@example.com', r'^(\\w+)@')", "foo"),
        ("REGEXP_REPLACE('a1b2', r'\\d', '#')", "a#b#"),
        ("JSON_VALUE('{\"a\": {\"b\": 3}}', '$.a.b')", "3"),
        # numbers
        ("IEEE_DIVIDE(1, 0)", float("inf")),
        ("SAFE_DIVIDE(1, 0)", None),
        ("GREATEST(1, NULL)", None),
        ("DIV(-7, 2)", -3),
        ("(SELECT COUNTIF(x > 1) FROM UNNEST([1, 2, NULL, 3]) x)", 2),
        ("(SELECT COUNTIF(x > 1) FROM UNNEST([CAST(NULL AS INT64)]) x)", 0),
        ("(SELECT COUNTIF(x > 1) FROM UNNEST([1]) x WHERE FALSE)", 0),
        # arrays
        ("[10, 20, 30][OFFSET(1)]", 20),
        ("[10, 20, 30][ORDINAL(1)]", 10),
        ("[10, 20, 30][OFFSET(ARRAY_LENGTH([1, 2]))]", 30),
        ("[10, 20, 30][SAFE_OFFSET(7)]", None),
        ("ARRAY_FIRST([5, 6])", 5),
        ("ARRAY_LAST([5, 6])", 6),
        ("ARRAY(SELECT x FROM UNNEST([3, 1, 2]) AS x WITH OFFSET o WHERE o > 0 ORDER BY o DESC)", [2, 1]),
        ("(SELECT ARRAY_AGG(x IGNORE NULLS ORDER BY x DESC LIMIT 2) FROM UNNEST([1, NULL, 3, 2]) x)", [3, 2]),
        ("(SELECT ARRAY_CONCAT_AGG(x.a) FROM UNNEST([STRUCT([1] AS a), STRUCT([2, 3] AS a)]) x)", [1, 2, 3]),
        ("(SELECT STRING_AGG(x, '-' ORDER BY x DESC LIMIT 2) FROM UNNEST(['a', 'c', NULL, 'b']) x)", "c-b"),
        ("(SELECT APPROX_TOP_COUNT(x, 1) FROM UNNEST(['a', 'b', 'b']) x)", [{"value": "b", "count": 2}]),
        ("3 IN UNNEST([1, 2])", False),
        ("STRUCT(1 AS a, 'x' AS b).b", "x"),
    ],
)
def test_an_expression_has_the_value_that_bigquery_gives_it(
    warehouse: LocalWarehouse, expression: str, value: Any
) -> None:
    assert ask(warehouse, f"SELECT {expression} AS v") == [(value,)]


def test_text_that_is_no_whole_number_is_an_error_unless_safe(warehouse: LocalWarehouse) -> None:
    with pytest.raises(QueryError) as caught:
        ask(warehouse, "SELECT CAST('1.5' AS INT64)")
    assert "cannot be converted" in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT Modality FROM `bigquery-public-data.idc_current.dicom_all`",
        "SELECT Modality FROM `bigquery-public-data`.`idc_v18`.`dicom_metadata`",
        "SELECT Modality FROM bigquery-public-data.idc_current.dicom_all",
        "SELECT Modality FROM `my-project.export.dicom_metadata`",
        "SELECT dicom_all.Modality FROM `bigquery-public-data.idc_current.dicom_all`",
        "SELECT `a.b.dicom_all`.Modality FROM `a.b.dicom_all`",
        "SELECT a.b.dicom_all.Modality FROM a.b.dicom_all",
        "WITH dicom_all AS (SELECT * FROM `a.b.dicom_all`) SELECT Modality FROM dicom_all",
        "SELECT d.modality FROM `a.b.dicom_all` d JOIN `a.b.auxiliary_metadata` USING (SOPInstanceUID)",
        "SELECT d.Modality FROM `a.b.dicom_all` AS d, d.ImageType AS t WHERE t = 'PRIMARY'",
        'SELECT Modality FROM dicom_all WHERE Modality = "CT"',
        "DECLARE m, n STRING DEFAULT 'CT'; SELECT Modality FROM dicom_all WHERE Modality = m OR Modality = N",
    ],
)
def test_tables_of_any_project_are_ours_of_that_name(warehouse: LocalWarehouse, sql: str) -> None:
    assert ask(warehouse, sql) == [("CT",)]


def test_the_schema_can_be_asked_for(warehouse: LocalWarehouse) -> None:
    for name in ("`a.idc_current.INFORMATION_SCHEMA.COLUMNS`", "a.idc_current.INFORMATION_SCHEMA.COLUMNS"):
        sql = f"SELECT data_type FROM {name} WHERE table_name = 'dicom_all' AND column_name = 'StudyDate'"
        assert ask(warehouse, sql) == [("DATE",)]


def test_an_alias_may_be_called_like_the_column_that_it_unnests(warehouse: LocalWarehouse) -> None:
    sql = """
        WITH outer_ AS (
          SELECT contentSequence, n
          FROM `a.b.dicom_all` CROSS JOIN UNNEST(ContentSequence) AS contentSequence WITH OFFSET n
        )
        SELECT n, contentSequence.ValueType, contentSequence.TextValue
        FROM outer_ CROSS JOIN UNNEST(contentSequence.ContentSequence) AS contentSequence
    """
    assert ask(warehouse, sql) == [(0, "TEXT", "x")]


def test_fields_of_what_is_unnested_without_an_alias_are_columns(warehouse: LocalWarehouse) -> None:
    sql = "SELECT PatientID, CodeMeaning, offset FROM dicom_all, UNNEST(ConceptNameCodeSequence) WITH OFFSET"
    assert ask(warehouse, sql) == [("P", "chest", 0)]


def test_a_field_that_lacks_its_alias_is_an_error_and_no_empty_column(warehouse: LocalWarehouse) -> None:
    with pytest.raises(QueryError) as caught:
        ask(warehouse, "SELECT CodeMeaning FROM `a.b.dicom_all`, UNNEST(ConceptNameCodeSequence) AS c")
    assert "ConceptNameCodeSequence" in caught.value.hint
    assert "alias.CodeMeaning" in caught.value.hint


def test_parameters_keep_their_places_whatever_is_turned_round(warehouse: LocalWarehouse) -> None:
    days = [date(2020, 1, 3), date(2020, 1, 1)]
    assert ask(warehouse, "SELECT DATE_DIFF(?, ?, DAY), GREATEST(?, 3), '?'", *days, 7) == [(2, 7, "?")]


def test_columns_without_a_name_are_numbered(warehouse: LocalWarehouse) -> None:
    sql = "SELECT COUNT(*), Modality, ImageType[OFFSET(0)], MAX(PatientID) AS p FROM `a.b.dicom_all` GROUP BY 2, 3"
    assert warehouse.query(sql).column_names == ["f0_", "Modality", "f1_", "p"]


def test_a_query_of_structs_shows_their_fields(warehouse: LocalWarehouse) -> None:
    assert warehouse.query("SELECT AS STRUCT 1 AS a, 2 AS b").to_pylist() == [{"a": 1, "b": 2}]


@pytest.mark.parametrize(
    ("sql", "reason", "part"),
    [
        ("SELECT * FROM `a.b.dicom_al`", "unknown-table", "dicom_all"),
        ("SELECT * FROM `a.b.quantitative_measurements`", "unknown-table", "IDC derives it"),
        ("SELECT Modalty FROM `a.b.dicom_all`", "unknown-column", "Modality"),
        ("SELECT EchTime FROM `a.b.dicom_all`", "unknown-column", "EchoTime"),
        ("SELECT zzzz FROM `a.b.runs`", "unknown-column", "there are"),
        ("SELECT collection_id FROM `a.b.dicom_all`", "unknown-column", "IDC's curators"),
        ("SELECT `a` FROM UNNEST([1]) AS b WHERE", "query", "line 1"),
        ("SELECT FORMAT('%p', 1)", "query", "%p is not translated"),
        ("SELECT 'abc", "query", "no GoogleSQL"),
        (f"SELECT {'(' * 5000}1{')' * 5000}", "query", "too deeply"),
        ("DECLARE x INT64; SELECT x", "query", "a constant"),
        ("SELECT @x", "query", "one value for each ?"),
        ("SELECT EXTRACT(WEEK(FRIDAY) FROM DATE '2020-01-01')", "query", "WEEK(FRIDAY)"),
    ],
)
def test_a_mistake_is_one_line_with_what_may_have_been_meant(
    warehouse: LocalWarehouse, sql: str, reason: str, part: str
) -> None:
    with pytest.raises(QueryError) as caught:
        ask(warehouse, sql)
    assert caught.value.reason == reason
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM `a.b.dicom_all` WHERE TRUE",
        "UPDATE `a.b.dicom_all` SET Modality = 'x' WHERE TRUE",
        "MERGE `a.b.dicom_all` USING `a.b.runs` ON FALSE WHEN NOT MATCHED THEN INSERT ROW",
        "CREATE TABLE `a.b.c` AS SELECT 1",
        "CREATE TEMP FUNCTION f(x INT64) AS (x + 1); SELECT f(1)",
        "EXPORT DATA OPTIONS (uri = 'gs://b/*.csv') AS SELECT 1",
        "LOAD DATA INTO `a.b.c` FROM FILES (uris = ['gs://b/a.csv'])",
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "CALL `a.b.procedure`()",
        "SELECT 1; SELECT 2",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM `read_csv`('/etc/passwd')",
        "SELECT * FROM `/etc/passwd`",
        "SELECT * FROM `a.b./etc/hosts.csv`",
        "SELECT * FROM EXTERNAL_QUERY('connection', 'SELECT 1')",
        "SELECT getenv('HOME')",
        "",
        "# nothing",
    ],
)
def test_the_fences_hold_for_what_was_translated(warehouse: LocalWarehouse, sql: str) -> None:
    with pytest.raises(QueryError):
        ask(warehouse, sql)
