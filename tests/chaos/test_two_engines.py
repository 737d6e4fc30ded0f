"""Two engines on one home, each killed and started again at random: they share the work, take over what the other
lost, and a third finds nothing that is lost or done twice.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

from beds.engines import Engine, Yard
from beds.homes import differences, faults, snapshot, unfinished
from beds.hospital import write_hospital
from beds.moments import await_moment

KILLS = int(os.environ.get("HILUM_CHAOS_KILLS", "40")) // 8
SEED = os.environ.get("HILUM_CHAOS_SEED", "1")
HERE = Path(__file__).parent
PIPELINES = ("--pipeline", HERE / "series.yaml", "--pipeline", HERE / "study.yaml")
SOME_FAILED = 1
HURRY = 2.5

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hospital(tmp_path_factory.mktemp("two") / "hospital")


def test_two_engines_that_nobody_disturbs_do_what_one_would_have_done(hospital: Path, tmp_path: Path) -> None:
    one, two = (Yard(tmp_path / name, [hospital, *PIPELINES]) for name in ("one", "two"))
    code, said = one.start().finish()
    assert code == SOME_FAILED, said
    for engine in [two.start(), two.start()]:
        code, said = engine.finish()
        assert code == SOME_FAILED, said
        assert unfinished(two.home) == [], said
    assert differences(snapshot(one.home), snapshot(two.home)) == []
    assert faults(two.home) == []


def test_two_engines_that_are_killed_at_random_leave_a_third_nothing_to_mend(
    hospital: Path, tmp_path: Path
) -> None:
    rng = random.Random(f"two {SEED}")
    undisturbed = Yard(tmp_path / "undisturbed", [hospital, *PIPELINES])
    assert undisturbed.start().finish()[0] == SOME_FAILED
    expected = snapshot(undisturbed.home)
    kills = homes = 0
    while kills < KILLS:
        yard = Yard(tmp_path / f"home-{homes}", [hospital, *PIPELINES])
        kills += _torment(yard, rng, KILLS - kills)
        code, said = yard.start().finish()
        assert code == SOME_FAILED, said
        assert yard.quiet() == []
        found = [*faults(yard.home), *differences(expected, snapshot(yard.home))]
        assert not found, f"home {homes}, seed {SEED}: {found[:20]}"
        homes += 1
    sys.stdout.write(f"{kills} kills of two engines over {homes} homes\n")


def _torment(yard: Yard, rng: random.Random, enough: int) -> int:
    """Kill one of two and start another in its place, until one gets through; then the other, too. How many."""
    engines = [yard.start(), yard.start()]
    kills = 0
    while not any(engine.ended for engine in engines):
        victim = rng.randrange(2)
        if kills < enough and await_moment(engines[victim], yard.home, rng, HURRY):
            _kill(engines[victim], rng)
            engines[victim] = yard.start()
            kills += 1
        elif kills >= enough:
            break
    for engine in engines:
        if not engine.ended and kills < enough:
            _kill(engine, rng)
            kills += 1
        else:
            code, said = engine.finish()
            assert (code, *unfinished(yard.home)) == (SOME_FAILED,), said
    return kills


def _kill(engine: Engine, rng: random.Random) -> None:
    if rng.random() < 0.5:
        engine.kill()
    else:
        engine.kill_all()
