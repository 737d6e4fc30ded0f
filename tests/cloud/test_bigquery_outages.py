"""BigQuery is away, or says nothing at all: whoever writes gets an answer soon, and the rows come later, once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

import hilum
from beds.bigquery import Served
from beds.bigquery_door import failed, unknown_columns
from hilum.dicom.phantom import chest_ct
from hilum.warehouse.bigquery import client, faults, stream, warehouse
from hilum.warehouse.bigquery.address import parse_address
from hilum.warehouse.bigquery.client import DatasetClient
from hilum.warehouse.bigquery.warehouse import BigQueryWarehouse
from hilum.warehouse.interface import WarehouseUnavailable

PATIENT = 60.0
"""Seconds after which a call counts as one that never ends; the limits of these tests are a second or two."""
NEVER = PATIENT * 10


def rows(number: int) -> dict[str, list[dict[str, Any]]]:
    return {"runs": [{"_row_id": f"r-{number}", "run_id": f"r-{number}", "state": "running"}]}


def ends(work: Callable[[], Any]) -> Exception | None:
    """What a call raised, once it has ended; it is given up where it does not end."""
    raised: list[Exception | None] = []

    def call() -> None:
        try:
            work()
            raised.append(None)
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(PATIENT)
    assert raised, "it does not end"
    return raised[0]


def ids(opened: BigQueryWarehouse) -> list[str]:
    return [
        str(each)
        for each in opened.query("SELECT run_id FROM all_runs ORDER BY 1").column("run_id").to_pylist()
    ]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From now on there is little time for everything."""

    def shorten() -> None:
        monkeypatch.setattr(warehouse, "APPENDED_WITHIN", 2.0)
        monkeypatch.setattr(client, "PATIENCE", 1.0)
        monkeypatch.setattr(client, "ANSWERED", 1.0)

    return shorten


@pytest.fixture
def silent() -> Iterator[str]:
    """An address where somebody listens and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def address(bigquery: Served) -> str:
    """A dataset with a batch in it."""
    address = bigquery.address()
    opened = BigQueryWarehouse(parse_address(address))
    opened.append(1, rows(1))
    opened.close()
    return address


@pytest.mark.parametrize("port", ["silent", "closed"])
def test_an_append_ends_where_the_write_api_is_not_there(
    address: str,
    port: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    short: Callable[[], None],
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(client.GRPC, request.getfixturevalue(port))
        opened = BigQueryWarehouse(parse_address(address))
        assert ids(opened) == ["r-1"]
        short()
        assert isinstance(ends(lambda: opened.append(2, rows(2))), WarehouseUnavailable)
        opened.close()
    monkeypatch.setattr(warehouse, "APPENDED_WITHIN", PATIENT)
    again = BigQueryWarehouse(parse_address(address))
    again.append(2, rows(2))
    assert ids(again) == ["r-1", "r-2"]
    again.close()


def test_an_append_ends_where_no_answer_comes_and_its_rows_are_there_once(
    bigquery: Served, address: str, monkeypatch: pytest.MonkeyPatch, short: Callable[[], None]
) -> None:
    opened = BigQueryWarehouse(parse_address(address))
    opened.append(2, rows(2))
    over = threading.Event()

    def never(request: Any) -> None:
        over.wait(NEVER)

    bigquery.door.append_faults.append(never)
    with monkeypatch.context() as patch:
        patch.setattr(warehouse, "APPENDED_WITHIN", 2.0)
        assert isinstance(ends(lambda: opened.append(3, rows(3))), WarehouseUnavailable)
    over.set()  # it comes late, so the row is written twice
    opened.append(3, rows(3))
    opened.append(4, rows(4))
    assert ids(opened) == ["r-1", "r-2", "r-3", "r-4"]
    opened.close()


def test_questions_end_where_nobody_answers(
    silent: str, monkeypatch: pytest.MonkeyPatch, short: Callable[[], None]
) -> None:
    short()
    monkeypatch.setenv(faults.EMULATOR, f"http://{silent}")
    asked = DatasetClient(parse_address("bigquery://hilum-test/nothing"))
    for question in (asked.listed, lambda: asked.query("SELECT 1"), lambda: asked.estimate("SELECT 1")):
        assert isinstance(ends(question), WarehouseUnavailable)
    asked.close()


def test_what_passes_by_itself_is_tried_again_however_it_is_told(
    bigquery: Served, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "FIRST_WAIT", 0.01)
    opened = BigQueryWarehouse(parse_address(address))
    passing = [
        "CANCELLED",
        "UNKNOWN",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "ABORTED",
        "INTERNAL",
        "UNAVAILABLE",
    ]
    for number, name in enumerate(passing, 2):
        code = grpc.StatusCode[name]
        bigquery.door.append_faults.extend([code, failed(code)])
        assert opened.append(number, rows(number)) == []
        assert not bigquery.door.append_faults
    assert ids(opened) == [f"r-{number}" for number in range(1, len(passing) + 2)]
    opened.close()


def test_an_index_with_columns_that_the_stream_does_not_know_yet_ends_well_and_its_rows_come_later(
    bigquery: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chest_ct(tmp_path / "scans", slices=4, rows=16, columns=16)
    with hilum.open(tmp_path / "home", warehouse=bigquery.address(), workers=1) as home:
        home.warehouse.tables()  # makes them
        monkeypatch.setattr(stream, "FIRST_WAIT", 0.01)
        bigquery.door.append_faults.extend([unknown_columns] * 100)
        report = home.index(tmp_path / "scans")
        assert report.counts["indexed"] == 4
        assert home.query("SELECT * FROM dicom_metadata").num_rows == 0
        bigquery.door.append_faults.clear()
        assert home.index(tmp_path / "scans").counts == {"unchanged": 4}
        assert home.query("SELECT * FROM all_dicom_metadata").num_rows == 4


@pytest.mark.parametrize("told", [grpc.StatusCode.INVALID_ARGUMENT, failed(grpc.StatusCode.INVALID_ARGUMENT)])
def test_a_refused_request_names_the_table_and_the_batch_that_all_others_wait_for(
    bigquery: Served, address: str, told: Any
) -> None:
    opened = BigQueryWarehouse(parse_address(address))
    bigquery.door.append_faults.append(told)
    with pytest.raises(WarehouseUnavailable) as caught:
        opened.append(2, rows(2))
    assert caught.value.reason == "warehouse-refused"
    assert "rows of runs in batch 2" in caught.value.message
    assert caught.value.hint
    opened.close()


def test_the_door_refuses_tables_and_changes_that_bigquery_would_not_take(bigquery: Served) -> None:
    client = DatasetClient(parse_address(bigquery.address()))
    client.make()
    fine = {"schema": {"fields": [{"name": "a", "type": "STRING", "mode": "NULLABLE"}]}}
    reserved = {"schema": {"fields": [{"name": "_PARTITION_x", "type": "STRING", "mode": "NULLABLE"}]}}
    client.create("t", fine)
    for request in (
        lambda: client.create("u", reserved),
        lambda: client.update("t", {"schema": {"fields": [{"name": "b", "type": "STRING"}]}}, ["schema"]),
    ):
        with pytest.raises(faults.RequestRefused) as caught:
            request()
        assert caught.value.told == "invalid"
    client.close()
