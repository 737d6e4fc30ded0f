from pathlib import Path

import pytest

from hilum.warehouse.files import batch_path
from hilum.warehouse.interface import Dialect, QueryError
from hilum.warehouse.local import LocalWarehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> LocalWarehouse:
    warehouse = LocalWarehouse(tmp_path / "it's a [home]*" / "warehouse")
    warehouse.append(1, {"runs": [{"_row_id": "1", "run_id": "r-1", "state": "running"}]})
    return warehouse


def test_a_home_may_have_any_name(warehouse: LocalWarehouse) -> None:
    assert warehouse.query("SELECT run_id FROM runs").to_pydict() == {"run_id": ["r-1"]}


@pytest.mark.parametrize(
    "sql",
    [
        "COPY runs TO '{outside}'",
        "COPY runs TO '{inside}' (USE_TMP_FILE false)",
        "EXPLAIN ANALYZE COPY runs TO '{inside}' (USE_TMP_FILE false)",
        "EXPLAIN (FORMAT json) COPY runs TO '{inside}' (USE_TMP_FILE false)",
        "/* */ EXPLAIN ANALYZE COPY runs TO '{inside}' (USE_TMP_FILE false)",
        "WITH x AS (COPY (SELECT 1) TO '{inside}' (USE_TMP_FILE false)) SELECT * FROM x",
        "WITH x AS (cOpY/**/(SELECT 1) TO '{inside}' (USE_TMP_FILE false)) SELECT 1",
        "WITH x AS (INSERT INTO runs VALUES (1) RETURNING 1) SELECT * FROM x",
        "COPY (PIVOT runs ON state USING count(*)) TO '{inside}' (USE_TMP_FILE false)",
        "SELECT * FROM query('WITH x AS (COPY (SELECT 1) TO ''{inside}'' (USE_TMP_FILE false)) SELECT 1')",
        "SELECT * FROM \"query\"('SELECT 1')",
        "SELECT * FROM json_execute_serialized_sql('x')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_text /* */ ('/etc/passwd')",
        "SELECT * FROM main.read_blob('{inside}')",
        "SELECT * FROM read_parquet('{inside}')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM '/etc/hosts.csv'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM arrow_scan_dumb(1, 2, 3)",
        "SELECT * FROM pandas_scan(1)",
        "SELECT * FROM enable_logging('QueryLog')",
        "SELECT * FROM duckdb_secrets()",
        "ATTACH '{outside}'",
        "ATTACH ':memory:' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "RESET threads",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TEMP VIEW v AS SELECT 1",
        "INSERT INTO runs VALUES (1)",
        "DELETE FROM runs",
        "UPDATE runs SET state = 'x'",
        "DROP VIEW runs",
        "BEGIN",
        "CHECKPOINT",
        "VACUUM",
        "USE memory",
        "PREPARE v AS SELECT 1",
        "EXPORT DATABASE '{outside}'",
        "IMPORT DATABASE '{outside}'",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY runs TO '{outside}'",
        "",
        "-- nothing",
    ],
)
def test_what_does_more_than_read_the_tables_is_refused(
    warehouse: LocalWarehouse, tmp_path: Path, sql: str
) -> None:
    inside, outside = batch_path(warehouse.root / "runs", 1), tmp_path / "outside"
    before = inside.read_bytes()
    with pytest.raises(QueryError):
        warehouse.query(sql.format(inside=str(inside).replace("'", "''"), outside=outside))
    assert inside.read_bytes() == before
    assert not outside.exists()
    assert [path.name for path in inside.parent.iterdir()] == [inside.name]


@pytest.mark.parametrize("quote", ['"', "`"])
@pytest.mark.parametrize("dialect", ["bigquery", "duckdb"])
@pytest.mark.parametrize("call", ["query('SELECT 1')", "duckdb_settings()", "read_csv('/etc/passwd')"])
def test_a_function_is_refused_however_it_is_quoted(
    warehouse: LocalWarehouse, call: str, dialect: Dialect, quote: str
) -> None:
    name, _, rest = call.partition("(")
    with pytest.raises(QueryError):
        warehouse.query(f"SELECT * FROM {quote}{name}{quote}({rest}", dialect=dialect)


def test_variables_of_the_caller_are_no_tables(warehouse: LocalWarehouse) -> None:
    secret = warehouse.query("SELECT 1 AS a")
    with pytest.raises(QueryError):
        warehouse.query("SELECT * FROM secret")
    assert secret.num_rows == 1


def test_tables_that_the_sql_does_not_name_are_not_opened(warehouse: LocalWarehouse) -> None:
    path = batch_path(warehouse.root / "tasks", 1)
    path.parent.mkdir()
    path.write_bytes(b"no parquet")
    assert warehouse.query("SELECT count(*) FROM runs").num_rows == 1


def test_asking_writes_nothing_and_needs_no_home(tmp_path: Path) -> None:
    assert LocalWarehouse(tmp_path / "none").query("SELECT * FROM runs").num_rows == 0
    assert list(tmp_path.iterdir()) == []


def test_sums_of_integers_are_integers(warehouse: LocalWarehouse) -> None:
    rows = warehouse.query(
        "SELECT sum(n) AS small, sum(n) * 10000000000000000000 AS large FROM range(5) t(n)"
    )
    assert str(rows.schema.field("small").type) == "int64"
    assert int(rows.to_pydict()["large"][0]) == 10 * 10**19
