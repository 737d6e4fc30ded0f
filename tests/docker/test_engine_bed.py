"""The bed itself: what it starts it undoes, also when it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from beds import docker_engine as bed
from beds.docker_engine import DockerEngine
from beds.executor_suite import IMAGE

pytestmark = pytest.mark.docker

TESTS = Path(__file__).parents[1]


def test_it_is_seen_nowhere_but_in_its_folder(engine: DockerEngine) -> None:
    said = engine.docker("run", "--detach", "--entrypoint", "/bin/sleep", IMAGE.name, "600")
    try:
        assert not any("docker0" in trace or str(engine.folder) in trace for trace in bed.traces())
        assert (engine.folder / "docker.sock").exists()
    finally:
        engine.docker("rm", "--force", said.strip())


def test_its_own_check_finds_nothing_left() -> None:
    check = [sys.executable, "-m", "beds.docker_engine", "--check"]
    done = subprocess.run(check, cwd=TESTS, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("left: nothing")) == (0, 2), done.stdout + done.stderr


def test_a_test_run_that_is_killed_takes_its_engine_along() -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "beds.docker_engine"],
        cwd=TESTS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    folder = Path(run.stdout.readline().strip().removeprefix("unix://")).parent
    assert (folder / "docker.sock").exists()
    os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    bed.wait_until_left(folder)
    bed.remove_leftovers()
    assert bed.remains(folder) == set()
