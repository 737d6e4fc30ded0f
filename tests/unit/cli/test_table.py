from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.cli.table import LEAST, cells, cut, fit, table, text


def plain(shown, _value):
    return shown


def drawn(rows, width=80):
    return list(table(rows, list(rows[0]), width, plain, plain))


def test_columns_are_aligned_and_numbers_stand_to_the_right():
    assert drawn([{"name": "qc", "n": 5}, {"name": "intensity", "n": 1200}]) == [
        "name          n",
        "qc            5",
        "intensity  1200",
    ]


def test_the_widest_column_is_cut_first():
    lines = drawn([{"id": "a-0123", "detail": "x" * 200}], width=40)
    assert lines[1] == "a-0123  " + "x" * 31 + "…"


def test_of_a_path_the_end_is_kept():
    assert cut("/scans/ward/patient/series/IM0001.dcm", 16) == "…ries/IM0001.dcm"
    assert cut("a long text that says much", 10) == "a long te…"


def test_rows_of_too_many_columns_become_records():
    rows = [{f"column {number}": "x" * 30 for number in range(20)} | {"empty": None}]
    lines = drawn(rows, width=60)
    assert lines[0] == "row 1"
    assert len(lines) == 21
    assert all(cells(line) <= 60 for line in lines)


def test_wide_characters_take_two_cells_and_marks_none():
    assert cells("山田") == 4
    assert cells("e\u0301") == 1
    lines = drawn([{"name": "山田", "n": "x"}, {"name": "abcd", "n": "y"}])
    assert [line.index("x") if "x" in line else line.index("y") for line in lines[1:]] == [4, 6]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "yes"),
        (1.23456789, "1.23457"),
        (["a", 1], '["a", 1]'),
        ("a\tb\nc\x1b[2Jd\x9be", "a b c [2Jd e"),
        ({"at": datetime(2026, 1, 1, tzinfo=UTC)}, '{"at": "2026-01-01T00:00:00+00:00"}'),
    ],
)
def test_a_value_is_one_line_that_no_terminal_obeys(value, shown):
    assert text(value) == shown


@given(st.lists(st.integers(0, 300), min_size=1, max_size=12), st.integers(1, 200))
def test_columns_always_fit_or_are_refused(widths, room):
    fitting = fit(widths, room)
    if fitting is None:
        assert sum(min(width, LEAST) for width in widths) > room
    else:
        assert sum(fitting) <= max(room, 0)
        assert all(min(width, LEAST) <= new <= width for new, width in zip(fitting, widths, strict=True))


@given(st.text(max_size=60), st.integers(1, 40))
def test_what_is_cut_is_never_wider_than_asked(shown, width):
    assert cells(cut(shown, width)) <= width
