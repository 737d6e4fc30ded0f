"""kill -9 at any moment, of the engine, of what it started, or of all at once, again and again on one home: when a
run gets through at last, nothing may tell that home from one that nobody disturbed.

HILUM_CHAOS_KILLS says how many; HILUM_CHAOS_SEED where chance starts.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import hilum
from beds.engines import Engine, Yard, signal_all
from beds.homes import Snapshot, broken_artifacts, differences, faults, litter, snapshot, unfinished
from beds.hospital import write_hospital
from beds.moments import await_moment

KILLS = int(os.environ.get("HILUM_CHAOS_KILLS", "40"))
SEED = int(os.environ.get("HILUM_CHAOS_SEED", "1"))
SHARES = 4
"""Tests among which the kills are shared, so that they can run side by side."""
HERE = Path(__file__).parent
PIPELINES = ("--pipeline", HERE / "series.yaml", "--pipeline", HERE / "study.yaml")
SOME_FAILED = 1

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hospital(tmp_path_factory.mktemp("kill") / "hospital")


@pytest.fixture(scope="module")
def undisturbed(hospital: Path) -> tuple[Snapshot, float]:
    """What a home holds that nobody disturbed, and the seconds that it took."""
    home = hospital.parent / "undisturbed"
    started = time.monotonic()
    code, said = Yard(home, [hospital, *PIPELINES]).start().finish()
    took = time.monotonic() - started
    assert code == SOME_FAILED, said
    assert faults(home) == []
    return snapshot(home), took


@pytest.mark.parametrize("share", range(SHARES))
def test_a_home_whose_engines_and_workers_were_killed_at_random_is_like_one_that_nobody_disturbed(
    share: int,
    hospital: Path,
    undisturbed: tuple[Snapshot, float],
    tmp_path: Path,
) -> None:
    expected, took = undisturbed
    rng = random.Random(f"{SEED} {share}")
    struck: Counter[str] = Counter()
    homes = 0
    while struck.total() < KILLS // SHARES:
        home = tmp_path / f"home-{homes}"
        _torment(Yard(home, [hospital, *PIPELINES]), rng, took, struck, KILLS // SHARES)
        found = [*faults(home), *differences(expected, snapshot(home))]
        found += _litter_after_mending(home)
        assert not found, f"home {homes} of share {share}, seed {SEED}, after {dict(struck)}: {found[:20]}"
        shutil.rmtree(home)
        homes += 1
    sys.stdout.write(f"{struck.total()} kills over {homes} homes: {dict(sorted(struck.items()))}\n")


def _torment(yard: Yard, rng: random.Random, took: float, struck: Counter[str], enough: int) -> None:
    """Start engines on one home and strike them, until one gets through or enough were struck."""
    while True:
        engine = yard.start()
        while struck.total() < enough and (moment := await_moment(engine, yard.home, rng, took)):
            victim = _strike(engine, rng)
            struck[f"{victim} {moment}"] += 1
            if engine.ended:
                break
        else:
            code, said = engine.finish()
            assert (code, *unfinished(yard.home)) == (SOME_FAILED,), said
            assert yard.quiet() == [], "processes were left behind"
            return


def _litter_after_mending(root: Path) -> list[str]:
    """What killed writers left, once it is old enough to be known for that and `doctor --mend` was asked."""
    for path in root.rglob(".part-*"):
        os.utime(path, (0, 0))
    with hilum.open(root) as home:
        home.mend()
        home.warehouse.compact()
    return [*litter(root), *broken_artifacts(root)]


def _strike(engine: Engine, rng: random.Random) -> str:
    """Kill one or all; who it was."""
    below = engine.below()
    chance = rng.random()
    if chance < 0.3 and below:
        signal_all([rng.choice(below)], signal.SIGKILL)
        return "worker"
    if chance < 0.55:
        engine.kill_all()
        return "all"
    engine.kill()
    return "engine"
