"""Plans: identity, order and what changed since last time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from beds import example_steps
from beds.example_steps import heavy, quality, volume
from hilum.errors import UsageError
from hilum.kernel.digest import digest_json
from hilum.model.codec import from_json, to_json
from hilum.model.work import RunPlan
from hilum.pipeline.compiled import compile_pipeline
from hilum.pipeline.document import Pipeline, StepSpec, pipeline, use
from hilum.pipeline.plan import explain, make_plan
from hilum.pipeline.problems import PipelineError
from hilum.steps.registry import StepRegistry

FILE = Path(example_steps.__file__).resolve()


def planned(**changes: Any) -> RunPlan:
    steps: dict[str, Any] = {
        "qc": quality,
        "lungs": use(volume, parameters={"threshold": 200}, needs=["qc"], condition="qc.noise < 5"),
        "model": use(heavy, needs=["lungs"]),
        "extra": use(volume, condition="qc.slices_missing == 0"),
    }
    return make_plan(pipeline("chest", steps={**steps, **changes}), StepRegistry())


def test_a_plan_holds_everything_that_an_attempt_needs_as_plain_values() -> None:
    plan = planned()
    lungs = plan.steps[1]
    assert [step.name for step in plan.steps] == ["qc", "lungs", "model", "extra"]
    assert lungs.uses == f"{FILE}:volume"
    assert lungs.parameters == {"threshold": 200.0, "mode": "fast"}
    assert set(lungs.code) == {"step", "source"}
    assert from_json(RunPlan, to_json(plan)) == plan


def test_a_condition_puts_a_step_behind_those_it_reads_without_making_them_inputs() -> None:
    extra = planned().steps[3]
    assert extra.needs == ()
    assert extra.after == ("qc",)
    lungs = planned().steps[1]
    assert (lungs.needs, lungs.after) == (("qc",), ())
    first = pipeline("a", steps={"late": use(volume, condition="qc.noise < 5"), "qc": quality})
    assert [step.name for step in make_plan(first, StepRegistry()).steps] == ["qc", "late"]


def test_light_steps_travel_together_and_a_heavy_one_alone() -> None:
    assert planned().segments == (("qc", "lungs", "extra"), ("model",))


def test_a_light_step_with_resources_of_its_own_travels_apart() -> None:
    plan = planned(extra=use(volume, condition="qc.noise < 1", resources={"memory": "8Gi"}))
    assert ("extra",) in plan.segments
    assert plan.segments.index(("extra",)) > plan.segments.index(("qc", "lungs"))


def test_the_spec_is_over_what_decides_results_and_nothing_else() -> None:
    spec = planned().spec
    assert planned().spec == spec
    for same in (
        use(heavy, needs=["lungs"], timeout="1h"),
        use(heavy, needs=["lungs"], resources={"cpu": 4, "memory": "16Gi"}),
        use(heavy, needs=["lungs"], retry={"attempts": 9}),
    ):
        assert planned(model=same).spec == spec
    for other in (
        use(heavy),
        use(heavy, needs=["lungs", "qc"]),
        use(heavy, needs=["lungs"], condition="qc.noise < 5"),
        use(quality, needs=["lungs"]),
    ):
        assert planned(model=other).spec != spec
    assert (
        planned(extra=use(volume, parameters={"mode": "exact"}, condition="qc.slices_missing == 0")).spec
        != spec
    )


def test_the_order_of_steps_in_the_file_does_not_change_the_spec() -> None:
    a, b = pipeline("x", steps={"a": quality, "b": volume}), pipeline("x", steps={"b": volume, "a": quality})
    assert make_plan(a, StepRegistry()).spec == make_plan(b, StepRegistry()).spec


def test_another_place_of_the_same_source_gives_the_same_spec(tmp_path: Path) -> None:
    copy = tmp_path / "copied.py"
    copy.write_bytes(FILE.read_bytes())
    there = make_plan(pipeline("x", steps={"a": f"{copy}:quality"}), StepRegistry())
    here = make_plan(pipeline("x", steps={"a": quality}), StepRegistry())
    assert there.spec == here.spec
    assert there.steps[0].uses != here.steps[0].uses


def test_it_explains_what_would_run_again_and_why(tmp_path: Path) -> None:
    old = planned()
    assert explain(None, old) == dict.fromkeys(("qc", "lungs", "model", "extra"), ("new",))
    assert set(explain(old, planned()).values()) == {("unchanged",)}

    copy = tmp_path / "changed.py"
    copy.write_text(FILE.read_text() + "\n# changed\n")
    code = explain(old, planned(lungs=use(f"{copy}:volume", parameters={"threshold": 200}, needs=["qc"])))
    assert code["lungs"] == ("stale-code", "stale-condition")
    assert code["model"] == ("stale-inputs",)
    assert code["qc"] == code["extra"] == ("unchanged",)

    changed = use(volume, parameters={"threshold": 1}, condition="qc.noise < 5")
    assert explain(old, planned(lungs=changed))["lungs"] == ("stale-parameters", "stale-needs")
    assert explain(old, planned(more=quality))["more"] == ("new",)


def test_a_pipeline_with_mistakes_cannot_be_planned() -> None:
    wrong = pipeline("x", when="Modalty == 'CT'", steps={"a": use(volume, parameters={"treshold": 1})})
    with pytest.raises(PipelineError) as caught:
        make_plan(wrong, StepRegistry())
    assert str(caught.value).splitlines() == [
        "x: when: 'Modalty' is no DICOM keyword; did you mean 'Modality'?",
        "x: steps.a.with.treshold: step 'volume' has no parameter 'treshold'; did you mean 'threshold'?",
    ]


def test_a_step_that_runs_an_image_is_refused_for_now() -> None:
    image = StepSpec(image=f"registry.example/lungs@sha256:{'a' * 64}")
    with pytest.raises(UsageError) as caught:
        make_plan(Pipeline(name="x", steps={"lungs": image}), StepRegistry())
    assert caught.value.reason == "no-container-executor"


def test_a_compiled_pipeline_answers_what_the_engine_asks() -> None:
    chest = pipeline(
        "chest",
        when='Modality == "CT" && NumberOfInstances > 50',
        settle={"quiet": "5s"},
        steps={"qc": quality},
    )
    compiled = compile_pipeline(chest)
    assert (compiled.name, compiled.scope.value, compiled.quiet, compiled.at_most) == (
        "chest",
        "series",
        5,
        5400,
    )
    assert compiled.selects({"Modality": "CT"}, 51)
    assert not compiled.selects({"Modality": "CT", "NumberOfInstances": 99}, 50)
    assert not compiled.selects({"Modality": "MR"}, 51)
    assert digest_json(to_json(compiled.plan))
