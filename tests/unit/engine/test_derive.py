"""What tasks made and nobody called complete is closed by the next engine, and not while another may be making it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hilum.dicom.phantom import chest_ct
from hilum.engine.derive import MADE_BY, Derivations
from hilum.engine.intake import Intake
from hilum.engine.receive import receive_all
from hilum.kernel.clock import ManualClock
from hilum.ledger import open_ledger
from hilum.ledger.interface import Ledger
from hilum.sources.folder import FolderSource
from hilum.storage import open_storage

LEASE = 60.0
HERE = platform.node()
ME, OTHER = f"{HERE}/{os.getpid()}/now", f"{HERE}/{os.getppid()}/now"
DEAD, ELSEWHERE = f"{HERE}/999999999/then", "elsewhere/1/now"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield ledger
    ledger.close()


@pytest.fixture
def derivations(ledger: Ledger, tmp_path: Path) -> Derivations:
    """Of an engine that finds a series which a task made."""
    clock = ManualClock()
    intake = Intake(ledger, clock)
    chest_ct(tmp_path / "made", slices=1, rows=16, columns=16)
    read = receive_all(list(FolderSource([tmp_path / "made"], clock).scan()))
    intake.take_read([replace(item, facts={**item.facts, MADE_BY: ["derive"]}) for item in read])
    return Derivations(ledger, open_storage((tmp_path / "store").as_uri()), clock, ME, intake.take_read)


@pytest.mark.parametrize("owner", ["", ME, DEAD, f"{OTHER}/record"], ids=["none", "me", "dead", "command"])
def test_what_a_dead_engine_left_open_is_found(owner: str, ledger: Ledger, derivations: Derivations) -> None:
    if owner:
        ledger.acquire_role("warehouse", owner, ManualClock().now(), LEASE)
    assert len(derivations.left_open()) == 1


@pytest.mark.parametrize("owner", [OTHER, ELSEWHERE], ids=["here", "elsewhere"])
def test_what_an_engine_at_work_may_be_making_is_left_to_it(
    owner: str, ledger: Ledger, derivations: Derivations
) -> None:
    ledger.acquire_role("warehouse", owner, ManualClock().now(), LEASE)
    assert derivations.left_open() == set()


def test_an_engine_of_another_machine_is_dead_when_its_lease_is_over(
    ledger: Ledger, derivations: Derivations
) -> None:
    before = ManualClock().now() - timedelta(seconds=2 * LEASE)
    ledger.acquire_role("warehouse", ELSEWHERE, before, LEASE)
    assert len(derivations.left_open()) == 1
