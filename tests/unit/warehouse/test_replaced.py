"""Rows that came again under the id that they had: the newest is shown, whatever was compacted when."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beds.headers import lines
from hilum.kernel.clock import ManualClock, SystemClock
from hilum.warehouse.files import listing, replaced_lists
from hilum.warehouse.local import GRACE, LocalWarehouse
from hilum.warehouse.tables import HEADERS


@pytest.fixture
def warehouse(tmp_path: Path) -> LocalWarehouse:
    return LocalWarehouse(tmp_path / "warehouse", clock=ManualClock(SystemClock().now()))


def put(warehouse: LocalWarehouse, batch: int, *ids: str) -> None:
    warehouse.append(batch, {}, lines(*({"_row_id": each, "FileURI": f"{batch}"} for each in ids)))


def shown(warehouse: LocalWarehouse) -> dict[str, str]:
    rows = warehouse.query("SELECT _row_id, FileURI FROM dicom_metadata").to_pylist()
    found = {row["_row_id"]: row["FileURI"] for row in rows}
    assert len(found) == len(rows)
    return found


def listed(warehouse: LocalWarehouse) -> list[tuple[int, int, int]]:
    return [(each.last, each.rows, each.count) for each in replaced_lists(warehouse.root / HEADERS)]


def test_the_newest_row_is_shown_before_and_after_it_is_listed_what_it_replaced(
    warehouse: LocalWarehouse,
) -> None:
    put(warehouse, 1, "a", "b", "a")
    put(warehouse, 3, "b")
    assert shown(warehouse) == {"a": "1", "b": "3"}
    warehouse.compact()
    assert listed(warehouse) == [(3, 4, 2)]
    assert shown(warehouse) == {"a": "1", "b": "3"}
    put(warehouse, 4, "a", "c")
    put(warehouse, 5, "c", "b")
    assert shown(warehouse) == {"a": "4", "b": "5", "c": "5"}
    warehouse.compact()
    assert listed(warehouse)[0] == (5, 8, 5)
    assert shown(warehouse) == {"a": "4", "b": "5", "c": "5"}


def test_content_that_was_replaced_may_come_back(warehouse: LocalWarehouse) -> None:
    for batch in range(1, 4):
        put(warehouse, batch, "a")
        warehouse.compact()
        assert shown(warehouse) == {"a": str(batch)}


def test_the_history_keeps_what_was_replaced(warehouse: LocalWarehouse) -> None:
    put(warehouse, 1, "a")
    put(warehouse, 2, "a")
    warehouse.compact()
    assert warehouse.query("SELECT FileURI FROM all_dicom_metadata ORDER BY 1").to_pydict() == {
        "FileURI": ["1", "2"]
    }


def test_a_list_that_was_lost_is_made_anew(warehouse: LocalWarehouse) -> None:
    put(warehouse, 1, "a", "b")
    put(warehouse, 2, "a")
    warehouse.compact()
    before = listed(warehouse)
    replaced_lists(warehouse.root / HEADERS)[0].path.unlink()
    assert shown(warehouse) == {"a": "2", "b": "1"}
    warehouse.compact()
    assert listed(warehouse) == before


def test_what_a_lost_file_had_replaced_is_shown_again(warehouse: LocalWarehouse) -> None:
    put(warehouse, 1, "a")
    put(warehouse, 2, "a")
    warehouse.compact()
    listing(warehouse.root / HEADERS)[0][1].path.unlink()
    put(warehouse, 3, "b")
    warehouse.compact()
    assert shown(warehouse) == {"a": "1", "b": "3"}


def test_an_older_list_is_taken_away_in_time(warehouse: LocalWarehouse) -> None:
    for batch in range(1, 3):
        put(warehouse, batch, "a")
        warehouse.compact()
    assert len(listed(warehouse)) == 2
    clock = warehouse._clock
    assert isinstance(clock, ManualClock)
    clock.advance(2 * GRACE)
    warehouse.compact()
    assert listed(warehouse) == [(2, 2, 1)]


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.none() | st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4), max_size=30))
def test_the_newest_are_shown_whatever_comes_again_and_whenever_it_is_compacted(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[list[str] | None]
) -> None:
    warehouse = LocalWarehouse(tmp_path_factory.mktemp("home") / "warehouse", grace=0)
    newest: dict[str, str] = {}
    batch = 0
    for ids in deeds:
        if ids is None:
            warehouse.compact()
            continue
        batch += 1
        put(warehouse, batch, *ids)
        newest |= dict.fromkeys(ids, str(batch))
    assert shown(warehouse) == newest
    warehouse.compact()
    assert shown(warehouse) == newest
