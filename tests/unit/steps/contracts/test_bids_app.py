"""BIDS Apps: the data set is one by the standard's own validator, and no name is guessed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from beds.contexts import run_step
from beds.contract_images import APP
from beds.contract_jobs import Attempt, named, step_plan
from hilum.dicom import phantom
from hilum.errors import StepError
from hilum.model.subject import Scope
from hilum.steps.api import Output
from hilum.steps.builtin.nifti import nifti
from hilum.steps.context import Needed
from hilum.steps.contracts.bids_app import BidsApp

SMALL = {"slices": 4, "rows": 20, "columns": 28}
SUBJECT = "sub-s0123456789abcdef"


def converted(tmp_path: Path, **series: Any) -> Needed:
    """What the step nifti gives of a phantom of a head."""
    head = phantom.mr_series(tmp_path / "dicom", **SMALL, **series)
    context = run_step(nifti, head.paths, tmp_path / "nifti")
    files: dict[str, tuple[Path, ...]] = {
        output.name: tuple(sorted(context.output_folder.glob(output.path))) for output in nifti.outputs
    }
    return Needed(files, {}, context.output_folder)


def attempt_at(tmp_path: Path, given: Needed, parameters: Mapping[str, Any] | None = None) -> Attempt:
    plan = step_plan("bids-app", parameters=parameters, needs=["nifti"], args=("--work-dir", "/scratch"))
    return Attempt(plan, tmp_path / "attempt", needs={"nifti": given})


def validate(folder: Path) -> list[str]:
    """What the standard's own validator calls an error."""
    validator = Path(sys.executable).with_name("bids-validator-deno")
    done = subprocess.run(
        [validator, folder, "--json"], capture_output=True, text=True, timeout=60, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    return [f"{each['code']} {each.get('location')}" for each in issues if each["severity"] == "error"]


@pytest.mark.parametrize(
    ("series", "parameters", "expected"),
    [
        ({}, {"suffix": "T1w"}, ["anat/{}_T1w.json", "anat/{}_T1w.nii.gz"]),
        (
            {"b_values": (0.0, 500.0, 1000.0)},
            {},
            ["dwi/{}_dwi.bval", "dwi/{}_dwi.bvec", "dwi/{}_dwi.json", "dwi/{}_dwi.nii.gz"],
        ),
        (
            {"echoes": (30.0, 90.0)},
            {"suffix": "T2w"},
            [f"anat/{{}}_run-{run}_T2w.{end}" for run in (1, 2) for end in ("json", "nii.gz")],
        ),
    ],
)
def test_a_data_set_is_one_by_the_standards_own_validator(
    tmp_path: Path, series: dict[str, Any], parameters: dict[str, Any], expected: list[str]
) -> None:
    attempt = attempt_at(tmp_path, converted(tmp_path, **series), parameters)
    staged = attempt.stage()
    assert staged == [
        "README",
        "dataset_description.json",
        *(f"{SUBJECT}/{each.format(SUBJECT)}" for each in expected),
    ]
    assert validate(attempt.inputs) == []


def test_a_functional_series_has_its_task(tmp_path: Path) -> None:
    attempt = attempt_at(
        tmp_path, converted(tmp_path, b_values=(0.0, 500.0)), {"suffix": "bold", "task": "rest"}
    )
    stem = f"{SUBJECT}/func/{SUBJECT}_task-rest_bold"
    assert attempt.stage()[2:] == [f"{stem}.json", f"{stem}.nii.gz"]
    assert json.loads((attempt.inputs / f"{stem}.json").read_text())["TaskName"] == "rest"


def test_the_validator_would_notice(tmp_path: Path) -> None:
    attempt = attempt_at(tmp_path, converted(tmp_path), {"suffix": "T1w"})
    attempt.stage()
    image = next(attempt.inputs.rglob("*.nii.gz"))
    image.rename(image.with_name("image.nii.gz"))
    assert validate(attempt.inputs) != []


def test_an_app_gets_its_arguments_and_leaves_derivatives(tmp_path: Path) -> None:
    attempt = attempt_at(tmp_path, converted(tmp_path), {"suffix": "T1w"})
    found = attempt.whole(APP)
    counted = f"{SUBJECT}/anat/{SUBJECT}_desc-count.json"
    assert named(found) == {"dataset_description.json": "files", counted: "files"}
    assert json.loads((attempt.outputs / counted).read_text()) == [f"{SUBJECT}_T1w.nii.gz"]
    assert (attempt.folder / "scratch" / "thrown-away").exists()


def test_what_kind_an_image_is_is_not_guessed(tmp_path: Path) -> None:
    attempt = attempt_at(tmp_path, converted(tmp_path))
    with pytest.raises(StepError) as refused:
        attempt.stage()
    assert refused.value.reason == "unknown-bids-suffix"


def test_ct_has_no_place_in_bids(tmp_path: Path) -> None:
    chest = phantom.chest_ct(tmp_path / "dicom", **SMALL)
    folder = run_step(nifti, chest.paths, tmp_path).output_folder
    files = {"nifti": (folder / "volume.nii.gz",), "sidecar": (folder / "volume.json",)}
    attempt = attempt_at(tmp_path, Needed(files, {}, folder), {"suffix": "T1w"})
    with pytest.raises(StepError) as refused:
        attempt.stage()
    assert refused.value.reason == "not-in-bids"


def test_a_parameter_that_got_by_is_refused_when_it_runs(tmp_path: Path) -> None:
    with pytest.raises(StepError) as refused:
        attempt_at(tmp_path, converted(tmp_path), {"suffix": "T1W"}).stage()
    assert refused.value.reason == "bad-parameters"
    assert "'T1w'" in refused.value.hint


def test_nothing_converted_is_said(tmp_path: Path) -> None:
    with pytest.raises(StepError) as refused:
        attempt_at(tmp_path, Needed()).stage()
    assert refused.value.reason == "no-nifti"


@pytest.mark.parametrize("text", ["[]", "x", "[" * 100_000])
def test_a_sidecar_that_is_none_is_said(tmp_path: Path, text: str) -> None:
    given = converted(tmp_path)
    given.files["sidecar"][0].write_text(text)
    with pytest.raises(StepError) as refused:
        attempt_at(tmp_path, given, {"suffix": "T1w"}).stage()
    assert refused.value.reason == "bad-sidecar"


NIFTI = {"nifti": nifti.outputs}


@pytest.mark.parametrize(
    ("needs", "parameters", "said"),
    [
        ({}, {}, "no needed step gives it"),
        ({"qc": [Output("report", "report.json")]}, {}, "no needed step gives it"),
        (NIFTI, {"sufix": "T1w"}, "no parameter 'sufix'"),
        (NIFTI, {"suffix": "T1W"}, "no suffix of BIDS"),
        (NIFTI, {"suffix": ["T1w"]}, "no suffix of BIDS"),
        (NIFTI, {"suffix": "bold"}, "name of its task"),
        (NIFTI, {"suffix": "bold", "task": "a/b"}, "letters and digits"),
    ],
)
def test_what_cannot_be_is_told_before_it_runs(needs: Any, parameters: dict[str, Any], said: str) -> None:
    image = step_plan("bids-app").image
    assert image is not None
    [(message, _)] = BidsApp().problems(image, Scope.SERIES, needs, parameters)
    assert said in message


@pytest.mark.parametrize("needs", [NIFTI, {"other": None}])
def test_what_can_be_is_not_refused(needs: Any) -> None:
    image = step_plan("bids-app").image
    assert image is not None
    assert list(BidsApp().problems(image, Scope.SERIES, needs, {"suffix": "bold", "task": "rest"})) == []
