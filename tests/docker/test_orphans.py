"""What an engine of ours that was killed in the middle of something left, and what the next one makes of it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from beds.attempts import run
from beds.docker_engine import DockerEngine
from beds.executor_suite import IMAGE, Bench
from hilum.executors.docker.home import Held, Home
from hilum.model.codec import to_json
from hilum.model.work import AttemptOutcome, AttemptSpec


def left_behind(engine: DockerEngine, bench: Bench, spec: AttemptSpec, *how: str) -> Path:
    """An attempt's folder and container as an engine that is dead now made them; ``how`` is docker's command."""
    home = Home(Path(bench.settings["work"]))
    held = home.make(spec)
    os.close(held.lock)
    labels = [f"--label={name}={value}" for name, value in home.labels(spec).items()]
    engine.docker(*how, *labels, "--entrypoint", "/bin/true", IMAGE.name)
    return held.folder


def test_a_container_that_was_never_started_is_not_adopted(engine: DockerEngine, bench: Bench) -> None:
    spec = bench.spec("sizes")
    left_behind(engine, bench, spec, "create")
    with bench.executor() as executor:
        assert list(executor.adopt([spec.id])) == []
        assert bench.left() == []
        [report] = run(executor, spec)
        assert report.outcome is AttemptOutcome.SUCCEEDED


def test_outputs_that_are_half_collected_are_not_collected_again(engine: DockerEngine, bench: Bench) -> None:
    spec = bench.spec("sizes")
    folder = left_behind(engine, bench, spec, "run", "--detach")
    Held(spec.id, folder, -1).begin_collecting()
    with bench.executor() as executor:
        assert list(executor.adopt([spec.id])) == []
    assert bench.left() == []


@pytest.mark.parametrize("written", ["", "{", json.dumps({"id": "g-1.1"})])
def test_a_folder_without_a_whole_spec_is_removed(bench: Bench, written: str) -> None:
    folder = Path(bench.settings["work"]) / "docker" / "g-0000000000000001.1"
    folder.mkdir()
    (folder / "spec.json").write_text(written)
    with bench.executor() as executor:
        assert list(executor.adopt([folder.name])) == []
    assert bench.left() == []


def test_another_homes_containers_are_none_of_ours(
    engine: DockerEngine, bench: Bench, tmp_path: Path
) -> None:
    spec = bench.spec("sizes")
    other = Home(tmp_path / "other")
    labels = [f"--label={name}={value}" for name, value in other.labels(spec).items()]
    made = engine.docker("create", *labels, IMAGE.name).strip()
    try:
        with bench.executor() as executor:
            assert list(executor.adopt([spec.id])) == []
        assert engine.docker("ps", "--all", "--quiet", "--no-trunc").split().count(made) == 1
    finally:
        engine.docker("rm", made)


def test_a_spec_is_read_as_it_was_written(bench: Bench, tmp_path: Path) -> None:
    spec = bench.spec("sizes", env={"A": "b"}, outputs={"sizes": "*.txt"})
    held = Home(tmp_path / "home").make(spec)
    assert to_json(held.spec()) == to_json(spec)
    held.release()
    assert not held.folder.exists()


def test_a_home_that_cannot_be_written_loses_attempts_and_goes_on(bench: Bench) -> None:
    folder = Path(bench.settings["work"]) / "docker"
    with bench.executor() as executor:
        shutil.rmtree(folder)
        [report] = run(executor, bench.spec("sizes"))
        assert (report.outcome, report.reason) == (AttemptOutcome.LOST, "no-folder")
        folder.mkdir()
        [report] = run(executor, bench.spec("sizes"))
        assert report.outcome is AttemptOutcome.SUCCEEDED
