"""Hilum from Python: open a home, run, ask, and declare steps and pipelines in code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import hilum
from hilum.dicom.phantom import chest_ct

ROOT = Path(__file__).parents[2]
CODE = '''
import sys
import hilum

FRACTION = hilum.Code("118586006", "SCT", "Ratio")

class Limit(hilum.Parameters):
    below: int = -900

@hilum.step(
    outputs=[hilum.Output("text", "air.txt", "text/plain")], measurements=[hilum.Measure("air", FRACTION, "1")]
)
def air(ctx: hilum.Context, parameters: Limit) -> None:
    """Measure which part of the volume is air."""
    part = float((ctx.volume().array < parameters.below).mean())
    ctx.measure("air", part)
    ctx.output("text").write_text(f"{part:.3f}")

@hilum.step("twice", measurements=[hilum.Measure("twice", FRACTION)])
def twice(ctx: hilum.Context) -> None:
    ctx.measure("twice", 2 * float(ctx.needs["air"].file("text").read_text()))

PIPELINE = hilum.declare(
    "air",
    when='Modality == "CT"',
    steps={
        "qc": "qc",
        "air": hilum.use(air, parameters=Limit(below=-950), condition="qc.regular"),
        "twice": hilum.use(twice, needs=["air"], resources={"memory": "1Gi"}, timeout="1m", retry={"attempts": 1}),
    },
)

if __name__ == "__main__":
    with hilum.open(sys.argv[1]) as home:
        report = home.run(sys.argv[2], pipelines=[PIPELINE])
        print([run.state.value for run in report.runs])
'''


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a script that was run once, over a phantom chest."""
    folder = tmp_path_factory.mktemp("python")
    (folder / "air.py").write_text(CODE)
    chest_ct(folder / "scans", slices=12, rows=32, columns=32)
    said = subprocess.run(
        [sys.executable, "air.py", "home", "scans"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (said.stdout, said.stderr, said.returncode) == ("['succeeded']\n", "", 0)
    return folder


def test_a_step_and_a_pipeline_declared_in_code_run_like_those_of_files(place: Path) -> None:
    with hilum.open(place / "home") as home:
        sql = "SELECT name, value FROM current_measurements WHERE step IN ('air', 'twice') ORDER BY name"
        air, twice = (row["value"] for row in home.query(sql).to_pylist())
        assert 0.2 < air < 0.9
        assert twice == pytest.approx(2 * air, abs=0.002)
        lineage = home.lineage(next(home.results.rglob("air.txt")))
        assert lineage.task.parameters == {"below": -950}
        assert [used.step for used in lineage.task.used_by] == ["twice"]


def test_answers_come_as_arrow_and_as_data_frames(place: Path) -> None:
    with hilum.open(place / "home") as home:
        table = home.query(
            "SELECT SOPInstanceUID, InstanceNumber FROM dicom_metadata WHERE Modality = ?", ["CT"]
        )
        assert isinstance(table, pa.Table)
        assert table.num_rows == 12
        numbers = table.to_pandas()["InstanceNumber"].astype(int)
        assert sorted(numbers) == list(range(1, 13))
        assert home.query("SELECT 1 AS one WHERE ? = 'x'", ["y"]).num_rows == 0


def test_running_again_from_python_computes_nothing(place: Path) -> None:
    sys.path.insert(0, str(place))
    try:
        from air import PIPELINE  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(place))
    with hilum.open(place / "home") as home:
        assert home.plan([PIPELINE]) == []
        report = home.run(place / "scans", pipelines=[PIPELINE])
        assert dict(report.intake) == {"unchanged": 12}
        assert report.started == []
        assert [run.state for run in report.runs] == [hilum.RunState.SUCCEEDED]


def test_a_run_may_be_stopped_and_goes_on_later(place: Path, tmp_path: Path) -> None:
    asked: list[int] = []

    def once_work_begins() -> bool:
        asked.append(1)
        return len(asked) > 2

    with hilum.open(tmp_path / "home") as home:
        report = home.run(place / "scans", stop=lambda: True)
        assert report.interrupted
        assert not report.runs  # not everything was seen, so nothing is called complete
        report = home.run(place / "scans", stop=once_work_begins)
        assert report.interrupted
        assert [run.state for run in report.runs] == [hilum.RunState.RUNNING]
        assert [run.state for run in home.run(place / "scans").runs] == [hilum.RunState.SUCCEEDED]


def test_mistakes_in_code_are_errors_with_a_hint(place: Path, tmp_path: Path) -> None:
    with pytest.raises(hilum.UsageError) as caught:
        hilum.open(tmp_path / "nowhere", create=False)
    assert caught.value.reason == "no-home"
    with pytest.raises(hilum.UsageError, match="slotz"):
        hilum.open(tmp_path / "home", slotz=3)
    with hilum.open(tmp_path / "home") as home:
        with pytest.raises(hilum.UsageError) as caught:
            home.run(tmp_path / "nothing")
        assert caught.value.reason == "no-such-path"
        with pytest.raises(hilum.UsageError, match="no step is named 'qcc'"):
            home.run(place / "scans", pipelines=[hilum.declare("x", steps={"qc": "qcc"})])


def test_every_public_name_is_there_and_documented() -> None:
    for name in hilum.__all__:
        found = getattr(hilum, name)
        assert isinstance(found, str) or found.__doc__, name
    assert set(hilum.__all__) == {*hilum._HOMES, "__version__"}


def test_importing_it_costs_nothing() -> None:
    code = "import sys; before = set(sys.modules); import hilum; print(*sorted(set(sys.modules) - before))"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {name.partition(".")[0] for name in said} <= {
        "hilum",
        "typing",
        "importlib",
        "__future__",
    } | sys.stdlib_module_names
    assert "hilum.app" not in said


@pytest.mark.slow
def test_the_types_of_the_public_names_are_what_they_were() -> None:
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--warn-unused-ignores",
        "tests/typing/public_api.py",
    ]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(hilum.__file__).parent / "py.typed").exists()
