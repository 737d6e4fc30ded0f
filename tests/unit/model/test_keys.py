import dataclasses

import pytest

from hilum.model.keys import outputs_digest, task_key
from hilum.model.subject import Scope
from hilum.model.work import Artifact, Measurement, Retry, StepPlan

STEP = StepPlan(
    name="quality",
    uses="qc",
    code={"package": "hilum", "step": "qc", "version": "1"},
    parameters={"gap": 0.1},
)
KEY = task_key(STEP, Scope.SERIES, "r1", {"deid": "d1"})

ARTIFACT = Artifact("a-1", "volume", "volume.nii.gz", "d" * 64, 10, "application/gzip", "tasks/one")
MEASUREMENT = Measurement("m-1", "volume", 1.5, "C1", "DCM", "Volume", "mL", "lung", ("1.2", "1.3"))


@pytest.mark.parametrize(
    "change",
    [
        {"code": {**STEP.code, "version": "2"}},
        {"code": {**STEP.code, "package": "other"}},
        {"parameters": {"gap": 0.2}},
        {"parameters": {}},
    ],
)
def test_other_code_or_parameters_give_another_key(change):
    assert task_key(dataclasses.replace(STEP, **change), Scope.SERIES, "r1", {"deid": "d1"}) != KEY


@pytest.mark.parametrize(
    ("scope", "revision", "needs"),
    [
        (Scope.STUDY, "r1", {"deid": "d1"}),
        (Scope.SERIES, "r2", {"deid": "d1"}),
        (Scope.SERIES, "r1", {"deid": "d2"}),
        (Scope.SERIES, "r1", {"mask": "d1"}),
        (Scope.SERIES, "r1", {}),
    ],
)
def test_other_inputs_give_another_key(scope, revision, needs):
    assert task_key(STEP, scope, revision, needs) != KEY


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"memory": 1},
        {"timeout": 1.0},
        {"cpu": 2.0},
        {"retry": Retry(9)},
        {"condition": "true"},
    ],
)
def test_limits_names_and_conditions_do_not_change_a_key(change):
    assert task_key(dataclasses.replace(STEP, **change), Scope.SERIES, "r1", {"deid": "d1"}) == KEY


def test_outputs_are_known_by_content_and_not_by_where_they_lie_or_who_made_them():
    moved = dataclasses.replace(ARTIFACT, id="a-2", object="tasks/two")
    again = dataclasses.replace(MEASUREMENT, id="m-2", instances=("1.3", "1.2"))
    assert outputs_digest([ARTIFACT], [MEASUREMENT]) == outputs_digest([moved], [again])


@pytest.mark.parametrize(
    ("artifact", "measurement"),
    [
        ({"digest": "e" * 64}, {}),
        ({"path": "other.nii.gz"}, {}),
        ({}, {"value": 1.6}),
        ({}, {"region": "heart"}),
        ({}, {"instances": ("1.2",)}),
    ],
)
def test_other_content_gives_another_outputs_digest(artifact, measurement):
    changed = [dataclasses.replace(ARTIFACT, **artifact)], [dataclasses.replace(MEASUREMENT, **measurement)]
    assert outputs_digest(*changed) != outputs_digest([ARTIFACT], [MEASUREMENT])
