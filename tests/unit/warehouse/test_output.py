import io
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hilum.warehouse.output import WRITERS


@pytest.fixture
def rows() -> pa.Table:
    return pa.table(
        {
            "text": ['a "b", é\n', None],
            "number": [1.5, 2.0],
            "day": [date(2020, 2, 29), None],
            "at": [datetime(2020, 2, 29, 1, 2, 3, tzinfo=UTC), None],
            "time": [time(1, 2, 3), None],
            "large": pa.array([Decimal(10**20), None], pa.decimal128(38, 0)),
            "many": [[{"a": 1, "d": date(2020, 1, 1)}], []],
            "raw": [b"\x00\xff", None],
        }
    )


def written(rows: pa.Table, format_: str) -> bytes:
    stream = io.BytesIO()
    WRITERS[format_](rows, stream)
    assert not stream.closed
    return stream.getvalue()


def test_csv_has_a_header_and_quotes_what_needs_it(rows: pa.Table) -> None:
    assert written(rows, "csv").decode() == (
        "text,number,day,at,time,large,many,raw\n"
        '"a ""b"", é\n",1.5,2020-02-29,2020-02-29T01:02:03+00:00,01:02:03,100000000000000000000,'
        '"[{""a"": 1, ""d"": ""2020-01-01""}]",00ff\n'
        ",2.0,,,,,[],\n"
    )


def test_json_lines_are_one_object_a_row(rows: pa.Table) -> None:
    assert written(rows, "jsonl").decode() == (
        '{"text": "a \\"b\\", é\\n", "number": 1.5, "day": "2020-02-29", "at": "2020-02-29T01:02:03+00:00", '
        '"time": "01:02:03", "large": 100000000000000000000, "many": [{"a": 1, "d": "2020-01-01"}], '
        '"raw": "00ff"}\n'
        '{"text": null, "number": 2.0, "day": null, "at": null, "time": null, "large": null, "many": [], '
        '"raw": null}\n'
    )


def test_parquet_gives_the_same_table_back(rows: pa.Table) -> None:
    assert pq.read_table(pa.BufferReader(written(rows, "parquet"))) == rows


@pytest.mark.parametrize("format_", WRITERS)
def test_no_rows_are_an_answer_too(rows: pa.Table, format_: str) -> None:
    assert (written(rows.slice(0, 0), format_) == b"") == (format_ == "jsonl")


def test_numbers_that_json_has_not_are_null() -> None:
    rows = pa.table({"x": [float("nan"), float("inf"), 1.0]})
    assert written(rows, "jsonl") == b'{"x": null}\n{"x": null}\n{"x": 1.0}\n'
