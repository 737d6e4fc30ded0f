"""The pipeline's model: values as people write them, and the Python twin of a file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from beds import example_steps
from beds.example_steps import VolumeParameters, quality, volume
from hilum.errors import UsageError
from hilum.model.subject import Scope
from hilum.pipeline.document import pipeline, use
from hilum.pipeline.load import load_pipeline
from hilum.pipeline.plan import make_plan
from hilum.pipeline.problems import PipelineError
from hilum.pipeline.quantities import cores, seconds, size
from hilum.steps.registry import StepRegistry

FILE = Path(example_steps.__file__).resolve()


@pytest.mark.parametrize(
    ("text", "value"), [("60s", 60), ("90m", 5400), ("1h30m", 5400), ("0.5s", 0.5), ("2h", 7200), ("0s", 0)]
)
def test_a_duration_is_read(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("wrong", ["", "60", 60, True, None, "1 h", "30m1h", "-5s", "1d"])
def test_a_duration_without_a_clear_unit_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="write 60s"):
        seconds(wrong)


@pytest.mark.parametrize(
    ("text", "value"),
    [("8Gi", 8 << 30), ("500Mi", 500 << 20), ("1.5Gi", 3 << 29), ("2G", 2 * 10**9), ("64k", 64000)],
)
def test_a_size_is_read(text: str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("wrong", ["", "8", 8, "8GB", "8gi", "-1Gi", None])
def test_a_size_without_a_clear_unit_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="write 500Mi"):
        size(wrong)


def test_cores_are_read() -> None:
    assert [cores(value) for value in (2, 0.5, "2", "500m")] == [2, 0.5, 2, 0.5]
    for wrong in (0, "0m", -1, True, "two", None):
        with pytest.raises(ValueError, match="write 2"):
            cores(wrong)


def test_a_file_and_its_python_twin_make_the_same_model_and_the_same_plan(tmp_path: Path) -> None:
    path = tmp_path / "chest.yaml"
    path.write_text(f"""
name: chest
scope: study
when: Modality == "CT"
settle: {{quiet: 30s, at_most: 1h}}
priority: 5
max_running: 2
steps:
  qc: {{uses: '{FILE}:quality'}}
  volume:
    uses: {FILE}:volume
    with: {{threshold: 200}}
    needs: qc
    if: qc.slices_missing == 0
    resources: {{cpu: 500m, memory: 2Gi}}
    timeout: 5m
    retry: {{attempts: 2, backoff: 1s}}
""")
    twin = pipeline(
        "chest",
        scope="study",
        when='Modality == "CT"',
        settle={"quiet": "30s", "at_most": timedelta(hours=1)},
        priority=5,
        max_running=2,
        steps={
            "qc": quality,
            "volume": use(
                volume,
                parameters=VolumeParameters(threshold=200),
                needs=["qc"],
                condition="qc.slices_missing == 0",
                resources={"cpu": 0.5, "memory": "2Gi"},
                timeout="5m",
                retry={"attempts": 2, "backoff": "1s"},
            ),
        },
    )
    loaded = load_pipeline(path)
    assert loaded.scope is Scope.STUDY
    assert loaded.model_copy(update={"steps": {}}) == twin.model_copy(update={"steps": {}})
    assert make_plan(loaded, StepRegistry(), tmp_path) == make_plan(twin, StepRegistry())


def test_mistakes_in_code_are_told_by_place() -> None:
    with pytest.raises(PipelineError) as caught:
        pipeline("Chest CT", steps={"QC": "qc"}, scope="seris", priority=-1)  # type: ignore[arg-type]
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["name", "scope", "priority", "steps.QC"]
    with pytest.raises(PipelineError, match=r"use\(\): resources\.memory: 3 is no size"):
        use("qc", resources={"memory": 3})


def test_a_step_object_that_workers_cannot_import_is_refused_at_once() -> None:
    from hilum.steps.api import step

    @step()
    def inner(ctx: object) -> None: ...

    with pytest.raises(UsageError) as caught:
        pipeline("chest", steps={"inner": inner})
    assert caught.value.reason == "nested-step"
