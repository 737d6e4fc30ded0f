"""A disk that is full while results, the warehouse or the ledger are written: what does not fit fails with its reason
and is tried again, everything else goes on, and once there is room all is as if there always had been.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import hilum
from beds.disks import enlarge, fill, small_disk
from beds.engines import Yard, wait_until
from beds.homes import differences, faults, snapshot
from beds.moments import attempts_ended
from hilum.dicom.phantom import chest_ct

HERE = Path(__file__).parent
FAT = """
name: fat
steps:
  fat:
    uses: {steps}:{step}
    with: {{size: {size}}}
    retry: {{attempts: 2, backoff: 0.1s}}
  small: {{uses: "{steps}:inventory"}}
  later: {{uses: "{steps}:inventory", needs: [fat]}}
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    for number in range(2):
        chest_ct(tmp_path / "scans" / str(number), slices=3, rows=32, columns=32, seed=number)
    return tmp_path / "scans"


def _yard(folder: Path, scans: Path, step: str, size: int) -> Yard:
    folder.mkdir(exist_ok=True)
    pipeline = folder / "fat.yaml"
    steps = HERE.parent / "beds" / "chaos_steps.py"
    pipeline.write_text(FAT.format(steps=steps, step=step, size=size))
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return Yard(home, [scans, "--pipeline", pipeline, "--pipeline", HERE / "study.yaml"])


def _failed(yard: Yard) -> dict[str, str]:
    status = json.loads(yard.command("status", "--json").finish()[1])
    assert status["runs"]["study-chaos"] == {"succeeded": 2}
    return {task["step"]: task["reason"] for task in status["failures"]}


@pytest.mark.parametrize("disk", ["store", "."], ids=["a disk for the store", "a disk for the home"])
def test_results_that_do_not_fit_are_dead_with_that_reason_and_retried_once_there_is_room(
    disk: str, scans: Path, tmp_path: Path
) -> None:
    yard = _yard(tmp_path, scans, "fat", 24 << 20)
    with small_disk(yard.home / disk, "16m") as place:
        code, said = yard.start().finish()
        assert code == 1, said
        assert _failed(yard) == {"fat": "storage-full"}
        assert faults(yard.home) == []
        enlarge(place, "256m")
        code, said = yard.command("retry").finish()
        assert code == 0, said
        assert _failed(yard) == {}
        assert faults(yard.home) == []


def test_a_step_that_fills_the_disk_harms_nobody_but_itself(scans: Path, tmp_path: Path) -> None:
    yard = _yard(tmp_path, scans, "flood", 64 << 20)
    with small_disk(yard.home, "24m"):
        code, said = yard.start().finish()
        assert code == 1, said
        assert _failed(yard) == {"fat": "storage-full"}
        assert yard.start().finish()[0] == 1
        assert faults(yard.home) == []


def test_a_warehouse_that_is_full_gets_its_rows_once_there_is_room(scans: Path, tmp_path: Path) -> None:
    yard = _yard(tmp_path, scans, "fat", 1 << 10)
    undisturbed = _yard(tmp_path / "room", scans, "fat", 1 << 10)
    assert undisturbed.start().finish()[0] == 0
    with small_disk(yard.home / "warehouse", "64k") as place:
        code, said = yard.start().finish()
        assert code == 0, said
        assert _failed(yard) == {}
        with hilum.open(yard.home) as home:
            assert home.status().outbox > 0
        enlarge(place, "64m")
        code, said = yard.command("doctor", "--mend").finish()
        assert code == 0, said
        assert differences(snapshot(undisturbed.home), snapshot(yard.home)) == []
        assert faults(yard.home) == []


def test_a_ledger_that_is_full_stops_the_engine_in_one_line_and_the_next_goes_on(
    scans: Path, tmp_path: Path
) -> None:
    yard = _yard(tmp_path, scans, "fat", 1 << 10)
    undisturbed = _yard(tmp_path / "room", scans, "fat", 1 << 10)
    assert undisturbed.start().finish()[0] == 0
    with small_disk(yard.home, "32m") as place:
        engine = yard.start()
        wait_until(lambda: attempts_ended(yard.home) > 2)
        ballast = fill(place)
        code, said = engine.finish()
        assert code == 1, said
        assert "space" in said.splitlines()[-2]
        ballast.unlink()
        code, said = yard.start().finish()
        assert code == 0, said
        assert differences(snapshot(undisturbed.home), snapshot(yard.home)) == []
        assert faults(yard.home) == []


def test_a_disk_that_is_full_for_a_moment_stops_nobody(scans: Path, tmp_path: Path) -> None:
    yard = _yard(tmp_path, scans, "fat", 1 << 10)
    undisturbed = _yard(tmp_path / "room", scans, "fat", 1 << 10)
    assert undisturbed.start().finish()[0] == 0
    with small_disk(yard.home, "32m") as place:
        engine = yard.start()
        for number in (1, 5):
            wait_until(lambda number=number: engine.ended or attempts_ended(yard.home) > number)
            ballast = fill(place)
            time.sleep(1.0)
            ballast.unlink()
        code, said = engine.finish()
        assert code in (0, 1), said
        yard.command("retry").finish()
        # rows that found no room wait, and then nothing has failed that could be retried
        code, said = yard.start().finish()
        assert code == 0, said
        assert differences(snapshot(undisturbed.home), snapshot(yard.home)) == []
        assert faults(yard.home) == []
