"""What every warehouse promises, whatever keeps its rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beds.headers import lines
from hilum.errors import TerminalError
from hilum.model.arrival import Arrival
from hilum.warehouse.interface import QueryError, Warehouse
from hilum.warehouse.local import LocalWarehouse
from hilum.warehouse.people import PEOPLE
from hilum.warehouse.tables import TABLES, VIEWS

Opened = Callable[[Path], Warehouse]


def in_files(_: pytest.FixtureRequest) -> Opened:
    return lambda folder: LocalWarehouse(folder / "warehouse", grace=0)


def in_bigquery(request: pytest.FixtureRequest) -> Opened:
    """Datasets, one a folder."""
    bigquery = request.getfixturevalue("bigquery")
    addresses: dict[Path, str] = {}

    def opened(folder: Path) -> Warehouse:
        from hilum.warehouse.bigquery.address import parse_address
        from hilum.warehouse.bigquery.warehouse import BigQueryWarehouse

        made = BigQueryWarehouse(parse_address(addresses.setdefault(folder, bigquery.address())))
        request.addfinalizer(made.close)
        return made

    return opened


ADAPTERS: dict[str, Callable[[pytest.FixtureRequest], Opened]] = {"local": in_files, "bigquery": in_bigquery}
"""Each makes handles on the warehouse in a folder; two handles on one folder see the same rows."""


only_files = pytest.mark.parametrize("opened", ["local"], indirect=True)
"""For what only files have: compaction, and statements of DuckDB that are no queries."""
not_emulated = pytest.mark.parametrize("opened", [pytest.param("local", id="not-emulated")], indirect=True)
"""For what BigQuery has and its emulator has not: run on files here, and on BigQuery by `make test-google`."""


@pytest.fixture(params=ADAPTERS)
def opened(request: pytest.FixtureRequest) -> Opened:
    return ADAPTERS[request.param](request)


@pytest.fixture
def warehouse(opened: Opened, tmp_path: Path) -> Warehouse:
    return opened(tmp_path)


def ask(warehouse: Warehouse, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    rows = warehouse.query(sql, parameters)
    return [tuple(row.values()) for row in rows.to_pylist()]


def header(row_id: str, **keywords: Any) -> dict[str, Any]:
    return {"_row_id": row_id, "_recorded_at": "2026-01-01T00:00:00+00:00", **keywords}


def run(row_id: str, run_id: str, state: str, **columns: Any) -> dict[str, Any]:
    return {"_row_id": row_id, "run_id": run_id, "state": state, **columns}


def test_an_empty_warehouse_has_all_tables_and_views_with_their_columns(warehouse: Warehouse) -> None:
    for name in [*TABLES, *VIEWS, *PEOPLE]:
        assert warehouse.query(f"SELECT * FROM {name}").num_rows == 0
    assert ask(warehouse, "SELECT count(*), sum(FileSize) FROM dicom_metadata WHERE Modality = 'CT'") == [
        (0, None)
    ]
    assert {info.name: info.rows for info in warehouse.tables()} == dict.fromkeys(
        [*TABLES, *VIEWS, *PEOPLE], 0
    )


def test_rows_come_back_with_the_types_of_their_columns(warehouse: Warehouse) -> None:
    warehouse.append(
        1,
        {
            "measurements": [
                {"_row_id": "m-1", "value": 3, "text": None, "instances": ["1.2", "1.3"]},
                {"_row_id": "m-2", "value": None, "text": "ok"},
            ],
            "tasks": [{"_row_id": "t", "task_id": "t", "reused": True}],
        },
        lines(
            header(
                "i-1",
                StudyDate=18_321,
                ContentTime=37_230_000_500,
                Rows=512,
                ExposureTimeInms=2,
                PixelSpacing=["0.5", "0.5"],
                EchoTime=None,
                FrameReferenceDateTime="2020-02-29T10:20:30.000000Z",
                PatientName={"Alphabetic": {"FamilyName": "Doe"}},
                ArrivalTime="2026-01-01T02:00:00+02:00",
            )
        ),
    )
    [row] = warehouse.query("SELECT * FROM dicom_metadata").to_pylist()
    assert row["StudyDate"] == date(2020, 2, 29)
    assert row["ContentTime"] == time(10, 20, 30, 500)
    assert row["Rows"] == 512
    assert row["ExposureTimeInms"] == 2.0
    assert row["PixelSpacing"] == ["0.5", "0.5"]
    assert row["PatientName"]["Alphabetic"]["FamilyName"] == "Doe"
    assert row["ArrivalTime"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert row["FrameReferenceDateTime"] == datetime(2020, 2, 29, 10, 20, 30, tzinfo=UTC)
    measured, worded = ask(warehouse, "SELECT value, text, instances FROM measurements ORDER BY _row_id")
    assert measured == (3.0, None, ["1.2", "1.3"])
    assert worded[:2] == (None, "ok")
    assert not worded[2]  # BigQuery has no null lists: a list that is not there is an empty one
    assert ask(warehouse, "SELECT reused FROM tasks") == [(True,)]


def test_fields_of_a_sequence_are_the_union_of_what_came(warehouse: Warehouse) -> None:
    code = {"CodeValue": "T-1"}
    warehouse.append(1, {}, lines(header("a", AnatomicRegionSequence=[code])))
    warehouse.append(2, {}, lines(header("b", AnatomicRegionSequence=[code, {"CodeMeaning": "chest"}])))
    warehouse.append(3, {}, lines(header("c", AnatomicRegionSequence=[])))
    sql = """
        SELECT _row_id, region.CodeValue, region.CodeMeaning
        FROM dicom_metadata, unnest(AnatomicRegionSequence) AS r(region) ORDER BY 1, 2 NULLS FIRST
    """
    assert ask(warehouse, sql) == [("a", "T-1", None), ("b", None, "chest"), ("b", "T-1", None)]


@not_emulated  # it cannot read a record in a record; see docs/how-to/bigquery-warehouse.md
def test_sequences_are_lists_of_records_whose_fields_are_the_union_of_what_came(warehouse: Warehouse) -> None:
    code = {"CodeValue": "T-1"}
    warehouse.append(1, {}, lines(header("a", AnatomicRegionSequence=[code])))
    more = {"CodeMeaning": "chest", "AnatomicRegionModifierSequence": [code]}
    warehouse.append(2, {}, lines(header("b", AnatomicRegionSequence=[code, more])))
    warehouse.append(3, {}, lines(header("c", AnatomicRegionSequence=[])))
    sql = """
        SELECT _row_id, region.CodeValue, region.CodeMeaning, region.AnatomicRegionModifierSequence[1].CodeValue
        FROM dicom_metadata, unnest(AnatomicRegionSequence) AS r(region) ORDER BY 1, 2 NULLS FIRST
    """
    assert ask(warehouse, sql) == [
        ("a", "T-1", None, None),
        ("b", None, "chest", "T-1"),
        ("b", "T-1", None, None),
    ]


def test_a_keyword_that_no_header_had_is_a_column_that_is_typed_and_empty(warehouse: Warehouse) -> None:
    warehouse.append(1, {}, lines(header("a", Modality="SEG", SegmentSequence=[{"SegmentNumber": 1}])))
    time, moment = pa.time64("us"), pa.timestamp("us", "UTC")
    for sql, types, rows in (
        (
            "SELECT EchoTime, Rows, StudyTime FROM dicom_metadata",
            [pa.string(), pa.int64(), time],
            [(None,) * 3],
        ),
        ("SELECT d.flipangle FROM dicom_metadata d WHERE d.EchoTime IS NULL", [pa.string()], [(None,)]),
        ("SELECT EffectiveDateTime FROM dicom_all", [moment], [(None,)]),
        (
            "WITH a AS (SELECT EchoTime AS t FROM all_dicom_metadata) SELECT t FROM a",
            [pa.string()],
            [(None,)],
        ),
        ("SELECT OverlayRows[1].Value AS v FROM dicom_metadata", [pa.int64()], [(None,)]),
        ("SELECT b.BeamName FROM dicom_metadata, unnest(BeamSequence) AS t(b)", [pa.string()], []),
        (
            "SELECT s.SegmentNumber, s.FrameTime FROM dicom_metadata, unnest(SegmentSequence) AS t(s)",
            [pa.int64(), pa.string()],
            [(1, None)],
        ),
        (
            "SELECT a.EchoTime, b.Modality FROM dicom_metadata a JOIN series b USING (SeriesInstanceUID)",
            [pa.string(), pa.string()],
            [],
        ),
    ):
        assert warehouse.query(sql).schema.types == types
        assert ask(warehouse, sql) == rows
    assert (
        "EchoTime" not in warehouse.query("SELECT * FROM dicom_metadata WHERE Modality = 'CT'").column_names
    )


@not_emulated  # see above
def test_inside_sequences_it_is_one_too_and_what_is_there_stays(warehouse: Warehouse) -> None:
    code = {"CodeValue": "T-1"}
    segment = {"SegmentNumber": 1, "SegmentedPropertyTypeCodeSequence": [code]}
    warehouse.append(1, {}, lines(header("a", Modality="SEG", SegmentSequence=[segment])))
    sql = """
        SELECT s.SegmentNumber AS n, s.FrameTime AS t, s.SegmentedPropertyTypeCodeSequence[1].CodeValue AS v,
            s.SegmentedPropertyTypeCodeSequence[1].CodingSchemeVersion AS w
        FROM dicom_metadata, unnest(SegmentSequence) AS t(s)
    """
    assert ask(warehouse, sql) == [(1, None, "T-1", None)]
    sql = """
        SELECT p.CumulativeMetersetWeight FROM dicom_metadata, unnest(BeamSequence) AS t(b),
            unnest(b.ControlPointSequence) AS u(p)
    """
    assert ask(warehouse, sql) == []
    assert ask(warehouse, "SELECT ReferringPhysicianName.Alphabetic.FamilyName FROM dicom_metadata") == [
        (None,)
    ]


def test_a_view_shows_the_newest_row_and_the_history_shows_all(warehouse: Warehouse) -> None:
    warehouse.append(1, {"runs": [run("1", "r-1", "running"), run("2", "r-2", "running")]})
    warehouse.append(3, {"runs": [run("3", "r-1", "failed"), run("4", "r-1", "running")]})
    warehouse.append(4, {"runs": [run("5", "r-1", "succeeded")]})
    assert ask(warehouse, "SELECT run_id, state FROM runs ORDER BY run_id") == [
        ("r-1", "succeeded"),
        ("r-2", "running"),
    ]
    assert ask(warehouse, "SELECT state FROM all_runs WHERE run_id = 'r-1' ORDER BY _batch, _seq") == [
        ("running",),
        ("failed",),
        ("running",),
        ("succeeded",),
    ]


def test_what_was_found_twice_is_shown_once(warehouse: Warehouse) -> None:
    found = {"_row_id": "a-1", "artifact_id": "a-1", "name": "mask"}
    warehouse.append(1, {"artifacts": [found]})
    warehouse.append(2, {"artifacts": [found]})
    assert ask(warehouse, "SELECT artifact_id FROM artifacts") == [("a-1",)]


def test_a_retracted_row_leaves_its_view_and_no_other(warehouse: Warehouse) -> None:
    headers = lines(header("i-1", Modality="CT"), header("i-2", Modality="MR"))
    warehouse.append(1, {"arrivals": [{"_row_id": "i-1", "outcome": "accepted"}]}, headers)
    gone = {"_row_id": "x", "table_name": "dicom_metadata", "row_id": "i-1", "reason": "replaced"}
    warehouse.append(2, {"retractions": [gone]})
    assert ask(warehouse, "SELECT Modality FROM dicom_metadata") == [("MR",)]
    assert ask(warehouse, "SELECT count(*) FROM all_dicom_metadata") == [(2,)]
    assert ask(warehouse, "SELECT outcome FROM arrivals") == [("accepted",)]
    assert ask(warehouse, "SELECT row_id, reason FROM retractions") == [("i-1", "replaced")]


def test_a_batch_that_comes_again_changes_nothing(warehouse: Warehouse) -> None:
    rows = {"arrivals": [{"uri": "a"}, {"uri": "b"}], "runs": [run("1", "r-1", "running")]}
    warehouse.append(1, rows)
    before = warehouse.query("SELECT * FROM all_arrivals ORDER BY uri")
    warehouse.append(1, rows)
    assert warehouse.query("SELECT * FROM all_arrivals ORDER BY uri") == before
    assert ask(warehouse, "SELECT count(*) FROM all_runs") == [(1,)]


def test_a_batch_that_comes_again_after_compaction_changes_nothing(warehouse: Warehouse) -> None:
    for batch in range(1, 30):
        warehouse.append(batch, {"arrivals": [{"uri": str(batch)}]})
    warehouse.compact()
    for batch in (1, 7, 29):
        warehouse.append(batch, {"arrivals": [{"uri": str(batch)}]})
    assert ask(warehouse, "SELECT count(*), count(DISTINCT uri) FROM all_arrivals") == [(29, 29)]


def test_another_handle_sees_what_was_appended(opened: Opened, tmp_path: Path) -> None:
    opened(tmp_path).append(1, {"arrivals": [{"uri": "a"}]})
    assert ask(opened(tmp_path), "SELECT uri FROM arrivals") == [("a",)]


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deeds=st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 3)), st.sampled_from([("compact", 0), ("again", 0)])
        ),
        min_size=8,
        max_size=40,
    )
)
def test_appending_repeating_and_compacting_in_any_order_keep_every_row_once(
    opened: Opened,
    tmp_path_factory: pytest.TempPathFactory,
    deeds: list[tuple[str, int]],
) -> None:
    warehouse = opened(tmp_path_factory.mktemp("home"))
    batches: list[list[dict[str, Any]]] = []
    for deed, count in deeds:
        if deed == "append":
            number = len(batches) + 1
            batches.append([run(f"{number}.{i}", f"r-{i}", str(number)) for i in range(count)])
        if deed == "compact":
            warehouse.compact()
        elif batches:
            warehouse.append(len(batches), {"runs": batches[-1]})
    written = [(n, i, row["_row_id"]) for n, rows in enumerate(batches, 1) for i, row in enumerate(rows)]
    assert ask(warehouse, "SELECT _batch, _seq, _row_id FROM all_runs ORDER BY 1, 2") == written
    newest = {row["run_id"]: row["state"] for rows in batches for row in rows}
    assert dict(ask(warehouse, "SELECT run_id, state FROM runs")) == newest


@only_files
def test_compacting_twice_has_nothing_left_to_do(warehouse: Warehouse) -> None:
    for batch in range(1, 20):
        warehouse.append(batch, {"arrivals": [{"uri": str(batch)}]})
    assert warehouse.compact() > 0
    assert warehouse.compact() == 0


def test_a_parameter_stands_for_a_value(warehouse: Warehouse) -> None:
    warehouse.append(1, {"arrivals": [{"uri": "a'b", "size": 1}, {"uri": "c", "size": 2}]})
    assert ask(warehouse, "SELECT size FROM arrivals WHERE uri = ? AND size < ?", "a'b", 5) == [(1,)]


def test_series_and_studies_are_counted(warehouse: Warehouse) -> None:
    rows = [
        header(
            f"i-{n}",
            StudyInstanceUID="1.1",
            SeriesInstanceUID="2.1" if n < 3 else "2.2",
            Modality="CT" if n < 3 else "SR",
            FileSize=10,
        )
        for n in range(4)
    ]
    warehouse.append(1, {}, lines(*rows))
    sql = "SELECT SeriesInstanceUID, Modality, instances, bytes FROM series ORDER BY 1"
    assert ask(warehouse, sql) == [("2.1", "CT", 3, 30), ("2.2", "SR", 1, 10)]
    sql = "SELECT StudyInstanceUID, modalities, series, instances, bytes FROM studies"
    assert ask(warehouse, sql) == [("1.1", ["CT", "SR"], 2, 4, 40)]


def test_measurements_of_a_superseded_run_are_not_current(warehouse: Warehouse) -> None:
    def task(run_id: str, key: str) -> dict[str, Any]:
        return {"_row_id": run_id, "task_id": run_id, "run_id": run_id, "task_key": key, "state": "succeeded"}

    current, superseded = {"current": True, "pipeline": "p"}, {"current": False, "pipeline": "p"}
    warehouse.append(
        1,
        {
            "runs": [run("1", "r-1", "succeeded", **current), run("2", "r-2", "succeeded", **current)],
            "tasks": [task("r-1", "k-1"), task("r-2", "k-2")],
            "measurements": [
                {"_row_id": "m-1", "task_key": "k-1", "value": 1.0},
                {"_row_id": "m-2", "task_key": "k-2", "value": 2.0},
            ],
        },
    )
    warehouse.append(2, {"runs": [run("3", "r-1", "succeeded", **superseded)]})
    assert ask(warehouse, "SELECT pipeline, run_id, value FROM current_measurements") == [("p", "r-2", 2.0)]


def test_tables_tell_how_many_rows_they_show(warehouse: Warehouse) -> None:
    warehouse.append(1, {"runs": [run("1", "r-1", "running"), run("2", "r-1", "failed")]})
    info = {info.name: info for info in warehouse.tables()}
    assert info["runs"].rows == 1
    assert info["series"].size == 0


@only_files  # the emulator does not know how large a table is
def test_tables_tell_their_bytes(warehouse: Warehouse) -> None:
    warehouse.append(1, {"runs": [run("1", "r-1", "running")]})
    assert {info.name: info.size for info in warehouse.tables()}["runs"] > 0


@pytest.mark.parametrize(
    ("rows", "headers"),
    [
        ({"nothing": [{"a": 1}]}, b""),
        ({"runs": [{"run": 1}]}, b""),
        ({"runs": [{"created_at": "yesterday"}]}, b""),
        ({"arrivals": [{"size": "many"}]}, b""),
        ({"dicom_metadata": [{"PatientID": "MARKER"}]}, b""),
        ({}, b'{"PatientsMood": "MARKER"}\n'),
        ({}, b'{"StudyDate": "MARKER"}\n'),
        ({}, b'{"StudyDate": 1}\n{"StudyDate": "MARKER"}\n'),
        ({}, b'{"PatientID": "MARKER'),
        ({}, b'{"AnatomicRegionSequence": [{"PatientsMood": "MARKER"}]}\n'),
    ],
)
def test_rows_of_another_shape_are_refused_whole_and_not_quoted(
    warehouse: Warehouse, rows: dict[str, Any], headers: bytes
) -> None:
    with pytest.raises(TerminalError) as caught:
        warehouse.append(1, {"artifacts": [{"_row_id": "a"}], **rows}, headers)
    assert caught.value.reason == "row-shape"
    assert "MARKER" not in str(caught.value)
    assert ask(warehouse, "SELECT count(*) FROM artifacts") == [(0,)]


def test_text_that_no_encoding_holds_does_not_stop_a_batch(warehouse: Warehouse) -> None:
    warehouse.append(1, {"measurements": [{"text": "x\ud800y", "instances": ["\udfff"]}]})
    assert ask(warehouse, "SELECT text, instances FROM measurements") == [("x?y", ["?"])]


@pytest.mark.parametrize(
    ("sql", "reason", "hint"),
    [
        ("SELECT * FROM dicom_metdata", "unknown-table", "dicom_metadata"),
        ("SELECT Modalty FROM dicom_metadata", "unknown-column", "Modality"),
        ("SELECT EchoTme FROM dicom_metadata", "unknown-column", "EchoTime"),
        ("SELECT PixelData FROM dicom_metadata", "unknown-column", ""),
        ("SELECT r.stat FROM runs r", "unknown-column", "state"),
        ("SELECT * FROM runs WHERE", "query", ""),
        ("SELECT ?", "query", "one value for each"),
    ],
)
def test_a_mistake_in_sql_is_one_line_with_the_nearest_names(
    warehouse: Warehouse, sql: str, reason: str, hint: str
) -> None:
    with pytest.raises(QueryError) as caught:
        warehouse.query(sql)
    assert caught.value.reason == reason
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CAST(PatientID AS INTEGER) FROM dicom_metadata",
        "SELECT error(PatientID) FROM dicom_metadata",
        "SELECT error('column \"' || PatientID || '\" not found') FROM dicom_metadata",
        "SELECT strptime(PatientID, '%Y') FROM dicom_metadata",
        "SELECT PatientID::STRUCT(a INTEGER) FROM dicom_metadata",
    ],
)
def test_an_error_about_a_value_does_not_tell_the_value(warehouse: Warehouse, sql: str) -> None:
    warehouse.append(1, {}, lines(header("a", PatientID="MARKER'S")))
    with pytest.raises(QueryError) as caught:
        warehouse.query(sql)
    assert "MARKER" not in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "WITH r AS (SELECT * FROM runs) SELECT count(*) FROM r",
        "FROM runs",
        "SELECT 1 AS \"update\", 'copy; insert' AS x -- merge\n",
        "SELECT 'é' AS a, count(*) FROM runs;",
        "SELECT table_name FROM information_schema.tables WHERE table_name = 'studies'",
    ],
)
def test_queries_of_all_kinds_are_answered(warehouse: Warehouse, sql: str) -> None:
    warehouse.append(1, {"runs": [run("1", "r-1", "running")]})
    assert warehouse.query(sql).num_rows > 0


@only_files
@pytest.mark.parametrize(
    "sql",
    [
        "DESCRIBE runs",
        "SHOW TABLES",
        "SUMMARIZE runs",
        "EXPLAIN SELECT * FROM runs",
        "EXPLAIN ANALYZE SELECT * FROM runs",
        "PIVOT runs ON state USING count(*)",
        "SELECT * FROM range(3)",
    ],
)
def test_statements_of_duckdb_that_only_read_are_answered(warehouse: Warehouse, sql: str) -> None:
    warehouse.append(1, {"runs": [run("1", "r-1", "running")]})
    assert warehouse.query(sql).num_rows > 0


def test_files_are_known_whose_bytes_were_hashed_here_or_vouched_for_by_their_store(
    warehouse: Warehouse,
) -> None:
    def file(name: str, **digests: str) -> dict[str, Any]:
        return header(name, FileURI=f"gs://b/{name}", FileVersion="1", **digests)

    def arrival(name: str, version: str = "1") -> Arrival:
        return Arrival(f"gs://b/{name}", 1, version, datetime(2026, 1, 1, tzinfo=UTC), "folder")

    warehouse.append(
        1,
        {},
        lines(
            file("hashed", FileSHA256="ab", FileCRC32C=""),
            file("attested", FileSHA256="", FileCRC32C="AAAAAA=="),
            file("read", FileSHA256="", FileCRC32C=""),
        ),
    )
    names = ("hashed", "attested", "read", "other")
    known = warehouse.known_files(hashed=True)
    assert known.contain([arrival(name) for name in names]) == [True, True, False, False]
    assert known.contain([arrival("hashed", "2")]) == [False]
    known = warehouse.known_files(hashed=False)
    assert known.contain([arrival(name) for name in names]) == [True, True, True, False]


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}+00:00"


def test_views_for_people_answer_from_the_rows_that_they_are_about(warehouse: Warehouse) -> None:
    def task(number: int, state: str, **columns: Any) -> dict[str, Any]:
        about = {"task_id": f"t-{number}", "run_id": "r-1", "step": "qc", "task_key": f"k-{number}"}
        return {"_row_id": f"t-{number}", "state": state, **about, **columns}

    scanned = {"Manufacturer": "ACME", "ManufacturerModelName": "One", "InstitutionName": "North"}
    warehouse.append(
        1,
        {
            "runs": [run("1", "r-1", "failed", pipeline="p", created_at=at(0))],
            "tasks": [
                task(1, "succeeded", started_at=at(1), finished_at=at(4)),
                task(2, "dead", started_at=at(3), finished_at=at(4), reason="step-failed"),
                task(3, "succeeded", started_at=at(3), finished_at=at(59), reused=True),
            ],
            "attempts": [
                {
                    "_row_id": "a",
                    "attempt_id": "a",
                    "run_id": "r-1",
                    "executor": "process",
                    "started_at": at(1),
                    "finished_at": at(4),
                    "cpu_seconds": 2.5,
                    "max_rss": 7,
                }
            ],
            "measurements": [
                {
                    "_row_id": "m",
                    "measurement_id": "m",
                    "subject_id": "s-1",
                    "task_key": "k-1",
                    "step": "qc",
                    "name": "missing",
                    "value": 2.0,
                    "SeriesInstanceUID": "2.1",
                }
            ],
            "task_results": [{"_row_id": "k", "task_key": "k-1", "step": "qc", "revision": "v", "code": "c"}],
            "revisions": [
                # a study of one series has its series' revision
                {
                    "_row_id": "v-1",
                    "revision": "v",
                    "subject_id": "s-1",
                    "SOPInstanceUID": "i-1",
                    "digest": "d",
                },
                {
                    "_row_id": "v-2",
                    "revision": "v",
                    "subject_id": "s-2",
                    "SOPInstanceUID": "i-1",
                    "digest": "d",
                },
            ],
            "audit": [{"_row_id": "u", "audit_id": "u", "action": "exported", "count": 3, "acted_at": at(5)}],
        },
        lines(
            header("i-1", SOPInstanceUID="i-1", SeriesInstanceUID="2.1", Modality="CT", FileSize=9, **scanned)
        ),
    )
    assert ask(warehouse, "SELECT * FROM step_latency") == [("p", "qc", 2, 2.0, 2.0, 3.0)]
    assert ask(warehouse, "SELECT step, reason, tasks, runs FROM failures") == [("qc", "step-failed", 1, 1)]
    sql = "SELECT ManufacturerModelName, Modality, series, instances, bytes FROM scanner_throughput"
    assert ask(warehouse, sql) == [("One", "CT", 1, 1, 9)]
    assert ask(warehouse, "SELECT * FROM pipeline_cost") == [("p", "process", 1, 1, 3.0, 2.5, 7)]
    sql = "SELECT InstitutionName, name, series, least, mean, most FROM findings_by_site"
    assert ask(warehouse, sql) == [("North", "missing", 1, 2.0, 2.0, 2.0)]
    sql = "SELECT measurement_id, code, SOPInstanceUID, digest, Manufacturer FROM measurement_lineage"
    assert ask(warehouse, sql) == [("m", "c", "i-1", "d", "ACME")]
    assert ask(warehouse, 'SELECT action, "count" FROM audit_trail') == [("exported", 3)]
