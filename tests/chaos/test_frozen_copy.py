"""A home copied while its engine stood still in mid-air, as a snapshot of a disk or a backup would have it: work goes
on from the copy as if the engine had been killed at that moment.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from beds.engines import Yard
from beds.homes import differences, faults, snapshot
from beds.hospital import write_hospital
from beds.moments import await_moment

COPIES = 2
HERE = Path(__file__).parent
PIPELINES = ("--pipeline", HERE / "series.yaml", "--pipeline", HERE / "study.yaml")
SOME_FAILED = 1
HURRY = 2.5

pytestmark = pytest.mark.slow


def test_work_goes_on_from_copies_of_a_home_at_work_and_from_the_home_itself(tmp_path: Path) -> None:
    hospital = write_hospital(tmp_path / "hospital")
    yard = Yard(tmp_path / "home", [hospital, *PIPELINES])
    rng = random.Random(1)
    copies: list[Path] = []
    engine = yard.start()
    while len(copies) < COPIES and await_moment(engine, yard.home, rng, HURRY):
        engine.freeze()
        copies.append(tmp_path / f"copy-{len(copies)}")
        shutil.copytree(yard.home, copies[-1], symlinks=True)
        engine.thaw()
    code, said = engine.finish()
    assert code == SOME_FAILED, said
    assert copies
    expected = snapshot(yard.home)
    assert faults(yard.home) == []
    for copy in copies:
        code, said = Yard(copy, yard.arguments).start().finish()
        assert code == SOME_FAILED, said
        assert differences(expected, snapshot(copy)) == []
        assert faults(copy) == []
