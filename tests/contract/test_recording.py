"""What the recorder promises with every warehouse: nothing is lost, and nothing overtakes what waits."""

from __future__ import annotations

import ctypes
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from beds.headers import lines
from beds.ledgers import NOW, received
from hilum.engine.observe import Observer
from hilum.engine.recorder import Recorder
from hilum.kernel.clock import ManualClock
from hilum.ledger import open_ledger
from hilum.ledger.interface import Ledger
from hilum.storage import open_storage
from hilum.warehouse.interface import Warehouse, WarehouseUnavailable
from hilum.warehouse.local import LocalWarehouse

Away = Callable[[], AbstractContextManager[None]]


def local(request: pytest.FixtureRequest, folder: Path) -> tuple[Warehouse, Away]:
    """Files in a folder whose place is not there for a while, as a share of the network may not be."""
    root, aside = folder / "warehouse", folder / "aside"

    @contextmanager
    def away() -> Iterator[None]:
        if root.exists():
            root.rename(aside)
        root.symlink_to(folder / "gone")
        yield
        root.unlink()
        if aside.exists():
            aside.rename(root)

    return LocalWarehouse(root, grace=0), away


def bigquery(request: pytest.FixtureRequest, folder: Path) -> tuple[Warehouse, Away]:
    """An emulator whose write API and other requests are refused for a while."""
    from hilum.warehouse.bigquery import warehouse
    from hilum.warehouse.bigquery.address import parse_address

    served = request.getfixturevalue("bigquery")
    patch = request.getfixturevalue("monkeypatch")
    made = warehouse.BigQueryWarehouse(parse_address(served.address()))
    request.addfinalizer(made.close)

    @contextmanager
    def away() -> Iterator[None]:
        with patch.context() as short:
            short.setattr(warehouse, "APPENDED_WITHIN", 1.0)
            served.door.append_faults.extend([grpc.StatusCode.UNAVAILABLE] * 1000)
            served.door.rest_faults.extend([(503, "backendError")] * 1000)
            yield
            served.door.append_faults, served.door.rest_faults = deque(), deque()

    return made, away


ADAPTERS = {"local": local, "bigquery": bigquery}


@pytest.fixture(params=ADAPTERS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Warehouse, Away]:
    return ADAPTERS[request.param](request, tmp_path)


@pytest.fixture
def warehouse(made: tuple[Warehouse, Away]) -> Warehouse:
    return made[0]


@pytest.fixture
def away(made: tuple[Warehouse, Away]) -> Away:
    """Until the block ends nothing can be written."""
    return made[1]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield ledger
    ledger.close()


@pytest.fixture
def recorder(ledger: Ledger, warehouse: Warehouse, tmp_path: Path) -> Recorder:
    return recorder_of(ledger, warehouse, tmp_path)


def recorder_of(ledger: Ledger, warehouse: Warehouse, folder: Path, owner: str = "here/1/x") -> Recorder:
    storage = open_storage((folder / "store").as_uri())
    return Recorder(ledger, warehouse, storage, ManualClock(NOW), owner, None)


def header(number: int) -> bytes:
    return lines(
        {"_row_id": f"h-{number}", "_recorded_at": NOW.isoformat(), "SOPInstanceUID": f"1.2.3.{number}"}
    )


def instances(warehouse: Warehouse) -> list[Any]:
    """Everything that was ever written, in the order of its batches."""
    found = warehouse.query("SELECT SOPInstanceUID AS uid FROM all_dicom_metadata ORDER BY _batch, _seq")
    return [str(each) for each in found.column("uid").to_pylist()]


def test_nobody_begins_while_rows_wait_that_the_warehouse_did_not_take(
    ledger: Ledger, warehouse: Warehouse, recorder: Recorder, away: Away
) -> None:
    ledger.record_arrivals([received(1)], NOW)
    with away(), pytest.raises(WarehouseUnavailable):
        recorder.begin()
    recorder.begin()
    recorder.add_headers(header(2))
    ledger.record_arrivals([received(3)], NOW)
    assert recorder.record() > 0
    recorder.finish()
    assert instances(warehouse) == ["1.2.3.1", "1.2.3.2", "1.2.3.3"]


def test_headers_that_the_warehouse_does_not_take_wait_and_none_overtakes_them(
    ledger: Ledger, warehouse: Warehouse, recorder: Recorder, away: Away
) -> None:
    recorder.begin()
    recorder.add_headers(header(1))
    with away():
        recorder.add_headers(header(2) + header(3))
        recorder.add_headers(header(4))
    recorder.add_headers(header(5))
    recorder.finish()
    assert ledger.summary().outbox == 0
    assert instances(warehouse) == [f"1.2.3.{number}" for number in range(1, 6)]


def test_headers_that_wait_are_written_by_whoever_records_next(
    ledger: Ledger, warehouse: Warehouse, recorder: Recorder, away: Away, tmp_path: Path
) -> None:
    recorder.begin()
    with away():
        recorder.add_headers(header(1))
        recorder.finish()
    ledger.record_arrivals([received(2)], NOW)
    recorder_of(ledger, warehouse, tmp_path, "here/2/y").record()
    assert instances(warehouse) == ["1.2.3.1", "1.2.3.2"]


@pytest.mark.parametrize("made", ["local"], indirect=True)
def test_recording_ends_after_a_while_and_the_rest_comes_later(
    ledger: Ledger, warehouse: Warehouse, tmp_path: Path
) -> None:
    clock = ManualClock(NOW)

    class Slow(Observer):
        """Each batch takes four seconds."""

        def recorded(self, rows: int) -> None:
            clock.advance(4)

    for entry in range(4):  # an entry of so many rows is a batch
        about = {"table_name": "runs", "at": NOW.isoformat(), "_recorded_at": NOW.isoformat()}
        ledger.tell({"retractions": [{"row_id": f"{entry}-{n}", **about} for n in range(2000)]})
    storage = open_storage((tmp_path / "store").as_uri())
    recorder = Recorder(ledger, warehouse, storage, clock, "here/1/x", None, Slow())
    assert recorder.record(until=clock.monotonic() + 5) == 4000
    assert recorder.record(until=clock.monotonic() + 1) == 2000
    assert recorder.record() == 2000


def test_what_is_free_after_recording_goes_back_to_the_machine(ledger: Ledger, recorder: Recorder) -> None:
    """Of the C library's blocks every other one is free, so nothing goes back by itself."""
    ledger.record_arrivals([received(1)], NOW)
    assert recorder.record() > 0  # what it imports takes memory, too
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    blocks = [library.malloc(1 << 16) for _ in range(1 << 10)]
    for block in blocks:
        ctypes.memset(block, 1, 1 << 16)
    for block in blocks[::2]:
        library.free(block)
    ledger.record_arrivals([received(2)], NOW)
    before = resident()
    assert recorder.record() > 0
    assert before - resident() > 16 << 20
    for block in blocks[1::2]:
        library.free(block)


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
