"""What is shipped: the built-in pipeline, the examples and the schema for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pydicom
import pytest
import yaml
from jsonschema import Draft202012Validator

from hilum.dicom.header import read_header
from hilum.pipeline.compiled import compile_pipeline
from hilum.pipeline.default import DEFAULT, default_pipeline
from hilum.pipeline.load import load_pipeline
from hilum.pipeline.schema import pipeline_schema
from hilum.steps.registry import StepRegistry

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples" / "pipelines").glob("*.yaml"))
FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def test_the_built_in_pipeline_checks_before_it_does_anything_else() -> None:
    plan = compile_pipeline(default_pipeline()).plan
    assert [step.name for step in plan.steps] == ["qc", "nifti", "preview", "intensity"]
    assert {step.uses for step in plan.steps} == {"qc", "nifti", "preview", "intensity"}
    assert all(step.after == ("qc",) for step in plan.steps[1:])


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("CT_small.dcm", True),
        ("MR_small.dcm", True),
        ("examples_rgb_color.dcm", True),
        ("rtdose.dcm", True),
        ("liver_1frame.dcm", True),
        ("examples_ybr_color.dcm", True),
        ("rtplan.dcm", False),
        ("rtstruct.dcm", False),
        ("test-SR.dcm", False),
        ("waveform_ecg.dcm", False),
        ("reportsi.dcm", False),
    ],
)
def test_the_built_in_pipeline_takes_images_and_nothing_else(name: str, taken: bool) -> None:
    facts = read_header(FILES / name).facts
    assert compile_pipeline(default_pipeline()).selects(facts, 1) is taken


def test_the_example_of_the_built_in_pipeline_is_the_built_in_pipeline() -> None:
    registry = StepRegistry()
    example = load_pipeline(ROOT / "examples" / "pipelines" / "default.yaml", registry)
    assert example == default_pipeline(registry)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_can_be_planned(path: Path) -> None:
    assert compile_pipeline(load_pipeline(path), base=path.parent).plan.steps


def test_the_chest_example_takes_what_it_says() -> None:
    chest = compile_pipeline(load_pipeline(ROOT / "examples" / "pipelines" / "chest-ct.yaml"))
    thin = {
        "Modality": "CT",
        "BodyPartExamined": "CHEST",
        "SliceThickness": 1.25,
        "ImageType": ["ORIGINAL", "PRIMARY"],
    }
    assert chest.selects(thin, 300)
    assert not chest.selects(thin, 3)
    assert not chest.selects({**thin, "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, 300)
    assert not chest.selects({key: value for key, value in thin.items() if key != "SliceThickness"}, 300)


def test_the_schema_takes_what_the_model_takes() -> None:
    schema = pipeline_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for path in (DEFAULT, *EXAMPLES):
        validator.validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Chest CT"},
        {"scop": "series"},
        {"scope": "image"},
        {"settle": {"quiet": 60}},
        {"steps": {}},
        {"steps": {"Qc": {"uses": "qc"}}},
        {"steps": {"qc": {"uses": "qc", "parameters": {}}}},
        {"steps": {"qc": {"needs": "x"}}},
        {"steps": {"qc": {"uses": "qc", "timeout": "ten"}}},
        {"steps": {"qc": {"uses": "qc", "resources": {"memory": "8GB"}}}},
        {"steps": {"qc": {"image": "qc latest"}}},
    ],
)
def test_the_schema_refuses_what_the_model_refuses(change: dict[str, Any]) -> None:
    data = {"name": "chest", "steps": {"qc": {"uses": "qc"}}}
    validator = Draft202012Validator(pipeline_schema())
    assert validator.is_valid(data)
    assert not validator.is_valid({**data, **change})


def test_the_published_schema_is_current() -> None:
    published = ROOT / "docs" / "reference" / "pipeline.schema.json"
    assert json.loads(published.read_text()) == pipeline_schema(), "write it anew: make docs"
