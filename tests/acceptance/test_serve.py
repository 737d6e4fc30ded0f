"""An engine that watches a folder: it waits for what is not complete, finds what it was not told of, ends cleanly."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import hilum
from beds.engines import Yard, wait_until
from beds.moments import attempts
from hilum.dicom.phantom import chest_ct
from hilum.engine.serve import serve
from hilum.sources.watch import WatchedFolder

pytestmark = pytest.mark.slow

QUICK = "name: check\nsettle: {quiet: 1s}\nsteps:\n  qc: {uses: qc}\n"
SLOW = "name: slow\nsettle: {quiet: 0s}\nsteps:\n  wait: {uses: ./slow.py:wait}\n"
STEP = """
import time
from hilum import Context, Output, step

@step("wait", outputs=[Output("file", "done.txt", "text/plain")])
def wait(ctx: Context) -> None:
    time.sleep(1)
    ctx.output("file").write_text("done")
"""


class Ward:
    """A folder to watch, and an engine that does."""

    def __init__(self, folder: Path, pipeline: str) -> None:
        self.inbox, self.home, self.pipeline = folder / "inbox", folder / "home", folder / "pipeline.yaml"
        self.inbox.mkdir()
        self.pipeline.write_text(pipeline)
        (folder / "slow.py").write_text(STEP)
        self.series = [
            chest_ct(folder / f"ct-{seed}", slices=4, rows=16, columns=16, seed=seed).paths for seed in (1, 2)
        ]
        self.yard = Yard(self.home)
        self.engine = self.start()

    def start(self, still: float = 0.3) -> object:
        self.engine = self.yard.command(
            *("serve", "--watch", self.inbox, "--pipeline", self.pipeline, "--slots", "1"),
            *("--still", str(still), "--sweep", "0.5", "--log-format", "json"),
        )
        return self.engine

    def bring(self, paths: tuple[Path, ...]) -> None:
        for path in paths:
            shutil.copy(path, self.inbox / f"{path.parent.name}-{path.name}")

    def succeeded(self) -> int:
        with hilum.open(self.home) as home:
            return sum(run.state == "succeeded" and run.current for run in home.runs())

    def stop(self) -> tuple[int, str]:
        self.engine.process.send_signal(signal.SIGTERM)
        return self.engine.finish()


@pytest.fixture
def wards() -> Iterator[list[Ward]]:
    made: list[Ward] = []
    yield made
    for ward in made:
        if not ward.engine.ended:
            ward.engine.kill_all()


def test_a_series_is_processed_once_it_is_quiet_and_the_engine_ends_with_0(
    tmp_path: Path, wards: list[Ward]
) -> None:
    ward = Ward(tmp_path, QUICK)
    wards.append(ward)
    first, second = ward.series
    ward.bring(first[:2])
    ward.bring(first[2:])
    ward.bring(second)
    assert wait_until(lambda: ward.succeeded() == 2, every=0.1)
    code, said = ward.stop()
    assert code == 0
    with hilum.open(ward.home) as home:
        assert len(home.runs()) == 2
        rules = {json.loads(line).get("rule") for line in said.splitlines() if '"settled"' in line}
        assert rules == {"quiet"}
        assert home.status().outbox == 0
    assert ward.yard.quiet() == []
    events = [json.loads(line)["event"] for line in said.splitlines() if line.startswith("{")]
    assert events[0] == "serving"
    assert events[-2:] == ["draining", "stopped"]


def test_a_file_that_still_grows_is_left_alone(tmp_path: Path, wards: list[Ward]) -> None:
    ward = Ward(tmp_path, QUICK)
    wards.append(ward)
    ward.bring(ward.series[1])
    content = ward.series[0][0].read_bytes()
    with (ward.inbox / "slow.dcm").open("wb") as file:
        for start in range(0, len(content), len(content) // 20):
            file.write(content[start : start + len(content) // 20])
            file.flush()
            wait_until(lambda: False, 0.15)  # all in all ten times as long as a file has to be still
    assert wait_until(lambda: ward.succeeded() == 2, every=0.1)
    assert ward.stop()[0] == 0
    with hilum.open(ward.home) as home:
        assert home.status().arrivals == {"accepted": 5}


def test_told_to_stop_it_finishes_what_is_at_work_and_begins_nothing_new(
    tmp_path: Path, wards: list[Ward]
) -> None:
    ward = Ward(tmp_path, SLOW)
    wards.append(ward)
    for paths in ward.series:
        ward.bring(paths)
    assert wait_until(lambda: attempts(ward.home) == 1)
    code, _ = ward.stop()
    assert code == 0
    with hilum.open(ward.home) as home:
        states = sorted(run.state.value for run in home.runs())
        assert states == ["running", "succeeded"]
        assert home.query("SELECT outcome FROM attempts").column(0).to_pylist() == ["succeeded"]
    ward.start()
    assert wait_until(lambda: ward.succeeded() == 2, every=0.1)
    assert ward.stop()[0] == 0


def test_a_file_of_which_no_event_came_is_found_by_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "check.yaml").write_text(QUICK)
    paths = chest_ct(tmp_path / "ct", slices=3, rows=16, columns=16).paths
    with hilum.open(tmp_path / "home") as home:
        engine = home.engine([tmp_path / "check.yaml"])
        source = WatchedFolder(tmp_path / "inbox", home.clock, still=0.0, sweep=0.2, events=False)
        turns = iter(range(400))

        def done() -> bool:
            if next(turns) == 3:
                for path in paths:
                    shutil.copy(path, tmp_path / "inbox")
            return any(run.state == "succeeded" for run in home.runs())

        serve(engine, [source], home.clock, done)
        source.close()
        engine.close()
        assert home.status().arrivals == {"accepted": 3}
