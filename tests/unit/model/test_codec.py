import dataclasses
import json
import types
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilum.model.arrival import Arrival, Quarantined, Received
from hilum.model.codec import from_json, to_json
from hilum.model.subject import Member, Revision, Subject
from hilum.model.work import AttemptReport, AttemptSpec, Manifest, RunPlan, TaskResult

SENT = [
    Arrival,
    Received,
    Quarantined,
    Subject,
    Member,
    Revision,
    RunPlan,
    Manifest,
    AttemptSpec,
    AttemptReport,
]

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
LEAVES = {
    Any: plain,
    str: st.text(),
    int: st.integers(),
    bool: st.booleans(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    datetime: st.datetimes(timezones=st.just(UTC)),
    type(None): st.none(),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of this type, read off its hints."""
    if kind in LEAVES:
        return LEAVES[kind]
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        return st.builds(
            kind, **{field.name: values(hints[field.name]) for field in dataclasses.fields(kind)}
        )
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values, arguments))
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)


@pytest.mark.parametrize("kind", SENT, ids=lambda kind: kind.__name__)
@settings(max_examples=20)
@given(st.data())
def test_a_value_comes_back_the_same_after_a_journey_as_json(kind, data):
    value = data.draw(values(kind))
    assert from_json(kind, json.loads(json.dumps(to_json(value)))) == value


def test_a_missing_field_takes_its_default():
    assert from_json(TaskResult, {"step": "qc", "state": "dead"}).reused is False


def test_a_missing_field_without_default_is_refused_by_name():
    with pytest.raises(ValueError, match="TaskResult lacks its field 'state'"):
        from_json(TaskResult, {"step": "qc"})


def test_an_unknown_field_is_refused_by_name():
    with pytest.raises(ValueError, match="TaskResult has no field 'colour'"):
        from_json(TaskResult, {"step": "qc", "state": "dead", "colour": "red"})


def test_an_unknown_state_is_refused():
    with pytest.raises(ValueError, match="asleep"):
        from_json(TaskResult, {"step": "qc", "state": "asleep"})
