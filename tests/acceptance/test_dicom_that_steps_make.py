"""DICOM that a step made is a series of its own, whoever dies and whatever is away in between."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import hilum
from beds.faults import Refused, Request, faulty
from beds.gcs import CloudStorage
from hilum.dicom.phantom import chest_ct
from hilum.engine.derive import makers
from hilum.storage.gcs import client

STEP = """
from hilum import Context, Output, step

@step("derive", outputs=[Output("made", "made.dcm", "application/dicom")])
def derive(ctx: Context) -> None:
    first = sorted(ctx.instances, key=lambda each: each.sop_instance_uid)[0]
    data = first.path.read_bytes()
    for uid in (first.sop_instance_uid, first.series_instance_uid):
        data = data.replace(uid.encode(), (uid[:-1] + ("8" if uid[-1] == "9" else "9")).encode())
    ctx.output("made").write_bytes(data)
"""
DERIVE = "name: derive\nsteps:\n  derive: {uses: ./derive.py:derive, retry: {attempts: 3, backoff: 0s}}\n"
LOOK = "name: look\nsteps: {qc: {uses: qc}}\n"
DIES = """
import os, signal, sys
import hilum
from hilum.engine.derive import makers

home = hilum.open(sys.argv[1])

def stop():
    if any(makers(each.facts) for each in home.ledger.open_subjects()):
        os.kill(os.getpid(), signal.SIGKILL)
    return False

home.run(sys.argv[2], pipelines=sys.argv[3:], stop=stop)
"""


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return chest_ct(tmp_path / "scans" / "ct", slices=3, rows=16, columns=16).paths[0].parent


@pytest.fixture
def pipelines(tmp_path: Path) -> list[Path]:
    (tmp_path / "derive.py").write_text(STEP)
    found = []
    for name, text in (("derive", DERIVE), ("look", LOOK)):
        found.append(tmp_path / f"{name}.yaml")
        found[-1].write_text(text)
    return found


def made(home: hilum.Home) -> list[str]:
    """Pipelines of the runs on series that a task made, and how they ended."""
    subjects = {each.id for each in home.ledger.subjects() if makers(each.facts)}
    return sorted(f"{run.pipeline} {run.state.value}" for run in home.runs() if run.subject_id in subjects)


def test_an_engine_that_dies_before_it_closes_the_series_leaves_that_to_the_next_run(
    scans: Path, pipelines: list[Path], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    died = subprocess.run([sys.executable, "-c", DIES, home, scans, *pipelines], check=False)
    assert died.returncode == -9
    with hilum.open(home) as opened:
        assert made(opened) == []
        opened.run(scans, pipelines=pipelines)
        assert "look succeeded" in made(opened)
        assert not opened.ledger.open_subjects()


def test_storage_that_is_away_while_it_is_read_costs_the_task_a_try_and_not_the_engine_its_turn(
    scans: Path,
    pipelines: list[Path],
    bucket: str,
    cloud_storage: CloudStorage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only the engine reads what the step made, and it is refused more often than Google's client tries."""
    monkeypatch.setattr(client, "PATIENCE", 0.1)
    client.retries.cache_clear()
    refused: list[str] = []

    def rule(request: Request) -> Refused | None:
        reads = request.method == "GET" and "made.dcm" in request.path
        if not reads or len(refused) >= 2:
            return None
        refused.append(request.path)
        return Refused(503)

    with faulty(cloud_storage.host) as proxy:
        proxy.rule = rule
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        with hilum.open(tmp_path / "home", store=f"gs://{bucket}/hilum", slots=1) as home:
            report = home.run(scans, pipelines=pipelines)
            tried = home.query("SELECT outcome FROM attempts").num_rows
            assert {run.state.value for run in report.runs} == {"succeeded"}
            assert "look succeeded" in made(home)
    client.retries.cache_clear()
    assert refused
    assert tried > len(report.runs)
