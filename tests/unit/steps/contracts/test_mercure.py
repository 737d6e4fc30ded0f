"""mercure's modules: names of files, settings in task.json, and what becomes of result.json."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
import pytest

from beds.contract_images import MODULE
from beds.contract_jobs import Attempt, instances_of, named, step_plan
from hilum.dicom import phantom
from hilum.errors import StepError
from hilum.model.subject import Scope
from hilum.steps.contracts.mercure import Mercure


def attempt_at(tmp_path: Path, *declared: dict[str, str], scope: Scope = Scope.SERIES) -> Attempt:
    paths = phantom.chest_ct(tmp_path / "dicom", slices=4, rows=16, columns=16).paths
    both = [*instances_of(paths[:2], "1.2.3"), *instances_of(paths[2:], "1.2.4")]
    plan = step_plan("mercure", parameters={"sigma": 2}, measurements=declared)
    return Attempt(plan, tmp_path / "attempt", both if scope is Scope.STUDY else both[:2], scope=scope)


def test_a_module_finds_names_that_it_can_split_and_its_settings(tmp_path: Path) -> None:
    attempt = attempt_at(
        tmp_path,
        {"name": "lung_volume", "kind": "number", "unit": "mL"},
        {"name": "sigma", "kind": "integer"},
        {"name": "nothing", "kind": "number"},
        scope=Scope.STUDY,
    )
    assert attempt.stage() == [
        "1.2.3#1.2.3.1.dcm",
        "1.2.3#1.2.3.2.dcm",
        "1.2.4#1.2.4.1.dcm",
        "1.2.4#1.2.4.2.dcm",
        "task.json",
    ]
    attempt.run(MODULE)
    found = attempt.collect()
    assert named(found) == {
        "1.2.3.9#1.2.3.1.dcm": "instances",
        "1.2.4.9#1.2.4.1.dcm": "instances",
        "result.json": "files",
    }
    assert len(found.instances) == 2
    readings = {each.reading.name: (each.reading.value, each.reading.unit) for each in found.measurements}
    assert readings == {"lung_volume": (3.5, "mL"), "sigma": (2, "")}


@pytest.mark.parametrize("scope", list(Scope))
def test_the_task_file_is_mercures_without_the_patient(tmp_path: Path, scope: Scope) -> None:
    attempt = attempt_at(tmp_path, scope=scope)
    header = pydicom.dcmread(attempt.instances[0].path)
    attempt.stage()
    text = (attempt.inputs / "task.json").read_text()
    task = json.loads(text)
    assert set(task) == {"id", "info", "dispatch", "process", "study"}
    assert task["process"]["settings"] == {"sigma": 2}
    uid = header.StudyInstanceUID if scope is Scope.STUDY else "1.2.3"
    assert (task["info"]["uid_type"], task["info"]["uid"]) == (scope.value, uid)
    assert str(header.PatientName) not in text
    assert header.PatientID not in text
    assert (task["info"]["patient_name"], task["info"]["mrn"], task["info"]["acc"]) == ("", "", "")


def test_what_is_not_declared_is_no_measurement(tmp_path: Path) -> None:
    found = attempt_at(tmp_path).whole(MODULE)
    assert found.measurements == ()
    assert "result.json" in named(found)


@pytest.mark.parametrize(
    "text", ["[1]", "not JSON", "[" * 100_000, '{"volume": {"a": 1}}', '{"volume": NaN}', '{"volume": "3"}']
)
def test_a_result_that_is_not_what_was_declared_fails(tmp_path: Path, text: str) -> None:
    attempt = attempt_at(tmp_path, {"name": "volume", "kind": "number"})
    (attempt.outputs / "result.json").write_text(text)
    with pytest.raises(StepError) as failed:
        attempt.collect()
    assert failed.value.reason == "bad-measurement"


def test_what_a_module_has_no_place_for_is_told() -> None:
    image = step_plan("mercure", env={"MERCURE_IN_DIR": "/x"}, model="weights.bin").image
    assert image is not None
    assert len(list(Mercure().problems(image, Scope.SERIES, {}))) == 2
