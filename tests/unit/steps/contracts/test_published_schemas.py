"""The schemas that are published say what the models say, and the models take what the schemas take."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from hilum.steps.contracts.reported import LARGEST, Reports
from hilum.steps.contracts.schemas import FOLDER, schemas, text

VALIDATOR = Draft202012Validator(schemas()["measurements.schema.json"])


@pytest.mark.parametrize("name", schemas())
def test_the_published_file_is_as_the_model_says(name: str) -> None:
    assert (FOLDER / name).read_text() == text(schemas()[name]), "run python -m hilum.steps.contracts.schemas"
    Draft202012Validator.check_schema(schemas()[name])


odd = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=5),
    st.sampled_from(["\x1b", "\u2028", "x" * 2000, "Ä", "volume", ""]),
)
values = st.one_of(
    odd, st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.sampled_from([LARGEST])
)
concepts = st.dictionaries(st.sampled_from(["value", "scheme", "meaning", "other"]), odd, max_size=4)
reports = st.fixed_dictionaries(
    {"name": st.sampled_from(["volume", "a_1", "Volume", "1a", "", "a" * 65])},
    optional={
        "value": values,
        "unit": odd,
        "concept": st.one_of(odd, concepts),
        "region": odd,
        "instances": st.lists(st.one_of(odd, st.sampled_from(["1.2.3", ".1", "1" * 65])), max_size=2),
        "surplus": odd,
    },
)


@given(st.lists(reports, max_size=2))
def test_schema_and_model_take_the_same_measurements(document: list[dict[str, Any]]) -> None:
    try:
        Reports.validate_json(json.dumps(document), strict=True)
        taken = True
    except ValidationError:
        taken = False
    assert VALIDATOR.is_valid(document) == taken
