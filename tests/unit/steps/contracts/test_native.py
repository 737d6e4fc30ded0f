"""The native contract: what a program finds, and what becomes of what it leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from beds.contract_jobs import Attempt, instances_of, named, needed, step_plan
from hilum.dicom import phantom
from hilum.errors import StepError
from hilum.model.subject import Scope
from hilum.steps.contracts.native import Native, progress_of
from hilum.steps.contracts.schemas import schemas

SMALL = {"slices": 3, "rows": 16, "columns": 16}
VOLUME = {"value": "118565006", "scheme": "SCT", "meaning": "Volume"}

PROGRAM = """
    import json, os, pathlib, statistics, struct
    context = json.loads(pathlib.Path(os.environ["HILUM_CONTEXT"]).read_text())
    given, out = pathlib.Path(os.environ["HILUM_IN"]), pathlib.Path(os.environ["HILUM_OUT"])
    scratch = pathlib.Path(os.environ["HILUM_SCRATCH"])
    assert os.environ["HOME"] == os.environ["TMPDIR"] == str(scratch)
    sizes = []
    for number, instance in enumerate(context["instances"], 1):
        data = (given / instance["path"]).read_bytes()
        assert data[128:132] == b"DICM"
        sizes.append(len(data))
        print("::progress", number / len(context["instances"]), "instance", number, flush=True)
    lungs = context["needs"]["lungs"]
    [mask] = lungs["outputs"]["mask"]
    (scratch / "thrown-away").write_text("x")
    (out / "report").mkdir()
    (out / "report" / "sizes.json").write_text(json.dumps([sizes, (given / mask).read_text()]))
    (out / "copy.dcm").write_bytes(data)
    (out / "no-suffix").write_bytes(data)
    (out / "measurements.json").write_text(json.dumps([
        {"name": "bytes", "value": sum(sizes), "unit": "By"},
        {"name": "volume", "value": lungs["measurements"]["volume"] * context["parameters"]["factor"],
         "unit": "mL", "region": "left lung", "instances": [context["instances"][0]["sop_instance_uid"]],
         "concept": {"value": "118565006", "scheme": "SCT", "meaning": "Volume"}}]))
"""


def attempt_at(tmp_path: Path, **image: object) -> Attempt:
    chest = phantom.chest_ct(tmp_path / "dicom", **SMALL)
    return Attempt(
        step_plan("native", parameters={"factor": 2}, needs=["lungs"], **image),
        tmp_path / "attempt",
        instances_of(chest.paths),
        {"lungs": needed(tmp_path / "needed", {"mask": {"masks/left.txt": "mask"}}, volume=1.5)},
    )


def test_a_program_finds_its_inputs_and_leaves_results(tmp_path: Path) -> None:
    attempt = attempt_at(tmp_path)
    found = attempt.whole(PROGRAM)
    assert named(found) == {"copy.dcm": "instances", "no-suffix": "instances", "report/sizes.json": "files"}
    assert [file.media_type for file in found.files] == ["application/dicom"] * 2 + ["application/json"]
    assert found.instances == ("copy.dcm", "no-suffix")
    sizes = [path.path.stat().st_size for path in attempt.instances]
    assert json.loads((attempt.outputs / "report/sizes.json").read_text()) == [sizes, "mask"]
    bytes_, volume = found.measurements
    assert (bytes_.reading.value, bytes_.reading.unit, bytes_.concept_code) == (sum(sizes), "By", "")
    assert (volume.reading.value, volume.reading.region) == (3.0, "left lung")
    assert volume.reading.instances == ("1.2.3.1",)
    assert (volume.concept_code, volume.concept_scheme, volume.concept_meaning) == tuple(VOLUME.values())


def test_its_lines_of_progress_are_understood(tmp_path: Path) -> None:
    attempt = attempt_at(tmp_path)
    attempt.whole(PROGRAM)
    told = [Native().progress(line) for line in attempt.printed.splitlines()]
    assert [message for _, message in filter(None, told)] == ["instance 1", "instance 2", "instance 3"]
    assert [fraction for fraction, _ in filter(None, told)] == pytest.approx([1 / 3, 2 / 3, 1])


@pytest.mark.parametrize(
    ("line", "understood"),
    [
        ("::progress 0.25", (0.25, "")),
        ("::progress 7 too far\n", (1.0, "too far")),
        ("::progress 0.5 \x1b[31mred", (0.5, "[31mred")),
        ("::progress 0.5 " + "x" * 300, (0.5, "x" * 200)),
        ("::progress -1", None),
        ("::progress nan", None),
        ("::progress 1.2.3", None),
        ("::progress", None),
        ("said ::progress 0.5", None),
        ("", None),
    ],
)
def test_a_line_is_progress_or_it_is_not(line: str, understood: object) -> None:
    assert progress_of(line) == understood


def test_what_the_container_sees_has_names_of_ours(tmp_path: Path) -> None:
    attempt = attempt_at(tmp_path)
    assert attempt.stage() == [
        "context.json",
        "instances/000001.dcm",
        "instances/000002.dcm",
        "instances/000003.dcm",
        "needs/lungs/mask/masks/left.txt",
    ]


def test_a_study_has_a_folder_for_each_series(tmp_path: Path) -> None:
    paths = phantom.chest_ct(tmp_path / "dicom", **SMALL).paths
    both = [*instances_of(paths[:2], "1.2.9"), *instances_of(paths[2:], "1.2.10")]
    attempt = Attempt(step_plan("native"), tmp_path / "attempt", both, scope=Scope.STUDY)
    assert attempt.stage() == [
        "context.json",
        "instances/001/000001.dcm",
        "instances/002/000002.dcm",
        "instances/002/000003.dcm",
    ]
    context = json.loads((attempt.inputs / "context.json").read_text())
    assert context["instances"][0] == {
        "sop_instance_uid": "1.2.10.1",
        "series_instance_uid": "1.2.10",
        "path": "instances/001/000001.dcm",
    }


@pytest.mark.parametrize("folder", [True, False])
def test_a_model_lies_beside_the_instances(tmp_path: Path, folder: bool) -> None:
    model = tmp_path / ("weights" if folder else "weights.bin")
    if folder:
        (model / "deep").mkdir(parents=True)
        (model / "deep" / "a.bin").write_text("a")
    else:
        model.write_text("a")
    attempt = Attempt(step_plan("native", model=model.as_uri()), tmp_path / "attempt", model=model)
    expected = "model/deep/a.bin" if folder else "model/weights.bin"
    assert attempt.stage() == ["context.json", expected]
    context = json.loads((attempt.inputs / "context.json").read_text())
    assert context["model"] == ("model" if folder else "model/weights.bin")


def test_the_context_is_as_its_published_schema_says(tmp_path: Path) -> None:
    attempt = attempt_at(tmp_path)
    attempt.stage()
    context = json.loads((attempt.inputs / "context.json").read_text())
    Draft202012Validator(schemas()["context.schema.json"]).validate(context)
    assert context["subject"] == "s-0123456789abcdef"
    assert context["labels"]["run"] == "r-1"


def test_declared_outputs_have_their_names_and_the_rest_is_left(tmp_path: Path) -> None:
    attempt = attempt_at(tmp_path, outputs={"sizes": "**/*.json", "copies": "*.dcm"})
    found = attempt.whole(PROGRAM)
    assert named(found) == {"copy.dcm": "copies", "report/sizes.json": "sizes"}
    assert (found.instances, found.beside) == (("copy.dcm",), 1)


def test_a_declared_output_that_is_missing_fails(tmp_path: Path) -> None:
    attempt = attempt_at(tmp_path, outputs={"mask": "*.nii.gz"})
    with pytest.raises(StepError) as failed:
        attempt.whole(PROGRAM)
    assert failed.value.reason == "output-missing"


DECLARED = {
    "name": "volume",
    "kind": "number",
    "unit": "mL",
    "code": "118565006",
    "scheme": "SCT",
    "meaning": "Volume",
}


def collect(tmp_path: Path, text: str, *declared: dict[str, str]) -> object:
    attempt = Attempt(step_plan("native", measurements=declared), tmp_path / "attempt")
    (attempt.outputs / "measurements.json").write_text(text)
    return attempt.collect().measurements


def test_unit_and_concept_come_from_the_pipeline_file_where_the_image_has_none(tmp_path: Path) -> None:
    [found] = collect(tmp_path, '[{"name": "volume", "value": 3}]', DECLARED)  # type: ignore[misc]
    assert (found.reading.unit, found.concept_code, found.concept_meaning) == ("mL", "118565006", "Volume")


def test_a_whole_number_beyond_64_bits_is_only_a_number(tmp_path: Path) -> None:
    text = '[{"name": "volume", "value": 9223372036854775808}]'
    [found] = collect(tmp_path, text, DECLARED)  # type: ignore[misc]
    assert isinstance(found.reading.value, float)
    with pytest.raises(StepError):
        collect(tmp_path / "again", text, {**DECLARED, "kind": "integer"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"name": "volum", "value": 3}]', "undeclared-measurement"),
        ('[{"name": "volume", "value": "3"}]', "bad-measurement"),
        ('[{"name": "volume", "value": true}]', "bad-measurement"),
        ('[{"name": "volume", "value": NaN}]', "bad-measurement"),
        ('[{"name": "volume", "value": 1e999}]', "bad-measurement"),
        ('[{"name": "volume", "value": null}]', "bad-measurement"),
        ('[{"name": "volume", "value": 1, "units": "mL"}]', "bad-measurement"),
        ('[{"name": "volume", "value": 1, "instances": ["../../etc"]}]', "bad-measurement"),
        ('[{"name": "volume", "value": 1, "region": "a\\u001b[31m"}]', "bad-measurement"),
        ('{"name": "volume", "value": 1}', "bad-measurement"),
        ("[" * 100_000, "bad-measurement"),
        ('[{"name": "volume", "value": ' + "[" * 100_000, "bad-measurement"),
        ("\x00", "bad-measurement"),
        ("", "bad-measurement"),
        (" " * (17 << 20), "output-too-large"),
    ],
)
def test_measurements_that_cannot_be_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(StepError) as refused:
        collect(tmp_path, text, DECLARED)
    assert refused.value.reason == reason


def test_a_refusal_quotes_nothing_of_the_document(tmp_path: Path) -> None:
    with pytest.raises(StepError) as refused:
        collect(tmp_path, '[{"name": "volume", "value": 1}, {"name": "Doe^Jane", "value": 1, "Doe": 2}]')
    assert "Doe" not in str(refused.value)
    assert "[1].name" in str(refused.value)


def test_variables_of_the_contract_cannot_be_set() -> None:
    image = step_plan("native", env={"HILUM_IN": "/x", "MINE": "1"}).image
    assert image is not None
    [(message, _)] = Native().problems(image, Scope.SERIES, {})
    assert "HILUM_IN" in message
    assert Native().invocation(step_plan("native", env={"MINE": "1"})).env["MINE"] == "1"
