"""What has just arrived is not starved: not by a backfill, and not by a pipeline that keeps failing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import hilum
from hilum.dicom.phantom import many_instances
from hilum.engine.engine import Engine
from hilum.engine.observe import Observer
from hilum.ledger.interface import Claim, Finished
from hilum.model.work import RunState
from hilum.sources.folder import FolderSource

STEPS = """
import time
from hilum import Context, TransientError, step

@step("wait")
def wait(ctx: Context) -> None:
    time.sleep(0.02)

@step("fail")
def fail(ctx: Context) -> None:
    raise TransientError("not today", reason="not-today")
"""
OLD, NEW = "NumberOfInstances == 1", "NumberOfInstances == 2"


def pipeline(name: str, step: str, when: str, more: str = "", of_step: str = "") -> str:
    return f"name: {name}\nwhen: {when}\n{more}\nsteps:\n  only: {{uses: ./steps.py:{step}{of_step}}}\n"


class Watcher(Observer):
    """Keeps the order in which attempts began, and how many of a pipeline were at work at once."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.at_work: dict[str, int] = {}
        self.most: dict[str, int] = {}

    def started(self, claim: Claim) -> None:
        name = claim.run.pipeline
        self.began.append(name)
        self.at_work[name] = self.at_work.get(name, 0) + 1
        self.most[name] = max(self.most.get(name, 0), self.at_work[name])

    def finished(self, finished: Finished) -> None:
        self.at_work[finished.claim.run.pipeline] -= 1


class Scene:
    """A home with twenty series to catch up on, and one series that arrives while an engine is at it."""

    def __init__(self, folder: Path, pipelines: dict[str, str]) -> None:
        self.folder = folder
        (folder / "steps.py").write_text(STEPS)
        for name, text in pipelines.items():
            (folder / f"{name}.yaml").write_text(text)
        list(many_instances(folder / "old", 20, per_series=1))
        self.home = hilum.open(folder / "home", slots=2)
        self.watcher = Watcher()
        self.engine: Engine = self.home.engine([folder / f"{name}.yaml" for name in pipelines], self.watcher)
        self.take_in("old")

    def take_in(self, name: str) -> None:
        taken = self.engine.take_in(FolderSource([self.folder / name], self.home.clock))
        self.home.ledger.close_subjects(taken.subjects)
        self.engine.settler.settle()
        self.engine.planner.plan()

    def arrive(self) -> None:
        list(many_instances(self.folder / "new", 2, per_series=2, seed=9))
        self.take_in("new")

    def tick(self) -> None:
        self.engine.dispatcher.tick(0.5)

    def until_done(self, pipeline: str) -> None:
        for _ in range(400):
            if self.states(pipeline) == {RunState.SUCCEEDED}:
                return
            self.tick()
        pytest.fail(f"{pipeline} was starved: {self.watcher.began}")

    def states(self, pipeline: str) -> set[RunState]:
        return {run.state for run in self.home.runs() if run.pipeline == pipeline}

    def open_runs(self, pipeline: str) -> int:
        return sum(run.pipeline == pipeline and run.finished_at is None for run in self.home.runs())


@pytest.fixture
def scenes() -> Iterator[list[Scene]]:
    made: list[Scene] = []
    yield made
    for scene in made:
        scene.engine.close()
        scene.home.close()


def test_a_backfill_waits_for_what_has_just_arrived(tmp_path: Path, scenes: list[Scene]) -> None:
    scene = Scene(
        tmp_path,
        {
            "backfill": pipeline("backfill", "wait", OLD, "priority: 0"),
            "fresh": pipeline("fresh", "wait", NEW),
        },
    )
    scenes.append(scene)
    for _ in range(3):
        scene.tick()
    scene.arrive()
    before = len(scene.watcher.began)
    scene.until_done("fresh")
    assert scene.watcher.began[before] == "fresh"
    assert scene.open_runs("backfill") > 5


def test_a_pipeline_that_keeps_failing_starves_nobody(tmp_path: Path, scenes: list[Scene]) -> None:
    scene = Scene(
        tmp_path,
        {
            "hopeless": pipeline("hopeless", "fail", OLD, of_step=", retry: {attempts: 100, backoff: 0s}"),
            "fresh": pipeline("fresh", "wait", NEW),
        },
    )
    scenes.append(scene)
    for _ in range(10):
        scene.tick()
    scene.arrive()
    scene.until_done("fresh")
    assert scene.open_runs("hopeless") == 20


def test_pipelines_of_one_priority_take_turns(tmp_path: Path, scenes: list[Scene]) -> None:
    scene = Scene(tmp_path, {"big": pipeline("big", "wait", OLD), "small": pipeline("small", "wait", NEW)})
    scenes.append(scene)
    for _ in range(3):
        scene.tick()
    scene.arrive()
    scene.until_done("small")
    assert scene.open_runs("big") > 5


def test_a_pipeline_never_takes_more_places_than_its_limit(tmp_path: Path, scenes: list[Scene]) -> None:
    scene = Scene(tmp_path, {"limited": pipeline("limited", "wait", OLD, "max_running: 1")})
    scenes.append(scene)
    scene.until_done("limited")
    assert scene.watcher.most == {"limited": 1}
