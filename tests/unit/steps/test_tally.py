from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.steps.builtin.tally import Tally, bin_counts, distinct, statistics

values_lists = st.lists(
    st.lists(st.integers(-3000, 3000), min_size=1, max_size=40), min_size=1, max_size=5
) | st.lists(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), min_size=1, max_size=5)


@given(values_lists, st.integers(1, 50))
def test_counting_in_pieces_is_exact(pieces: list[list[float]], bins: int) -> None:
    tally = Tally()
    for piece in pieces:
        tally.add(*distinct(np.asarray(piece)))
    everything = np.concatenate([np.asarray(piece, np.float64) for piece in pieces])
    found = statistics(tally, [5])
    assert found["median"] == pytest.approx(np.median(everything), abs=1e-9)
    assert found["percentile_5"] == pytest.approx(np.percentile(everything, 5), abs=1e-9)
    assert found["standard_deviation"] == pytest.approx(everything.std(), abs=1e-6)
    histogram = bin_counts(tally, bins)
    assert sum(histogram["counts"]) == tally.total == everything.size
    assert 1 <= len(histogram["counts"]) <= bins
