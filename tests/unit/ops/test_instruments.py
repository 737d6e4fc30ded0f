import re

import pytest

from hilum.kernel.disclosure import FIELDS
from hilum.ops.instruments import INSTRUMENTS, NONE, UNTOLD, Instrument, summed, told

ALL = list(INSTRUMENTS.values())
TASKS = INSTRUMENTS["hilum.tasks"]


def test_a_prometheus_name_follows_from_name_unit_and_kind():
    assert Instrument("hilum.queue.wait", "s", "gauge", "").prometheus == "hilum_queue_wait_seconds"
    assert Instrument("hilum.attempts", "{attempt}", "counter", "").prometheus == "hilum_attempts_total"
    assert Instrument("hilum.read", "By", "counter", "").prometheus == "hilum_read_bytes_total"


@pytest.mark.parametrize("instrument", ALL, ids=lambda each: each.name)
def test_units_are_ucums_and_names_fit_both_sides(instrument):
    assert instrument.unit == "s" or re.fullmatch(r"\{[a-z]+\}", instrument.unit), "seconds, or an annotation"
    assert re.fullmatch(r"hilum(\.[a-z_]+)+", instrument.name), "OpenTelemetry's instrument names"
    assert re.fullmatch(r"[a-z][a-z_]*", instrument.prometheus)


@pytest.mark.parametrize("instrument", ALL, ids=lambda each: each.name)
def test_an_attribute_is_a_field_that_may_be_told_and_no_id(instrument):
    for name in instrument.attributes:
        assert not FIELDS[name].startswith(("an id", "12 to 64")), "as many values as runs"


def test_no_two_instruments_have_one_name_in_prometheus():
    assert len({each.prometheus for each in ALL}) == len(ALL)


def test_a_value_that_may_not_be_told_becomes_other_and_an_empty_one_none():
    assert told(TASKS, {"state": "dead", "reason": "MARKER^JANE"}) == {"state": "dead", "reason": UNTOLD}
    assert told(TASKS, {"state": "waiting", "reason": ""}) == {"state": "waiting", "reason": NONE}


def test_points_that_become_alike_are_added_up():
    points = [({"state": "dead", "reason": "Doe^J"}, 2), ({"state": "dead", "reason": "Roe^R"}, 3)]
    assert summed(TASKS, points) == [({"state": "dead", "reason": UNTOLD}, 5)]


def test_other_attributes_than_the_instruments_are_refused():
    with pytest.raises(ValueError, match="has the attributes"):
        told(TASKS, {"state": "dead", "patient": "x"})
