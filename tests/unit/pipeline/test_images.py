"""Steps that run images: what of them decides results, what makes them impossible, and what they are allowed.

What tags mean is told by a table here; tests/docker and tests/cluster ask a real engine and a real registry.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from hilum.errors import UsageError
from hilum.model.image import ResolvedImage, Security
from hilum.model.work import StepPlan
from hilum.pipeline.containers import SecuritySpec, relaxations
from hilum.pipeline.document import Pipeline, StepSpec
from hilum.pipeline.plan import looked_up_again, make_plan
from hilum.steps.registry import StepRegistry

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


class Told:
    """Every reference means this digest."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
        self.asked: list[str] = []

    def resolve(self, reference: str, pull: str, wanted: Sequence[str] = ()) -> ResolvedImage:
        self.asked.append(reference)
        return ResolvedImage(reference, self.digest)


def planned(digest: str = ONE, base: Path | None = None, **keys: object) -> StepPlan:
    spec = StepSpec.model_validate({"image": "lungs:1", **keys})
    (step,) = make_plan(Pipeline(name="p", steps={"lungs": spec}), StepRegistry(), base, Told(digest)).steps
    return step


def test_a_step_s_identity_is_its_digest_and_never_its_tag() -> None:
    step = planned()
    assert step.image is not None
    assert (step.image.reference, step.image.digest) == ("lungs:1", ONE)
    assert step.code["image"] == ONE
    assert "lungs" not in str(dict(step.code))
    assert not step.light
    assert planned(image="lungs:2").code == step.code
    assert planned(TWO).code != step.code


@pytest.mark.parametrize(
    "keys",
    [
        {"command": ["/other"]},
        {"args": "--fast"},
        {"env": {"MODE": "fast"}},
        {"outputs": {"mask": "*.nii.gz"}},
        {"measurements": {"volume": {"unit": "mL"}}},
        {"contract": "mercure"},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_what_can_change_results_is_part_of_the_identity(keys: dict[str, object]) -> None:
    assert planned(**keys).code != planned().code


@pytest.mark.parametrize(
    "keys",
    [
        {"security": {"network": True}},
        {"resources": {"cpu": 2, "memory": "8Gi", "gpu": 1, "scratch": "1Gi"}},
        {"pull": "always"},
        {"timeout": "1h"},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_what_only_limits_it_is_not(keys: dict[str, object]) -> None:
    assert planned(**keys).code == planned().code


def test_a_model_is_known_by_its_content(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights").write_bytes(b"1")
    first = planned(base=tmp_path, model="model")
    (folder / "weights").write_bytes(b"22")
    second = planned(base=tmp_path, model="model")
    assert first.image is not None
    assert first.image.model == folder.as_uri()
    assert first.code["model"] != second.code["model"]
    with pytest.raises(UsageError) as caught:
        planned(base=tmp_path, model="none")
    assert caught.value.reason == "model-missing"


def test_a_tag_that_moved_gives_another_plan_and_a_digest_never_does() -> None:
    steps = {"a": StepSpec(image="lungs:1"), "b": StepSpec(image=f"lungs@{ONE}")}
    plan = make_plan(Pipeline(name="p", steps=steps), StepRegistry(), None, Told(ONE))
    assert looked_up_again(plan, Told(ONE)) is plan
    table = Told(TWO)
    moved = looked_up_again(plan, table)
    assert [step.code["image"] for step in moved.steps] == [TWO, ONE]
    assert moved.spec != plan.spec
    assert table.asked == ["lungs:1"]


def test_nothing_is_allowed_that_is_not_named() -> None:
    assert SecuritySpec().security() == Security()
    assert relaxations(Security()) == []
    everything = SecuritySpec.model_validate(
        {
            "network": True,
            "user": 0,
            "read_only_root": False,
            "capabilities": ["SYS_PTRACE"],
            "privilege_escalation": True,
            "pids": 5000,
        }
    )
    assert relaxations(everything.security()) == [
        "may reach the network",
        "runs as root",
        "may write to its own file system",
        "keeps the capabilities SYS_PTRACE",
        "may gain privileges",
        "may start 5000 processes",
    ]
    with pytest.raises(ValidationError):
        SecuritySpec.model_validate({"capabilities": ["cap_sys_ptrace"]})
