import re

import pytest

from beds.documents import ROOT
from hilum.warehouse.googlesql.marks import MARKS, dialect_of

GOOGLE = {
    "a name in backticks": "SELECT `Rows` FROM dicom_metadata",
    "a dataset of IDC's": "SELECT 1 FROM idc_v18.dicom_all",
    "OFFSET, SAFE_OFFSET, ORDINAL or SAFE_ORDINAL in brackets": "SELECT a[ SAFE_OFFSET (0)] FROM runs",
    "WITH OFFSET": "SELECT a FROM UNNEST(ImageType) a WITH OFFSET o",
    "IN UNNEST": "SELECT 'a' IN UNNEST(ImageType) FROM dicom_metadata",
    "SELECT AS STRUCT or AS VALUE": "SELECT ARRAY(SELECT AS STRUCT 1 AS a)",
    "* EXCEPT (columns)": "SELECT * EXCEPT (state) FROM runs",
    "INT64, FLOAT64, BIGNUMERIC, STRUCT<...> or ARRAY<...>": "SELECT CAST(a AS float64) FROM runs",
    "a raw string, r'...'": "SELECT x LIKE r'\\d' FROM runs",
    "a comment that begins with #": "#standardSQL\nSELECT 1",
    "SAFE_CAST, SAFE_DIVIDE or SAFE.": "SELECT SAFE.SUBSTR('a', 1)",
    "PARSE_DATE, FORMAT_DATE and the like": "SELECT parse_date('%Y', '2020')",
    "DATE_DIFF, DATE_TRUNC and the like with the part last and bare": "SELECT DATE_DIFF(MAX(a), b, WEEK(MONDAY))",
    "a function that only GoogleSQL has": "SELECT REGEXP_CONTAINS(state, 'a') FROM runs",
}


def test_the_page_for_people_lists_the_marks() -> None:
    page = (ROOT / "docs/how-to/bigquery.md").read_text()
    for mark in MARKS:
        assert f"\n- {mark}" in page


def test_there_is_an_example_of_every_mark() -> None:
    assert GOOGLE.keys() == MARKS.keys()


@pytest.mark.parametrize("mark", MARKS)
def test_one_mark_is_enough(mark: str) -> None:
    others = [pattern for name, pattern in MARKS.items() if name != mark]
    assert dialect_of(GOOGLE[mark]) == "bigquery"
    assert not any(
        re.search(pattern, GOOGLE[mark], re.I) for pattern in others if mark != "a raw string, r'...'"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM dicom_metadata",
        "SELECT \"Rows\", PixelSpacing[1]::DOUBLE FROM dicom_metadata WHERE Modality = 'CT'",
        "SELECT date_diff('day', a, b), date_trunc('month', a) FROM t",
        "SELECT '`' AS tick, 'SAFE_CAST(x)' -- `idc_current.dicom_all`\n FROM runs /* WITH OFFSET */",
        'SELECT "a`b" FROM runs',
        "SELECT a FROM x EXCEPT (SELECT b FROM y)",
        "SELECT * FROM (FROM a) EXCEPT (SELECT 1)",
        "SELECT #1 FROM runs",
        "FROM runs SELECT * EXCLUDE (state) LIMIT 5 OFFSET 2",
        "SELECT x FROM unnest([1, 2]) AS t(x)",
        "SELECT * FROM dicom_all",
        "SELECT greatest(a, day) FROM t",
    ],
)
def test_what_duckdb_can_read_stays_duckdbs(sql: str) -> None:
    assert dialect_of(sql) == "duckdb"
