"""Results as files under names that people chose, each with its provenance."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from beds.commands import here, hilum
from hilum.dicom.phantom import chest_ct, mr_series
from hilum.steps.registry import StepRegistry

PIPELINE = (
    "name: {name}\nsteps:\n  qc: {{uses: qc}}\n  nifti: {{uses: nifti, needs: qc, if: qc.volumes > 0}}\n"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT and an MR of two patients through two pipelines."""
    folder = tmp_path_factory.mktemp("export")
    chest_ct(folder / "scans" / "ct", slices=4, rows=16, columns=16, seed=7)
    mr_series(folder / "scans" / "mr", slices=4, rows=16, columns=16, seed=8)
    for name in ("one", "two"):
        (folder / f"{name}.yaml").write_text(PIPELINE.format(name=name))
    hilum(
        *("run", "scans", "--pipeline", "one.yaml", "--pipeline", "two.yaml"),
        home=folder / "home",
        cwd=folder,
    )
    return folder / "home"


def files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(".provenance.json")
    )


def test_the_layout_says_where_files_go(home: Path, tmp_path: Path) -> None:
    said = here("export", tmp_path / "out", "--step", "nifti", "--pipeline", "one", home=home)
    assert "written to" in said.out
    folders = {path.rpartition("/")[0] for path in files(tmp_path / "out")}
    assert folders == {"PHANTOM-7/2_Chest_axial/nifti", "PHANTOM-8/2_Head_axial/nifti"}
    here("export", tmp_path / "other", "--layout", "{Modality}/{PatientName}-{pipeline}", home=home)
    folders = {"/".join(path.split("/")[:2]) for path in files(tmp_path / "other")}
    assert folders == {f"{m}/Phantom_Paul-{p}" for m in ("CT", "MR") for p in ("one", "two")}


def test_every_file_is_whole_and_has_its_provenance_beside_it(home: Path, tmp_path: Path) -> None:
    here("export", tmp_path, "--pipeline", "one", home=home)
    assert len(files(tmp_path)) == 8
    for name in files(tmp_path):
        told = json.loads((tmp_path / f"{name}.provenance.json").read_text())
        assert told["artifact"]["digest"] == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        assert len(told["instances"]) == 4
        for instance in told["instances"]:
            assert set(instance) == {"SOPInstanceUID", "digest", "uri"}
        made = told["made_by"]
        assert made["step"] == name.split("/")[-2]
        version = StepRegistry().get(made["step"]).version
        assert made["code"] == {"package": "hilum", "step": made["step"], "version": version}
        assert made["attempt"]["outcome"] == "succeeded"
        assert made["machine"]
        assert set(made["needs"]) == ({"qc"} if made["step"] == "nifti" else set())


def test_exporting_again_writes_nothing_and_mends_what_was_changed(home: Path, tmp_path: Path) -> None:
    first = here("export", tmp_path, "--json", home=home).json
    again = here("export", tmp_path, "--json", home=home).json
    assert [each["path"] for each in again] == [each["path"] for each in first]
    assert all(each["already"] for each in again)
    assert "0 files written" in here("export", tmp_path, home=home).out
    Path(first[0]["path"]).unlink()
    assert sum(not each["already"] for each in here("export", tmp_path, "--json", home=home).json) == 1


def test_an_exported_file_can_be_traced(home: Path, tmp_path: Path) -> None:
    done = here("export", tmp_path, "--step", "nifti", "--pipeline", "one", "--json", home=home).json
    volume = next(each for each in done if each["path"].endswith(".nii.gz"))
    assert volume["artifact_id"] in here("lineage", volume["path"], home=home).out


@pytest.mark.parametrize(
    ("layout", "message"),
    [("{PatentID}", "no DICOM keyword"), ("{PatientID", "cannot be read"), ("{}", "no DICOM keyword")],
)
def test_a_layout_that_cannot_be_is_wrong_use(layout: str, message: str, home: Path, tmp_path: Path) -> None:
    said = here("export", tmp_path / "out", "--layout", layout, home=home, code=2)
    assert message in said.err
    assert not (tmp_path / "out").exists()


def test_no_value_leads_out_of_the_destination(home: Path, tmp_path: Path) -> None:
    here("export", tmp_path / "a" / "out", "--layout", "../../{PatientID}/../..", "--step", "qc", home=home)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]


@pytest.mark.parametrize("layout", ["{PatientID}", "{SeriesNumber}"])
def test_a_place_where_nothing_can_be_written_is_said_in_one_line_without_names_of_files(
    home: Path, tmp_path: Path, layout: str
) -> None:
    said = here("export", "/proc/out", "--layout", layout, home=home, code=2)
    assert said.err.startswith(
        "hilum: results cannot be written below /proc/out: No such file or directory\n"
    )
    assert "PHANTOM" not in said.err
    for name in ("PHANTOM-7", "PHANTOM-8", "2"):
        (tmp_path / name).write_text("in the way")
    said = here("export", tmp_path, "--layout", layout, home=home, code=2)
    assert said.err.startswith(f"hilum: results cannot be written below {tmp_path}: ")
    assert "PHANTOM" not in said.err
