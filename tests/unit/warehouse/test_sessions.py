"""Connections are used again, and what was created on them holds only as long as its files are those that count."""

import threading
from pathlib import Path

import pytest

from beds.headers import lines
from hilum.warehouse import sessions
from hilum.warehouse.interface import QueryError
from hilum.warehouse.local import LocalWarehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> LocalWarehouse:
    warehouse = LocalWarehouse(tmp_path / "warehouse", grace=0)
    warehouse.append(1, {"runs": [{"run_id": "r-1"}]}, lines({"_row_id": "i-1", "Rows": 1}))
    return warehouse


def ask(warehouse: LocalWarehouse, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in warehouse.query(sql).to_pylist()]


def test_a_question_about_the_same_files_takes_the_same_connection(warehouse: LocalWarehouse) -> None:
    ask(warehouse, "SELECT Rows FROM dicom_metadata")
    before = list(sessions._idle.values())
    ask(warehouse, "SELECT count(*) FROM dicom_metadata")
    assert {id(each) for each in sessions._idle.values()} == {id(each) for each in before}


def test_new_files_and_new_columns_are_seen_at_once(warehouse: LocalWarehouse) -> None:
    for batch in range(2, 12):
        warehouse.append(batch, {}, lines({"_row_id": f"i-{batch}", "KVP": str(batch)}))
        assert ask(warehouse, "SELECT max(CAST(KVP AS INT)) FROM dicom_metadata") == [(batch,)]
        assert ask(warehouse, "SELECT count(*) FROM series") == [(1,)]
    warehouse.compact()
    warehouse.compact()
    assert ask(warehouse, "SELECT count(*), max(Rows) FROM dicom_metadata") == [(11, 1)]


def test_what_one_question_created_is_not_there_for_another(warehouse: LocalWarehouse) -> None:
    ask(warehouse, "SELECT * FROM runs")
    with pytest.raises(QueryError):
        ask(warehouse, "SELECT * FROM temp.runs_x")
    assert ask(warehouse, "SELECT Rows FROM dicom_metadata") == [(1,)]


def test_questions_at_the_same_time_have_connections_of_their_own(warehouse: LocalWarehouse) -> None:
    found: list[list[tuple[object, ...]]] = []

    def work() -> None:
        found.extend(ask(warehouse, "SELECT Rows FROM dicom_metadata") for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[(1,)]] * 20


def test_few_connections_wait(warehouse: LocalWarehouse) -> None:
    for number in range(sessions.IDLE + 4):
        warehouse.append(2 + number, {"runs": [{"run_id": "r"}]})
        ask(warehouse, "SELECT count(*) FROM runs")
    assert len(sessions._idle) <= sessions.IDLE
