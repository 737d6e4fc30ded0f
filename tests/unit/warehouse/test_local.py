import errno
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from beds.headers import lines
from hilum.errors import TerminalError
from hilum.kernel.clock import ManualClock, SystemClock
from hilum.warehouse.files import PARTIAL, SPILL, batch_path, listing, publish
from hilum.warehouse.interface import QueryError, WarehouseDamaged, WarehouseUnavailable
from hilum.warehouse.local import ABANDONED, GRACE, LocalWarehouse

FEW = 12
"""Batches that are enough to be compacted."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(SystemClock().now())


@pytest.fixture
def warehouse(tmp_path: Path, clock: ManualClock) -> LocalWarehouse:
    return LocalWarehouse(tmp_path / "warehouse", clock=clock)


def fill(warehouse: LocalWarehouse, first: int = 1, last: int = FEW) -> None:
    for batch in range(first, last + 1):
        warehouse.append(batch, {"arrivals": [{"uri": f"{batch}.{place}"} for place in range(3)]})


def uris(warehouse: LocalWarehouse) -> list[str]:
    return sorted(warehouse.query("SELECT uri FROM all_arrivals").to_pydict()["uri"])


def names(warehouse: LocalWarehouse, table: str = "arrivals") -> list[str]:
    return sorted(path.name for path in (warehouse.root / table).iterdir())


def test_a_compaction_that_died_while_writing_is_as_if_it_never_was(
    warehouse: LocalWarehouse, clock: ManualClock
) -> None:
    fill(warehouse)
    before = uris(warehouse)
    (warehouse.root / "arrivals" / f"{PARTIAL}1-aa").write_bytes(b"half a file")
    assert uris(warehouse) == before
    clock.advance(2 * GRACE)
    warehouse.compact()
    assert not any(name.startswith(PARTIAL) for name in names(warehouse))
    assert uris(warehouse) == before


def test_a_compaction_that_died_before_taking_files_away_loses_and_doubles_nothing(
    warehouse: LocalWarehouse, clock: ManualClock
) -> None:
    fill(warehouse)
    before = uris(warehouse)
    assert warehouse.compact() > 0
    # all that it merged is still there; now half of it goes
    batches = [name for name in names(warehouse) if name.startswith("batch-")]
    assert len(batches) == FEW
    assert uris(warehouse) == before
    for name in batches[::2]:
        (warehouse.root / "arrivals" / name).unlink()
    assert uris(warehouse) == before
    for batch in range(1, FEW + 1):
        warehouse.append(batch, {"arrivals": [{"uri": f"{batch}.{place}"} for place in range(3)]})
    assert uris(warehouse) == before
    clock.advance(2 * GRACE)
    warehouse.compact()
    assert not any(name.startswith("batch-") for name in names(warehouse)[:-4])
    assert uris(warehouse) == before


def test_a_file_that_was_replaced_stays_for_as_long_as_a_query_may_read_it(
    warehouse: LocalWarehouse, clock: ManualClock
) -> None:
    fill(warehouse)
    warehouse.compact()
    warehouse.compact()
    assert len([name for name in names(warehouse) if name.startswith("batch-")]) == FEW
    clock.advance(2 * GRACE)
    warehouse.compact()
    assert len(listing(warehouse.root / "arrivals")[1]) == 0


def test_a_query_whose_file_was_taken_away_reads_its_successor(
    warehouse: LocalWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(warehouse)
    before = uris(warehouse)
    stale = os.listdir(warehouse.root / "arrivals")
    warehouse.compact()
    for name in stale:
        (warehouse.root / "arrivals" / name).unlink()
    listdir = os.listdir
    listings: list[Path] = []

    def late(folder: Path) -> list[str]:
        first = folder.name == "arrivals" and folder not in listings
        listings.append(folder)
        return stale if first else listdir(folder)

    monkeypatch.setattr(os, "listdir", late)
    assert uris(warehouse) == before
    assert listings.count(warehouse.root / "arrivals") == 2


@pytest.mark.slow
def test_queries_see_whole_batches_while_others_append_and_compact(tmp_path: Path) -> None:
    warehouse = LocalWarehouse(tmp_path / "warehouse", grace=0.3)
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        reader = LocalWarehouse(warehouse.root)
        while not done.is_set():
            seen.append(reader.query("SELECT count(*) AS n FROM all_arrivals").to_pydict()["n"][0])

    thread = threading.Thread(target=read)
    thread.start()
    for batch in range(1, 60):
        fill(warehouse, batch, batch)
        warehouse.compact()
    done.set()
    thread.join()
    assert len(seen) > 3
    assert all(count % 3 == 0 for count in seen)
    assert seen == sorted(seen)
    assert len(uris(warehouse)) == 59 * 3


def test_a_second_compaction_beside_the_first_does_nothing(warehouse: LocalWarehouse) -> None:
    fill(warehouse)
    with warehouse._alone() as alone:
        assert alone
        assert warehouse.compact() == 0
    assert warehouse.compact() > 0


def test_a_batch_that_was_never_seen_among_compacted_ones_is_refused(warehouse: LocalWarehouse) -> None:
    fill(warehouse, 1, 5)
    fill(warehouse, 7, 14)
    warehouse.compact()
    warehouse.append(6, {"tasks": [{"task_id": "t"}]})
    with pytest.raises(TerminalError) as caught:
        fill(warehouse, 6, 6)
    assert caught.value.reason == "batch-out-of-order"


def test_many_batches_become_few_files_and_each_row_is_rewritten_a_few_times(tmp_path: Path) -> None:
    warehouse = LocalWarehouse(tmp_path / "warehouse", grace=0)
    for batch in range(1, 101):
        fill(warehouse, batch, batch)
        if batch % 5 == 0:
            warehouse.compact()
    assert len(listing(warehouse.root / "arrivals")[0]) < 16
    assert len(uris(warehouse)) == 300


def test_files_of_compacted_headers_are_sorted(tmp_path: Path) -> None:
    warehouse = LocalWarehouse(tmp_path / "warehouse")
    modalities = ["MR", None, "CT", "PT", "CT"]
    for batch in range(1, FEW + 1):
        rows = [
            {"_row_id": f"{batch}.{n}", "Modality": m, "SeriesInstanceUID": f"2.{batch * 7 % 5}"}
            for n, m in enumerate(modalities)
        ]
        warehouse.append(batch, {}, lines(*rows))
    assert warehouse.compact() > 0
    path = listing(warehouse.root / "dicom_metadata")[0][0].path
    table = pq.read_table(path).select(["Modality", "SeriesInstanceUID", "_batch", "_seq"])
    found = [tuple(row.values()) for row in table.to_pylist()]
    assert found == sorted(found, key=lambda row: (row[0] is None, row[0] or "", *row[1:]))
    assert len({row[2] for row in found}) == FEW


def put(warehouse: LocalWarehouse, batch: int, **columns: Any) -> None:
    """A file of headers as another version of Hilum may have written it."""
    fill_in = {"_row_id": [f"i-{batch}"], "_batch": [batch], "_seq": [0], "_row_key": [batch]}
    table = pa.table({**fill_in, **{name: [value] for name, value in columns.items()}})
    publish(batch_path(warehouse.root / "dicom_metadata", batch), lambda path: pq.write_table(table, path))


def test_a_keyword_that_was_a_number_once_and_text_later_reads_as_text(warehouse: LocalWarehouse) -> None:
    put(warehouse, 1, Rows=512)
    put(warehouse, 2, Rows="many")
    sql = "SELECT Rows FROM dicom_metadata ORDER BY _row_id"
    assert warehouse.query(sql).to_pydict() == {"Rows": ["512", "many"]}
    for batch in range(3, 9):
        put(warehouse, batch, Rows=batch)
    assert warehouse.compact() > 0
    assert warehouse.query(sql).to_pydict()["Rows"][:3] == ["512", "many", "3"]


def test_a_keyword_of_which_there_was_one_and_later_many_is_a_list_when_compacted(
    warehouse: LocalWarehouse,
) -> None:
    for batch in range(1, 9):
        put(warehouse, batch, Modality="CT", ImageType="a" if batch < 4 else ["b", "c"])
    assert warehouse.query("SELECT count(Modality) AS n FROM dicom_metadata").to_pydict() == {"n": [8]}
    assert warehouse.compact() > 0
    rows = warehouse.query("SELECT ImageType FROM dicom_metadata ORDER BY _row_id").to_pydict()["ImageType"]
    assert rows[2:4] == [["a"], ["b", "c"]]


@pytest.mark.parametrize("damage", ["cut", "empty", "footer", "other"])
def test_a_damaged_file_is_named_by_queries_and_by_compaction(warehouse: LocalWarehouse, damage: str) -> None:
    fill(warehouse)
    path = batch_path(warehouse.root / "arrivals", 3)
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    bad = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "footer": whole[:footer] + b"\xff" * 64 + whole[footer + 64 :],
        "other": b"not a Parquet file at all",
    }[damage]
    path.write_bytes(bad)
    for work in (lambda: uris(warehouse), warehouse.compact):
        with pytest.raises(WarehouseDamaged) as caught:
            work()
        assert f"warehouse/arrivals/{path.name}" in str(caught.value)
        assert caught.value.hint
    assert warehouse.check() == [f"warehouse/arrivals/{path.name}"]


def test_a_flipped_bit_in_a_page_stops_a_compaction(warehouse: LocalWarehouse) -> None:
    fill(warehouse)
    path = batch_path(warehouse.root / "arrivals", 3)
    meta = pq.read_metadata(path).row_group(0)
    chunks = [meta.column(place) for place in range(meta.num_columns)]
    [uri] = [chunk for chunk in chunks if chunk.path_in_schema == "uri"]
    data = bytearray(path.read_bytes())
    data[(uri.dictionary_page_offset or uri.data_page_offset) + uri.total_compressed_size - 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(WarehouseDamaged):
        warehouse.compact()


def test_damage_in_one_table_does_not_keep_others_from_being_compacted(warehouse: LocalWarehouse) -> None:
    fill(warehouse)
    for batch in range(1, FEW + 1):
        warehouse.append(batch, {"tasks": [{"_row_id": str(batch), "task_id": str(batch)}]})
    batch_path(warehouse.root / "arrivals", 1).write_bytes(b"")
    with pytest.raises(WarehouseDamaged):
        warehouse.compact()
    assert listing(warehouse.root / "tasks")[0][0].compacted


def test_a_batch_that_comes_again_mends_its_damaged_file(warehouse: LocalWarehouse) -> None:
    fill(warehouse, 1, 2)
    batch_path(warehouse.root / "arrivals", 2).write_bytes(b"")
    fill(warehouse, 2, 2)
    assert len(uris(warehouse)) == 6


def test_a_batch_that_comes_again_with_other_columns_is_there_once(warehouse: LocalWarehouse) -> None:
    put(warehouse, 1, Modality="MR")
    warehouse.append(1, {}, lines({"_row_id": "i-1", "Modality": "CT", "Rows": 512}))
    assert len(names(warehouse, "dicom_metadata")) == 1
    assert warehouse.query("SELECT Modality, Rows FROM all_dicom_metadata").to_pylist() == [
        {"Modality": "CT", "Rows": 512}
    ]


def test_a_compacted_file_has_the_shape_of_batches_with_its_columns(warehouse: LocalWarehouse) -> None:
    item = {"CodeValue": "T-1", "EquivalentCodeSequence": [{"CodeValue": "a"}]}
    for batch in range(1, FEW + 1):
        row = {"_row_id": str(batch), "ImageType": ["A"], "AnatomicRegionSequence": [item], "KVP": "1"}
        warehouse.append(batch, {}, lines(row))
    (shape,) = {file.shape for file in listing(warehouse.root / "dicom_metadata")[0]}
    warehouse.compact()
    (compacted,) = listing(warehouse.root / "dicom_metadata")[0]
    assert compacted.shape == shape


def test_files_with_other_columns_are_read_together(warehouse: LocalWarehouse) -> None:
    code = {"CodeValue": "T-1"}
    warehouse.append(1, {}, lines({"_row_id": "i-1", "Rows": 1, "AnatomicRegionSequence": [code]}))
    meaning = {"CodeMeaning": "chest"}
    warehouse.append(2, {}, lines({"_row_id": "i-2", "KVP": "1", "AnatomicRegionSequence": [meaning]}))
    warehouse.append(3, {}, lines({"_row_id": "i-3", "Rows": 3}))
    warehouse.append(4, {}, lines({"_row_id": "i-4", "Rows": 4}))
    shapes = [file.shape for file in listing(warehouse.root / "dicom_metadata")[0]]
    assert len(set(shapes)) == 3
    assert shapes[2] == shapes[3]
    sql = "SELECT Rows, KVP, AnatomicRegionSequence[1].CodeMeaning FROM dicom_metadata ORDER BY _row_id"
    assert [tuple(row.values()) for row in warehouse.query(sql).to_pylist()] == [
        (1, None, None),
        (None, "1", "chest"),
        (3, None, None),
        (4, None, None),
    ]


def test_a_full_disk_is_told_and_leaves_nothing_behind(
    warehouse: LocalWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(warehouse, 1, 1)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(WarehouseUnavailable) as caught:
            fill(warehouse, 2, 2)
    assert caught.value.reason == "disk-full"
    assert names(warehouse) == [batch_path(warehouse.root, 1).name]
    fill(warehouse, 2, 2)
    assert len(uris(warehouse)) == 6


def test_what_a_killed_query_left_on_disk_is_taken_away_in_time(
    warehouse: LocalWarehouse, clock: ManualClock
) -> None:
    fill(warehouse, 1, 1)
    ended = subprocess.Popen(["true"])
    ended.wait()
    spill = warehouse.root / f"{SPILL}{ended.pid}-aa"
    spill.mkdir()
    (spill / "duckdb_temp").write_bytes(b"rows")
    mine = warehouse.root / f"{SPILL}{os.getpid()}-aa"
    mine.mkdir()
    warehouse.compact()
    assert spill.exists()
    clock.advance(ABANDONED + 1)
    warehouse.compact()
    assert not spill.exists()
    assert mine.exists()


def test_a_query_of_nothing_known_is_no_damage(warehouse: LocalWarehouse) -> None:
    fill(warehouse)
    with pytest.raises(QueryError):
        warehouse.query("SELECT error('x') FROM arrivals")
