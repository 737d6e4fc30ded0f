"""A rehearsal: the container's paths become folders, and no process outlives it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hilum.errors import StepError
from hilum.steps.contracts.interface import Invocation, Mount
from hilum.steps.contracts.rehearsal import here, running

MOUNTS = (Mount("/data", "in"), Mount("/data/models", "in", "model"), Mount("/out", "out"))


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("/data", "/a/in"),
        ("/data/x.dcm", "/a/in/x.dcm"),
        ("--to=/out/", "--to=/a/out/"),
        ("/data/models/w", "/a/in/model/w"),
        ("read /data, write /out", "read /a/in, write /a/out"),
        ("/database", "/database"),
        ("/data-2", "/data-2"),
        ("/my/data", "/my/data"),
        ("s3:/out", "s3:/a/out"),
    ],
)
def test_a_folder_stands_where_the_container_had_its_mount(word: str, meant: str) -> None:
    assert here(word, Invocation(MOUNTS), Path("/a")) == meant


def test_a_program_that_is_left_early_is_ended(tmp_path: Path) -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    invocation = Invocation(MOUNTS, (sys.executable, "-c", program))
    pids = []

    def leave() -> None:
        with running(invocation, tmp_path) as process:
            assert process.stdout is not None
            pids.append(int(process.stdout.readline()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave()
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_nothing_to_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(StepError) as refused:
        with running(Invocation(MOUNTS), tmp_path):
            pass
    assert refused.value.reason == "no-command"
