"""How an engine shares its one thread between recording and everything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from beds.ledgers import NOW
from hilum.app.home import Home
from hilum.engine.engine import RECORD_EVERY, RECORD_FOR, Engine
from hilum.engine.observe import Observer
from hilum.kernel.clock import ManualClock
from hilum.model.arrival import RefusedRow
from hilum.settings import load_settings
from hilum.warehouse.interface import WarehouseUnavailable
from hilum.warehouse.local import LocalWarehouse

BATCH = 2000
"""Rows of an entry of the outbox that is a batch of its own."""


class Away(LocalWarehouse):
    """A warehouse that keeps whoever writes waiting and then takes nothing; no real one lets a clock of ours pass."""

    clock: ManualClock
    asked = 0

    def append(
        self, batch: int, rows: Mapping[str, Iterable[Mapping[str, Any]]], headers: bytes = b""
    ) -> list[RefusedRow]:
        self.asked += 1
        self.clock.advance(20)
        raise WarehouseUnavailable("it does not answer")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def home(tmp_path: Path, clock: ManualClock) -> Iterator[Home]:
    with Home(tmp_path, load_settings(tmp_path), clock) as home:
        yield home


def fill(home: Home, batches: int) -> None:
    for batch in range(batches):
        about = {"table_name": "runs", "at": NOW.isoformat(), "_recorded_at": NOW.isoformat()}
        home.ledger.tell({"retractions": [{"row_id": f"{batch}-{n}", **about} for n in range(BATCH)]})


def engine_of(home: Home, observer: Observer | None = None) -> Engine:
    return home.engine(observer=observer)


def test_other_things_go_on_while_much_is_to_be_recorded_and_draining_records_all(
    home: Home, clock: ManualClock
) -> None:
    class Slow(Observer):
        """Each batch takes longer than recording may."""

        def recorded(self, rows: int) -> None:
            clock.advance(RECORD_FOR)

    fill(home, 4)
    engine = engine_of(home, Slow())
    engine.record_sometimes()
    assert home.ledger.summary().outbox == 3 * BATCH
    engine.record_sometimes()
    assert home.ledger.summary().outbox == 3 * BATCH
    clock.advance(RECORD_EVERY)
    engine.record_sometimes()
    assert home.ledger.summary().outbox == 2 * BATCH
    engine.drain()
    assert home.ledger.summary().outbox == 0
    engine.close()


def test_a_warehouse_that_is_away_has_a_third_of_the_engines_time_at_most(
    home: Home, clock: ManualClock
) -> None:
    warehouse = Away(home.root / "warehouse", grace=0)
    warehouse.clock = clock
    home.__dict__["warehouse"] = warehouse
    fill(home, 1)
    engine = engine_of(home)
    for _ in range(600):
        engine.record_sometimes()
        clock.advance(1)
    assert warehouse.asked > 10
    assert 3 * 20 * warehouse.asked <= clock.monotonic()
    home.__dict__["warehouse"] = LocalWarehouse(home.root / "warehouse", grace=0)
    engine.close()
