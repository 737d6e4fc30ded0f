"""What becomes of attempts when the Docker engine goes away, and of what an engine of ours left half done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from beds.attempts import collect, run
from beds.docker_engine import DockerEngine, docker_engine_running, missing
from beds.executor_suite import IMAGE, Bench, at_work
from beds.images import docker_archive
from hilum.executors.docker import attempt
from hilum.executors.docker.engine import EngineGone
from hilum.executors.docker.executor import DockerExecutor
from hilum.model.work import AttemptOutcome

pytestmark = pytest.mark.docker


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DockerEngine]:
    """An engine of the test's own, in place of the one that others share."""
    if why := missing():
        pytest.skip(why)
    with docker_engine_running() as engine:
        engine.load(docker_archive(tmp_path / "steps.tar", IMAGE))
        yield engine


class TestOutages:
    def test_an_engine_that_comes_back_has_lost_what_ran(self, engine: DockerEngine, bench: Bench) -> None:
        with bench.executor() as executor:
            spec = bench.spec("stubborn")
            at_work(executor, spec, "at work")
            engine.kill()
            engine.start()
            [report], _ = collect(executor, 1)
            assert (report.outcome, report.reason) == (AttemptOutcome.LOST, "engine-gone")
            assert report.failed_step == ""
            [again] = run(executor, bench.spec("sizes"))
            assert again.outcome is AttemptOutcome.SUCCEEDED
        assert bench.left() == []

    def test_an_engine_that_stays_away(
        self, engine: DockerEngine, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(attempt, "PATIENCE", 1.0)
        with bench.executor() as executor:
            running, new = bench.spec("stubborn"), bench.spec("sizes")
            at_work(executor, running, "at work")
            engine.kill()
            executor.submit(new)
            reports, _ = collect(executor, 2)
            assert {(each.outcome, each.reason) for each in reports} == {(AttemptOutcome.LOST, "engine-gone")}
            engine.start()
            assert bench.left()
            executor.adopt([])
            assert bench.left() == []

    def test_without_one_there_is_no_executor(self, tmp_path: Path) -> None:
        with pytest.raises(EngineGone):
            DockerExecutor(tmp_path, host=f"unix://{tmp_path}/nothing.sock")
