"""The command contract: placeholders stand for what their names say, and a wrong one is told with the right one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from beds.contract_jobs import Attempt, instances_of, named, needed, step_plan
from hilum.dicom import phantom
from hilum.errors import UsageError
from hilum.model.subject import Scope
from hilum.steps.api import Output
from hilum.steps.contracts.command import Command

PROGRAM = """
    import pathlib, sys
    instances, mask, out, scratch, threshold, fast, braces = sys.argv[1:]
    pathlib.Path(scratch, "thrown-away").touch()
    names = sorted(path.name for path in pathlib.Path(instances).iterdir())
    pathlib.Path(out).write_text(f"{names} {pathlib.Path(mask).read_text()} {threshold} {fast} {braces}")
"""
WORDS = (
    "{instances}",
    "{lungs.mask}/left/mask.txt",
    "{out}/said.txt",
    "{scratch}",
    "--over={with.threshold}",
    "{with.fast}",
    "{{in}}",
)


def test_a_tool_gets_its_paths_and_parameters(tmp_path: Path) -> None:
    paths = phantom.chest_ct(tmp_path / "dicom", slices=2, rows=16, columns=16).paths
    program = str(tmp_path / "attempt" / "program.py")
    plan = step_plan(
        "command",
        parameters={"threshold": 2.5, "fast": True},
        needs=["lungs"],
        command=(sys.executable, program),
        args=WORDS,
    )
    needs = {"lungs": needed(tmp_path / "needed", {"mask": {"left/mask.txt": "mask"}})}
    attempt = Attempt(plan, tmp_path / "attempt", instances_of(paths), needs)
    found = attempt.whole(PROGRAM)
    assert named(found) == {"said.txt": "files"}
    said = (attempt.outputs / "said.txt").read_text()
    assert said == "['000001.dcm', '000002.dcm'] mask --over=2.5 true {in}"


def test_what_a_placeholder_stands_for_is_known_from_the_plan_alone() -> None:
    plan = step_plan(
        "command", needs=["lungs"], command=("t", "{in}", "{lungs.mask}", "{model}"), model="file:///m"
    )
    assert Command().invocation(plan).command == (
        "t",
        "/hilum/in",
        "/hilum/in/needs/lungs/mask",
        "/hilum/in/model",
    )


def problems(
    *words: str, needs: object = None, parameters: object = None, **image: object
) -> list[tuple[str, str]]:
    plan = step_plan("command", command=words, **image).image
    assert plan is not None
    return list(Command().problems(plan, Scope.SERIES, needs or {}, parameters))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("{instance}", "'instances'"),
        ("{lungs.mas}", "'lungs.mask'"),
        ("{lung.mask}", "'lungs.mask'"),
        ("{with.treshold}", "'with.threshold'"),
        ("{model}", "known: "),
        ("{}", "known: "),
        ("awk '{print}'", "{{ and }}"),
    ],
)
def test_an_unknown_placeholder_is_told_with_the_nearest(word: str, hint: str) -> None:
    outputs = {"lungs": [Output("mask", "mask.nii.gz")]}
    [(message, help_)] = problems("t", word, needs=outputs, parameters={"threshold": 1})
    assert "there is no placeholder" in message
    assert hint in help_


def test_what_cannot_be_known_is_not_refused() -> None:
    assert problems("t", "{other.anything}", needs={"other": None}, parameters={}) == []
    assert problems("t", "{with.anything}") == []
    assert problems("t", "{model}", model="weights.bin") == []


def test_a_parameter_that_is_a_list_has_no_place_in_a_word() -> None:
    [(message, _)] = problems("t", "{with.classes}", parameters={"classes": [1, 2]})
    assert "more than one value" in message


def test_nothing_to_run_is_a_problem() -> None:
    [(message, _)] = problems()
    assert "needs a command" in message


def test_a_placeholder_that_got_by_ends_the_attempt() -> None:
    with pytest.raises(UsageError) as refused:
        Command().invocation(step_plan("command", command=("t", "{nothing}")))
    assert refused.value.reason == "unknown-placeholder"
