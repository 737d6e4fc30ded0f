"""What `doctor --mend` clears away of a store, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import hilum
from beds.ledgers import DEAD, LEASE, NOW, claim_one, finish, plan_of, start
from hilum.model.keys import report_object


@pytest.fixture
def home(tmp_path: Path) -> Iterator[hilum.Home]:
    with hilum.open(tmp_path / "home") as home:
        yield home


def reports(home: hilum.Home) -> list[str]:
    """Names of attempts whose reports lie in the store."""
    return [stat.name.partition("/")[2].removesuffix(".json") for stat in home.storage.list("attempts/")]


def leave(home: hilum.Home, *attempts: str) -> None:
    for each in attempts:
        home.storage.create(report_object(each), b"{}")


class TestReportsOfAttempts:
    def test_those_of_attempts_that_have_ended_go_and_those_that_are_waited_for_stay(
        self, home: hilum.Home
    ) -> None:
        over = start(home.ledger, plan_of(), 1)
        finish(home.ledger, claim_one(home.ledger), DEAD)
        start(home.ledger, plan_of(), 2)
        under_way = claim_one(home.ledger)
        leave(home, f"{over}.0.1", under_way.attempt_id, "r-00000000000000ff.0.1")
        assert "2 reports removed that nobody waits for" in home.mend()
        assert reports(home) == [under_way.attempt_id]

    def test_where_no_engine_holds_an_attempt_all_of_them_go(self, home: hilum.Home) -> None:
        start(home.ledger, plan_of())
        claim = claim_one(home.ledger)
        home.ledger.reclaim(NOW, gone=["here/1"])
        leave(home, claim.attempt_id)
        home.mend()
        assert reports(home) == []

    def test_nothing_is_said_where_there_is_none(self, home: hilum.Home) -> None:
        assert home.ledger.claim("here/1", 1, NOW, LEASE) == []
        assert home.mend() == []
