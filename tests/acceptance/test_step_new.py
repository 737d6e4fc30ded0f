"""An author starts a step, tries it, and gets an answer that can be relied on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest

from beds.commands import HILUM, here, hilum
from hilum.dicom import phantom
from hilum.steps.contracts import CONTRACTS

SMALL = {"slices": 5, "rows": 24, "columns": 20}


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """A small MR of nobody, and the number and mean of its pixels above 10."""
    series = phantom.mr_series(tmp_path_factory.mktemp("head"), **SMALL)
    values = np.stack([pydicom.dcmread(path).pixel_array for path in series.paths])
    return series.paths[0].parent, values


@pytest.fixture
def above(tmp_path):
    """Sets the parameter of a new step's pipeline."""

    def set_(folder: Path, value: int) -> None:
        path = folder / "pipeline.yaml"
        path.write_text(path.read_text().replace("above: 0", f"above: {value}"))

    return set_


def new(tmp_path: Path, contract: str, name: str = "pixel-mean") -> Path:
    here("step", "new", name, "--contract", contract, cwd=tmp_path)
    return tmp_path / name


def tried(folder: Path, dicom: Path, *options: str | Path, code: int = 0) -> list[dict[str, object]]:
    said = here("step", "test", folder, dicom, "--process", "--json", *options, code=code)
    return list(said.json)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_new_step_is_whole(tmp_path, contract):
    folder = new(tmp_path, contract)
    here("validate", folder / "pipeline.yaml")
    ruff = Path(sys.executable).with_name("ruff")
    subprocess.run([ruff, "check", "--isolated", "--no-cache", "--line-length=110", folder], check=True)
    text = "".join(path.read_text() for path in folder.iterdir())
    assert "__STEP__" not in text
    assert "__NAME__" not in text
    assert "COPY step.py /app/\n" in (folder / "Dockerfile").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_new_steps_own_test_passes_and_can_fail(tmp_path, contract):
    folder = new(tmp_path, contract)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder]
    environment = os.environ | {"PATH": f"{HILUM.parent}:{os.environ['PATH']}"}
    assert subprocess.run(command, env=environment, check=False, timeout=120).returncode == 0
    (folder / "step.py").write_text("raise SystemExit(3)")
    assert subprocess.run(command, env=environment, check=False, timeout=120).returncode == 1


@pytest.mark.parametrize("contract", ["native", "mercure"])
def test_what_it_measures_is_true(tmp_path, head, above, contract):
    dicom, values = head
    folder = new(tmp_path, contract)
    above(folder, 10)
    [found] = tried(folder, dicom)
    measured = {each["name"]: each["value"] for each in found["measurements"]}
    assert measured["pixels"] == int((values > 10).sum())
    assert measured["mean"] == pytest.approx(float(values[values > 10].mean()))


def test_the_files_that_a_tool_wrote_are_kept_where_that_is_asked(tmp_path, head, above):
    dicom, values = head
    folder = new(tmp_path, "command")
    above(folder, 10)
    [found] = tried(folder, dicom, "--keep", tmp_path / "kept")
    assert [(each["output"], each["path"]) for each in found["files"]] == [("pixels", "pixels.csv")]
    rows = (tmp_path / "kept" / found["subject"] / "out" / "pixels.csv").read_text().splitlines()
    assert sum(int(row.split(",")[1]) for row in rows[1:]) == int((values > 10).sum())
    again = here("step", "test", folder, dicom, "--process", "--keep", tmp_path / "kept", code=2)
    assert "already" in again.err


def test_a_bids_app_gets_what_the_step_nifti_made(tmp_path, head):
    dicom, values = head
    [found] = tried(new(tmp_path, "bids-app"), dicom, "--keep", tmp_path / "kept")
    summary = next((tmp_path / "kept").rglob("*_desc-summary.json"))
    [(name, about)] = json.loads(summary.read_text()).items()
    assert name == f"sub-{found['subject'].replace('-', '')}_T1w.nii.gz"
    assert about["voxels"] == values.size
    assert about["mean"] == pytest.approx(float(values.mean()))


def test_a_package_of_monai_is_read_from_its_manifests(tmp_path, head):
    dicom, values = head
    folder = new(tmp_path, "map")
    tried(folder, dicom, "--keep", tmp_path / "kept")
    result = json.loads(next((tmp_path / "kept").rglob("result.json")).read_text())
    assert result == {"pixels": values.size, "mean": pytest.approx(float(values.mean()))}
    (folder / "app.json").write_text("{}")
    refused = hilum("step", "test", folder, dicom, "--process", code=2)
    assert "its app.json names no command" in refused.err


def test_each_series_is_tried_by_itself(tmp_path):
    for number in (1, 2):
        phantom.mr_series(tmp_path / "scans" / str(number), seed=number, number=number, **SMALL)
    found = tried(new(tmp_path, "native"), tmp_path / "scans")
    assert len({each["subject"] for each in found}) == 2


def test_a_program_that_fails_is_told_with_what_it_said(tmp_path, head):
    folder = new(tmp_path, "native")
    (folder / "step.py").write_text("print('::progress 0.5'); print('no luck'); raise SystemExit(7)")
    [found] = tried(folder, head[0], code=1)
    assert (found["state"], found["reason"]) == ("dead", "exit-7")
    assert "no luck" in found["detail"]
    assert "::progress" not in found["detail"]


def test_a_wrong_result_is_told(tmp_path, head):
    folder = new(tmp_path, "native")
    source = folder / "step.py"
    source.write_text(source.read_text().replace('"pixels"', '"pixles"'))
    said = here("step", "test", folder, head[0], "--process", code=1)
    assert "undeclared-measurement" in said.out
    assert "did you mean 'pixels'?" in said.out


def test_people_see_tables(tmp_path, head):
    said = here("step", "test", new(tmp_path, "native"), head[0], "--process")
    lines = said.out.splitlines()
    assert lines[0].startswith("s-")
    assert lines[1:4] == [
        "# measurements",
        "name\tvalue\tunit\tregion",
        f"pixels\t{head[1].size - (head[1] == 0).sum()}\t1\t",
    ]


def test_a_python_step_is_tried_in_a_home_of_its_own(tmp_path, head):
    said = hilum("step", "test", "qc", head[0], "--json", cwd=tmp_path)
    [found] = said.json
    assert found["state"] == "succeeded"
    missing = {"name": "slices_missing", "value": 0, "unit": "{slices}", "region": ""}
    assert missing in found["measurements"]
    assert [each["output"] for each in found["files"]] == ["findings"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("new", "Pixel"), "cannot name a step"),
        (("new", "a/../../b"), "cannot name a step"),
        (("new", "taken"), "already"),
        (("new", "x", "--contract", "nativ"), "nativ"),
        (("test", "taken", "."), "no pipeline.yaml"),
        (("test", "qc", ".", "--process"), "no folder of an image step"),
    ],
)
def test_a_mistake_is_told(tmp_path, words, said):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    assert said in here("step", *words, cwd=tmp_path, code=2).err


SEVERAL = """
name: several
steps:
  first: {image: "x:1", model: weights.txt, outputs: {said: said.txt}}
  second: {image: "x:1", needs: [first]}
"""
SAYS = """
import os
open(os.environ["HILUM_OUT"] + "/said.txt", "w").write(open(os.environ["HILUM_IN"] + "/model/weights.txt").read())
"""


def test_of_several_steps_the_named_one_is_tried_with_its_model(tmp_path, head):
    folder = new(tmp_path, "native")
    (folder / "pipeline.yaml").write_text(SEVERAL)
    (folder / "weights.txt").write_text("weights")
    (folder / "step.py").write_text(SAYS)
    [found] = tried(folder, head[0], "--step", "first", "--keep", tmp_path / "kept")
    assert (tmp_path / "kept" / found["subject"] / "out" / "said.txt").read_text() == "weights"
    for step, said in (
        ("", "2 steps"),
        ("frist", "'first'"),
        ("second", "needs 'first', which runs an image"),
    ):
        refused = here("step", "test", folder, head[0], "--process", "--step", step, code=None)
        assert refused.code != 0
        assert said in refused.out + refused.err


def test_a_folder_without_dicom_is_told(tmp_path):
    folder = new(tmp_path, "native")
    assert "no DICOM instance" in here("step", "test", folder, folder, "--process", code=1).err
