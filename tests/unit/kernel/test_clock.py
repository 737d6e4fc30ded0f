from datetime import UTC, datetime, timedelta

from hilum.kernel.clock import ManualClock, SystemClock


def test_a_manual_clock_stands_still_until_it_is_told_otherwise():
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    assert clock.now() == clock.now() == datetime(2026, 3, 1, tzinfo=UTC)
    clock.advance(90)
    assert clock.now() == datetime(2026, 3, 1, 0, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == 90


def test_a_jump_of_the_wall_clock_leaves_durations_alone():
    clock = ManualClock()
    before = clock.now()
    clock.jump(-3600)
    assert clock.now() == before - timedelta(hours=1)
    assert clock.monotonic() == 0


def test_the_system_clock_is_aware_of_its_zone_and_never_goes_back():
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()
