"""What the public names of Hilum promise to a type checker; checked by mypy --strict, never run.

A line that must be refused carries the ignore that it needs: were it accepted, the ignore would be unused, and mypy
says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import pyarrow as pa

import hilum
from hilum.engine.doctor import Finding
from hilum.engine.engine import RunReport
from hilum.engine.export import Exported
from hilum.engine.lineage import Lineage
from hilum.engine.planner import Due
from hilum.ledger.interface import RunInfo, Summary
from hilum.model.arrival import Quarantined
from hilum.pipeline.document import StepSpec

NUMBER = hilum.Code("118565006", "SCT", "Volume")


class Choice(hilum.Parameters):
    threshold: float = 300


@hilum.step(
    "volume",
    version="2",
    outputs=[hilum.Output("mask", "mask.nii.gz", "application/gzip", required=False)],
    measurements=[hilum.Measure("volume", NUMBER, "mL", kind="number")],
)
def volume(ctx: hilum.Context, parameters: Choice) -> None:
    found = ctx.volume()
    assert_type(found, hilum.Volume)
    assert_type(found.unit, str)
    assert_type(found.spacing, tuple[float, float, float])
    assert_type(ctx.output("mask"), Path)
    assert_type(ctx.needs["qc"].file("findings"), Path)
    assert_type(ctx.needs["qc"].measurements["slices"], float | int | str | bool)
    ctx.measure("volume", 1.5, region="left", instances=["1.2.3"], unit="mL")
    ctx.measure("volume", b"1.5")  # type: ignore[arg-type]
    ctx.progress(0.5, "half")
    raise hilum.StepError("nothing to measure", reason="nothing", hint="choose another series")


assert_type(volume, hilum.Step)
assert_type(volume.code, dict[str, str])
hilum.Measure("volume", NUMBER, kind="float")  # type: ignore[arg-type]
hilum.Output(path="mask.nii.gz")  # type: ignore[call-arg]

CHEST = hilum.declare(
    "chest",
    when='Modality == "CT"',
    steps={
        "qc": "qc",
        "volume": hilum.use(volume, parameters=Choice(threshold=200), needs=["qc"], condition="qc.regular"),
    },
)
assert_type(CHEST, hilum.Pipeline)
assert_type(hilum.use("qc", parameters={"decode": 2}, timeout="5m"), StepSpec)


def use_a_home() -> None:
    with hilum.open("./.hilum", slots=2) as home:
        assert_type(home, hilum.Home)
        assert_type(home.settings, hilum.Settings)
        report = home.run("./scans", Path("more"), pipelines=[CHEST, "chest.yaml", Path("other.yaml")])
        assert_type(report, RunReport)
        home.run(3)  # type: ignore[arg-type]
        table = home.query("SELECT 1 WHERE ? > 2", [3])
        assert_type(table, pa.Table)
        assert_type(home.status(), Summary)
        assert_type(home.runs(limit=3), list[RunInfo])
        for run in home.runs():
            assert_type(run.state, hilum.RunState)
        for task in home.ledger.tasks([report.runs[0].id]):
            assert_type(task.state, hilum.TaskState)
        assert_type(home.plan([CHEST]), list[Due])
        assert_type(home.lineage("a-0123456789abcdef"), Lineage)
        assert_type(home.lineage(Path("volume.nii.gz")).as_json(), dict[str, Any])
        assert_type(home.export("out", "{PatientID}", steps=["nifti"]), Iterator[Exported])
        assert_type(home.quarantine(), list[Quarantined])
        assert_type(home.release("q-0123456789abcdef", keep="new"), Quarantined)
        assert_type(home.retry(), list[str])
        assert_type(home.close_subjects(["1.2.3"]), list[str])
        assert_type(home.doctor(deep=True), Iterator[Finding])
        assert_type(home.mend(), list[str])


def handle(error: hilum.HilumError) -> bool:
    assert_type(error.reason, str)
    assert_type(error.hint, str)
    if isinstance(error, (hilum.UsageError, hilum.StepError)):
        assert isinstance(error, hilum.TerminalError)
    if isinstance(error, hilum.TransientError):
        assert_type(error.transient, bool)
    return error.transient


assert_type(hilum.__version__, str)
