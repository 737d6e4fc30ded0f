"""An engine of ours that is not root, as on a laptop: it must read and remove what steps leave."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from beds.attempts import Subject
from beds.docker_engine import DockerEngine
from beds.dying_engine import DyingEngine
from beds.executor_suite import Bench
from hilum.model.image import Security

SOMEBODY = 1234


@pytest.fixture
def theirs(engine: DockerEngine, bench: Bench) -> Iterator[Bench]:
    """A bench whose files are somebody's, who may talk to the engine."""
    folder = engine.folder / "somebody"
    own = replace(
        bench,
        settings={**bench.settings, "work": str(folder / "work")},
        subject=Subject(folder / "subject"),
    )
    (folder / "work").mkdir()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, SOMEBODY, SOMEBODY)
    socket = engine.folder / "docker.sock"
    socket.chmod(0o666)
    yield own
    socket.chmod(0o660)
    shutil.rmtree(folder)


def test_steps_run_as_the_engines_own_user(theirs: Bench) -> None:
    spec = theirs.spec("look")
    engine = DyingEngine(theirs.kind, theirs.settings, [spec], SOMEBODY)
    engine.hear(1, "succeeded")
    engine.kill()
    [found] = theirs.subject.folder.rglob("found.json")
    told = json.loads(found.read_text())
    assert (told["user"], told["write_out"], told["write_in"]) == (SOMEBODY, "done", "Read-only file system")


@pytest.mark.parametrize("ours", [True, False])
def test_what_is_locked_is_removed_if_it_is_ones_own(theirs: Bench, ours: bool) -> None:
    spec = theirs.spec("lock_up", security=Security() if ours else Security(user=1))
    engine = DyingEngine(theirs.kind, theirs.settings, [spec], SOMEBODY)
    engine.hear(1, "failed")
    folder = Path(theirs.settings["work"]) / "docker" / spec.id
    end = time.monotonic() + 10
    while folder.exists() and ours and time.monotonic() < end:
        time.sleep(0.05)
    engine.kill()
    assert folder.exists() != ours
