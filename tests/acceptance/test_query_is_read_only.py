"""SQL from anybody: it answers, it changes nothing, and it reaches nothing but the tables."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import hilum as api
from beds.commands import here, hilum, in_terminal
from hilum.errors import UsageError

REFUSED = [
    "DELETE FROM runs",
    "UPDATE runs SET state = 'succeeded'",
    "INSERT INTO runs SELECT * FROM runs",
    "DROP VIEW runs",
    "CREATE TABLE x AS SELECT 1",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "WITH x AS (COPY (SELECT 1) TO '{folder}/out.csv') SELECT * FROM x",
    "ATTACH '{folder}/other.db'",
    "EXPORT DATABASE '{folder}/all'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "SELECT 1; SELECT 2",
    "SELECT * FROM '{folder}/secret.csv'",
    "SELECT * FROM read_csv('{folder}/secret.csv')",
    "SELECT * FROM read_text('{folder}/secret.csv')",
    "SELECT * FROM read_parquet('{home}/warehouse/runs/*.parquet')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM parquet_metadata('{folder}/secret.csv')",
    "SELECT * FROM sqlite_scan('{home}/ledger.sqlite', 'runs')",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/out.csv'",
    "DELETE FROM `a.b.runs` WHERE TRUE",
    "EXPORT DATA OPTIONS (uri = '{folder}/*.csv') AS SELECT * FROM `a.b.runs`",
    "SELECT * FROM `{folder}/secret.csv`",
    "SELECT * FROM `a.b.runs`, read_csv('{folder}/secret.csv')",
]
ALLOWED = [
    "SELECT count(*) FROM dicom_metadata",
    "FROM series SELECT Modality LIMIT 1",
    "WITH m AS (SELECT Modality AS x FROM series) SELECT x, count(*) FROM m GROUP BY 1",
    "DESCRIBE artifacts",
    "SHOW TABLES",
    "SUMMARIZE runs",
    "EXPLAIN SELECT 1",
    "PIVOT tasks ON state USING count(*) GROUP BY step",
    "SELECT 'DROP TABLE runs' AS text",
]


def looks(home: Path) -> dict[str, tuple[int, int]]:
    """Everything in a home with its size and time of change; what SQLite keeps beside its database aside."""
    found = {
        path: path.lstat() for path in home.rglob("*") if "-shm" not in path.name and "-wal" not in path.name
    }
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in found.items() if path.is_file()}


@pytest.mark.parametrize("sql", REFUSED)
def test_what_changes_something_or_reaches_further_is_refused(
    sql: str, real_home: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.csv").write_text("who\nnobody\n")
    before = looks(real_home)
    with api.open(real_home) as home, pytest.raises(UsageError) as caught:
        home.query(sql.format(folder=tmp_path, home=real_home))
    assert "nobody" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]
    assert looks(real_home) == before


@pytest.mark.parametrize("sql", ALLOWED)
def test_what_only_asks_is_answered(sql: str, real_home: Path) -> None:
    with api.open(real_home) as home:
        assert home.query(sql).num_rows > 0


def test_variables_of_the_process_cannot_be_asked_for(real_home: Path) -> None:
    os.environ["A_SECRET"] = "nobody"
    with api.open(real_home) as home, pytest.raises(UsageError):
        home.query("SELECT getenv('A_SECRET')")


def test_refusal_is_wrong_use_on_the_command_line(real_home: Path) -> None:
    said = here("query", "DROP VIEW runs", home=real_home, code=2)
    assert said.err.startswith("hilum: the query is not allowed")
    assert said.out == ""


@pytest.mark.parametrize(
    ("sql", "message", "help_"),
    [
        ("SELECT Modalty FROM series", "there is no column Modalty", "did you mean Modality"),
        ("SELECT * FROM serie", "there is no table serie", "did you mean series"),
        ("SELEC 1", "syntax error", ""),
    ],
)
def test_a_mistake_is_told_in_one_line(sql: str, message: str, help_: str, real_home: Path) -> None:
    said = here("query", sql, home=real_home, code=2)
    assert message in said.err.splitlines()[0]
    assert help_ in said.err


def test_the_same_rows_come_out_in_every_form(real_home: Path, tmp_path: Path) -> None:
    sql = "SELECT Modality, count(*) AS n FROM series GROUP BY 1 ORDER BY 1"
    rows = here("query", sql, "--json", home=real_home).rows
    assert rows == [{"Modality": "CR", "n": 3}, {"Modality": "CT", "n": 4}, {"Modality": "MR", "n": 7}]
    assert here("query", sql, "--format", "csv", home=real_home).out == "Modality,n\nCR,3\nCT,4\nMR,7\n"
    assert hilum("query", "-", stdin=sql, home=real_home).out == "Modality\tn\nCR\t3\nCT\t4\nMR\t7\n"
    said = here("query", sql, "-o", tmp_path / "out.parquet", home=real_home)
    assert said.err == f"3 rows written to {tmp_path}/out.parquet\n"
    assert pq.read_table(io.BytesIO((tmp_path / "out.parquet").read_bytes())).to_pylist() == rows


def test_sql_for_bigquery_comes_out_in_the_same_forms(real_home: Path, tmp_path: Path) -> None:
    sql = (
        "SELECT Modality, COUNT(*) AS n FROM `bigquery-public-data.idc_current.series` GROUP BY 1 ORDER BY 1"
    )
    rows = [{"Modality": "CR", "n": 3}, {"Modality": "CT", "n": 4}, {"Modality": "MR", "n": 7}]
    assert here("query", sql, "--json", home=real_home).rows == rows
    assert here("query", sql, "--format", "csv", home=real_home).out == "Modality,n\nCR,3\nCT,4\nMR,7\n"
    assert hilum("query", "-", stdin=sql, home=real_home).out == "Modality\tn\nCR\t3\nCT\t4\nMR\t7\n"
    here("query", sql, "-o", tmp_path / "out.parquet", home=real_home)
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == rows


def test_the_language_can_be_said(real_home: Path) -> None:
    sql = 'SELECT COUNT(*) AS n FROM series WHERE Modality = "CT"'
    assert here("query", sql, "--dialect", "bigquery", "--json", home=real_home).rows == [{"n": 4}]
    said = here("query", sql, home=real_home, code=2)
    assert "there is no column CT" in said.err
    assert "--dialect bigquery" in said.err
    sql = "SELECT [10, 20][`n`] AS v FROM (SELECT 1 AS n)"
    for dialect, value in (("bigquery", 20), ("duckdb", 10)):
        assert here("query", sql, "--dialect", dialect, "--json", home=real_home).rows == [{"v": value}]


def test_a_terminal_is_spared_binary_and_endless_tables(real_home: Path) -> None:
    said = in_terminal("--home", real_home, "query", "SELECT 1", "--format", "parquet")
    assert said.code == 2
    said = in_terminal("--home", real_home, "query", "SELECT unnest(range(300)) AS n", "--limit", "5")
    assert "295 more rows" in said.out


def test_a_value_from_a_header_cannot_command_the_terminal(real_home: Path) -> None:
    said = in_terminal("--home", real_home, "query", "SELECT 'a' || chr(27) || '[2Jb' || chr(10) || 'c' AS x")
    assert "\x1b[2J" not in said.out
    assert "a [2Jb c" in said.out


def test_what_reaches_beyond_the_tables_is_refused_with_what_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "home" / "store").mkdir(parents=True)
    said = here("query", "SELECT * FROM read_csv('/etc/hosts')", home=tmp_path / "home", code=2).err
    assert "read_csv() reaches beyond the tables" in said
    assert "only the home's own tables and views can be read" in said


@pytest.mark.parametrize(
    ("sql", "where"),
    [
        (
            "SELECT 1 FROM dicom_metadata JOIN arrivals USING (SOPInstanceUID)",
            "the table on the right of JOIN",
        ),
        (
            "SELECT 1 FROM arrivals JOIN dicom_metadata USING (SOPInstanceUID)",
            "the table on the left of JOIN",
        ),
        ("SELECT arrivals.SOPInstanceUID FROM dicom_metadata, arrivals", "arrivals"),
    ],
)
def test_a_column_that_one_of_two_tables_lacks_is_not_proposed_again(
    tmp_path: Path, sql: str, where: str
) -> None:
    (tmp_path / "home" / "store").mkdir(parents=True)
    said = here("query", sql, home=tmp_path / "home", code=2).err
    assert f"{where} has no column SOPInstanceUID" in said
    assert "did you mean sop_instance_uid" in said
