"""Steps that misbehave within a run of others: each ends with its reason, the others with their results, and nothing
of it stays behind.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from beds.engines import Yard
from beds.homes import faults
from hilum.dicom.phantom import chest_ct

HERE = Path(__file__).parent
REASONS = {
    "hang": "timeout",
    "hog": "out-of-memory",
    "segfault": "signal-segv",
    "silent": "output-missing",
    "trespass": "write-outside",
    "desert": "exit-0",
    "patricide": "exception",
    "spam_and_fail": "hopeless",
}
FINE = ("before", "spam", "litter", "after")
LONGEST_LOG = 2 << 20

pytestmark = pytest.mark.slow


def test_steps_that_misbehave_end_with_their_reasons_and_disturb_nobody(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    for number in range(2):
        chest_ct(scans / str(number), slices=3, rows=32, columns=32, seed=number)
    before = sorted(scans.rglob("*"))
    pipelines = ("--pipeline", HERE / "villains.yaml", "--pipeline", HERE / "study.yaml")
    yard = Yard(tmp_path / "home", [scans, *pipelines], environment={"HILUM_MEMORY": "400Mi"})

    code, said = yard.start().finish()

    assert code == 1, said
    assert yard.quiet() == [], "processes were left behind"
    assert sorted(scans.rglob("*")) == before
    status = json.loads(yard.command("status", "--json").finish()[1])
    assert {task["step"]: task["reason"] for task in status["failures"]} == REASONS
    assert status["tasks"] == {"dead": 2 * len(REASONS), "blocked": 2, "succeeded": 2 * (len(FINE) + 2)}
    assert status["runs"] == {"villains": {"failed": 2}, "study-chaos": {"succeeded": 2}}
    assert faults(yard.home) == []
    assert all(log.stat().st_size < LONGEST_LOG for log in yard.home.glob("work/logs/*"))

    code, said = yard.start().finish()

    assert code == 1, said
    assert yard.quiet() == [], "processes were left behind"
    assert json.loads(yard.command("status", "--json").finish()[1])["tasks"] == status["tasks"]
