"""kill -9 while an engine finds the files of a home at another place: whichever copy of the truth it was changing,
the next one ends with everybody knowing where the files are.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from beds.engines import Yard, wait_until
from beds.homes import faults
from beds.hospital import write_hospital
from beds.moments import arrivals, instances_at

KILLS = int(os.environ.get("HILUM_CHAOS_KILLS", "40")) // 10
PIPELINE = ("--pipeline", Path(__file__).parent / "study.yaml")
SOME_QUARANTINED = 1

pytestmark = pytest.mark.slow


def test_a_folder_that_moved_is_found_however_often_the_engine_was_killed_while_it_looked(
    tmp_path: Path,
) -> None:
    old, new = write_hospital(tmp_path / "old"), tmp_path / "new"
    home = tmp_path / "home"
    assert Yard(home, [old, *PIPELINE]).start().finish()[0] == SOME_QUARANTINED
    old.rename(new)
    rng = random.Random(1)
    for number in range(KILLS):
        copy = tmp_path / f"home-{number}"
        shutil.copytree(home, copy, symlinks=True)
        yard = Yard(copy, [new, *PIPELINE])
        _kill_while_it_finds(yard, new, rng.randrange(8))
        code, said = yard.start().finish()
        assert code in (0, SOME_QUARANTINED), said
        assert yard.quiet() == []
        assert faults(copy) == []
        assert instances_at(copy, old) == 0
        assert not any(old.as_uri() in path.read_text() for path in copy.glob("store/revisions/*"))


def _kill_while_it_finds(yard: Yard, folder: Path, enough: int) -> None:
    """Start an engine, and kill it once more than ``enough`` instances are known to be there, or the arrivals are."""
    engine, known = yard.start(), arrivals(yard.home)
    wait_until(
        lambda: engine.ended or arrivals(yard.home) > known or instances_at(yard.home, folder) > enough,
        every=0.0005,
    )
    engine.kill()
