"""Two engines on one home at once: all is done, and nothing twice."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

import hilum
from beds.engines import Yard, wait_until
from beds.homes import differences, faults, snapshot
from hilum.dicom.phantom import chest_ct, many_instances

pytestmark = pytest.mark.slow

PIPELINE = """name: check
settle: {quiet: 1s}
steps:
  qc: {uses: qc}
  preview: {uses: preview, with: {tiles: 1, reformats: false}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "check.yaml").write_text(PIPELINE)
    list(many_instances(tmp_path / "scans", 60, per_series=5))
    chest_ct(tmp_path / "scans" / "ct", slices=6, rows=24, columns=24)
    return tmp_path


def computed(home: Path) -> tuple[int, int]:
    """Results, and attempts that computed them."""
    with hilum.open(home) as opened:
        results = opened.query("SELECT count(*) FROM task_results").column(0)[0].as_py()
        attempts = (
            opened.query("SELECT count(*) FROM attempts WHERE outcome = 'succeeded'").column(0)[0].as_py()
        )
    return results, attempts


def test_two_runs_over_one_folder_leave_what_one_leaves(place: Path) -> None:
    arguments = (place / "scans", "--pipeline", place / "check.yaml", "--slots", "2")
    engines = [Yard(place / "shared", arguments).start() for _ in range(2)]
    assert [engine.finish()[0] for engine in engines] == [0, 0]
    alone = Yard(place / "alone", arguments).start()
    assert alone.finish()[0] == 0
    assert differences(snapshot(place / "alone"), snapshot(place / "shared")) == []
    assert faults(place / "shared") == []
    assert computed(place / "shared") == computed(place / "alone") == (26, 13)


def test_two_engines_that_watch_one_folder_share_the_work(place: Path) -> None:
    (place / "inbox").mkdir()
    yard = Yard(place / "home")
    arguments = (
        "--watch",
        place / "inbox",
        "--pipeline",
        place / "check.yaml",
        "--slots",
        "1",
        "--still",
        "0.2",
    )
    engines = [yard.command("serve", *arguments, "--sweep", "0.5") for _ in range(2)]
    shutil.copytree(place / "scans", place / "inbox" / "scans")

    def done() -> bool:
        with hilum.open(place / "home") as home:
            return [run.state.value for run in home.runs()] == ["succeeded"] * 13

    assert wait_until(done, every=0.2)
    for engine in engines:
        engine.process.send_signal(signal.SIGTERM)
    assert [engine.finish()[0] for engine in engines] == [0, 0]
    assert [
        line for line in faults(place / "home") if not line.startswith("subjects")
    ] == []  # studies wait longer
    assert computed(place / "home") == (26, 13)
