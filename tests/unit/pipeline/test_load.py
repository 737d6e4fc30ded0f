"""Pipeline files: what is read, and how mistakes are told."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from beds import example_steps
from hilum.errors import UsageError
from hilum.pipeline.load import load_pipeline
from hilum.pipeline.problems import PipelineError
from hilum.steps.registry import StepRegistry

STEPS = Path(example_steps.__file__).resolve()


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(PipelineError) as caught:
        load_pipeline(path)
    assert caught.value.reason == "bad-pipeline"
    return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]


def test_everything_that_is_wrong_is_told_with_its_line_and_what_may_be_meant(tmp_path: Path) -> None:
    text = f"""name: Chest CT
scop: series
scope: serie
when: Modalty == "CT" &&
  SliceThickness > 5
settle: {{quiet: 2h, at_most: 90m}}
priority: high
steps:
  first: {{uses: '{STEPS}:qualty'}}
  qc:
    uses: {STEPS}:quality
    needs: [volum]
  Lungs:
    uses: {STEPS}:volume
  volume:
    uses: {STEPS}:volume
    uses: {STEPS}:volume
    with:
      treshold: 200
      mode: fastest
    if: qc.slices_mising == 0
    timeout: 60
    needs: [nobody]
    resources:
      memory: 8
      gpu: 1
      cpus: 3
  nothing:
  img: {{image: "foo latest", contract: mapp}}
  other: {{uses: preveiw, image: "foo@sha256:{"0" * 64}"}}
  third: {{uses: preveiw}}
"""
    name = "lower-case letters, digits and hyphens, beginning with a letter"
    step_name = "lower-case letters, digits and underscores, beginning with a letter"
    assert problems(tmp_path, text) == [
        f"1: 'Chest CT' cannot be a pipeline's name; {name}",
        "2: unknown key 'scop'; did you mean 'scope'?",
        "3: 'scope' should be 'series' or 'study', not 'serie'; did you mean 'series'?",
        "4: 'Modalty' is no DICOM keyword; did you mean 'Modality'?",
        "6: at_most is shorter than quiet, which then could never decide",
        "7: 'priority' should be a valid integer, not 'high'",
        f"9: {STEPS} has no 'qualty'; did you mean 'quality'?",
        "12: there is no step 'volum' to need; did you mean 'volume'?",
        f"13: 'Lungs' cannot be a step's name; {step_name}",
        "17: 'uses' is given twice; first on line 16",
        "19: step 'volume' has no parameter 'treshold'; did you mean 'threshold'?",
        "20: 'mode' should be 'fast' or 'exact', not 'fastest'; did you mean 'fast'?",
        "21: step 'qc' declares no measurement 'slices_mising'; did you mean 'slices_missing'?",
        "22: 60 is no duration; write 60s, 90m or 1h30m",
        "23: there is no step 'nobody' to need; known: Lungs, first, img, nothing, other, qc, third",
        "25: 8 is no size; write 500Mi or 8Gi",
        "26: 'gpu' can be reserved for images only",
        "27: unknown key 'cpus'; did you mean 'cpu'?",
        "28: 'nothing' should be a mapping, not None",
        "29: 'contract' should be 'native', 'command', 'map', 'mercure' or 'bids-app', not 'mapp'; "
        "did you mean 'map'?",
        "29: 'foo latest' cannot be an image; write registry/name:tag or registry/name@sha256:...",
        "30: a step has either uses or image",
        "31: no step is named 'preveiw'; did you mean 'preview'?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: the file is empty; it needs a name and steps"),
        ("- a\n- b\n", "1: the file should be a mapping, not a list"),
        ("name: [a\n", "2: not YAML: did not find expected ',' or ']'"),
        ("name: a\n", "1: 'steps' is missing"),
        ("steps: {qc: {uses: qc}}\n", "1: 'name' is missing"),
        ("name: a\nsteps: {}\n", "2: 'steps' should have at least 1 item"),
        ("name: a\nsteps: {qc: {uses: qc}}\n? [x]\n: 1\n", "3: a key must be a word"),
        (
            "name: a\nsteps: {qc: {uses: qc, with: !!python/name:os.system {}}}\n",
            "2: !!python/name:os.system is not taken",
        ),
        ("name: a\nsteps:\n  qc: {uses: !secret qc}\n", "3: !secret is not taken here"),
        ("name: a\nsteps: &all\n  qc: {uses: qc, with: {x: *all}}\n", "3: an alias of what it is part of"),
        ("name: a\x07\n", "1: not YAML: a character that is not allowed"),
    ],
)
def test_a_file_of_another_shape_is_told_so(tmp_path: Path, text: str, said: str) -> None:
    assert problems(tmp_path, text)[0].startswith(said)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("{a: {uses: S, needs: b}, b: {uses: S, needs: c}, c: {uses: S, needs: a}}", "a -> b -> c -> a"),
        ("{a: {uses: S, needs: a}}", "a -> a"),
        ("{a: {uses: S, if: b.noise > 1}, b: {uses: S, needs: a}}", "a -> b -> a"),
    ],
)
def test_a_circle_is_named(tmp_path: Path, steps: str, said: str) -> None:
    text = f"name: a\nsteps: {steps.replace('S', repr(f'{STEPS}:quality'))}\n"
    assert problems(tmp_path, text) == [f"2: steps need each other in a circle: {said}"]


def test_yaml_1_1_s_surprises_are_none(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    steps = tmp_path / "s.py"
    steps.write_text(
        "from typing import Any\nfrom hilum.steps.api import Parameters, step\n"
        "class P(Parameters):\n    values: dict[str, Any]\n"
        "@step()\ndef keep(ctx, parameters: P): ...\n"
    )
    path.write_text(
        "name: plain\nsteps:\n  keep:\n    uses: ./s.py:keep\n    with:\n      values:\n"
        "        {on: off, country: no, y: yes, clock: 1:30, day: 2026-01-31, octal: 010, hex: 0x1F, eight: 0o17,\n"
        '         float: 1e3, half: .5, none: ~, empty: , big: 1_000, text: "5", true: True, minus: -4,\n'
        "         ends: -.inf}\n"
    )
    text = path.read_text()
    path.write_text(text.replace(",\n         ends: -.inf", ""))
    values = load_pipeline(path).steps["keep"].parameters["values"]
    assert values == {
        "on": "off", "country": "no", "y": "yes", "clock": "1:30", "day": "2026-01-31", "octal": 10, "hex": 31,
        "eight": 15, "float": 1000.0, "half": 0.5, "none": None, "empty": None, "big": "1_000", "text": "5",
        "true": True, "minus": -4,
    }  # fmt: skip
    path.write_text(text)
    with pytest.raises(PipelineError, match="parameters must be plain and finite"):
        load_pipeline(path)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_pipeline(tmp_path / "none.yaml")
    assert caught.value.reason == "pipeline-file"
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(UsageError, match="not UTF-8"):
        load_pipeline(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    "image",
    [
        f"registry.example/lungs@sha256:{'a' * 64}",
        "registry.example:5000/team/lungs:1.2",
        f"lungs:1.2@sha256:{'a' * 64}",
        "lungs",
    ],
)
def test_an_image_step_says_which_measurements_can_be_asked_for(tmp_path: Path, image: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        f"name: lungs\nsteps:\n  lungs: {{image: '{image}', resources: {{gpu: 1}}, "
        "measurements: {volume: {unit: mL, code: '118565006', scheme: SCT, meaning: Volume}}}\n"
    )
    assert load_pipeline(path).steps["lungs"].image == image
    text = path.read_text() + f"  next: {{uses: '{STEPS}:quality', if: lungs.volume > 1}}\n"
    path.write_text(text)
    assert load_pipeline(path).steps["next"].condition == "lungs.volume > 1"
    text = text.replace("lungs.volume", "lungs.volum")
    assert problems(tmp_path, text) == [
        "4: step 'lungs' declares no measurement 'volum'; did you mean 'volume'?"
    ]


def test_what_is_about_an_image_needs_one(tmp_path: Path) -> None:
    text = f"name: a\nsteps:\n  a: {{uses: '{STEPS}:quality', env: {{A: b}}}}\n"
    assert problems(tmp_path, text) == ["3: env is about an image, and this step has none"]


def test_steps_registered_in_code_can_be_used_in_files(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("name: a\nsteps: {q: {uses: quality}}\n")
    registry = StepRegistry()
    registry.register(example_steps.quality)
    assert load_pipeline(path, registry).steps["q"].uses == "quality"
    with pytest.raises(PipelineError):
        load_pipeline(path, StepRegistry())


def test_the_error_survives_the_way_to_another_process() -> None:
    error = PipelineError("a\nb")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.reason) == (PipelineError, "a\nb", "bad-pipeline")
