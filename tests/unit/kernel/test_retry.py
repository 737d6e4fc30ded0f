import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.kernel.retry import backoff_seconds

attempts = st.integers(1, 10_000)
bases = st.floats(0.001, 1000)
caps = st.floats(0.001, 10_000)
seeds = st.integers(0, 2**32)


@given(attempts, bases, caps, seeds)
def test_the_wait_is_between_half_and_the_whole_of_the_doubled_base_and_never_above_the_cap(
    attempt, base, cap, seed
):
    wait = backoff_seconds(attempt, base=base, cap=cap, rng=random.Random(seed))
    ceiling = min(cap, base * 2.0 ** min(attempt - 1, 32))
    assert ceiling / 2 <= wait <= ceiling


@given(st.integers(1, 20), seeds)
def test_each_wait_is_longer_than_the_one_before_until_the_cap(attempt, seed):
    rng = random.Random(seed)
    earlier = backoff_seconds(attempt, base=1, cap=1e12, rng=rng)
    assert backoff_seconds(attempt + 1, base=1, cap=1e12, rng=rng) >= earlier


def test_those_that_failed_together_do_not_return_together():
    rng = random.Random(7)
    waits = {round(backoff_seconds(3, base=10, rng=rng), 3) for _ in range(100)}
    assert len(waits) > 90


def test_attempts_are_counted_from_one():
    with pytest.raises(ValueError, match="counts from 1"):
        backoff_seconds(0)
