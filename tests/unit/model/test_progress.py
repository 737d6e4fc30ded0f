"""The rule by which runs move on, played through on random plans: whatever ends how, the run ends."""

from hypothesis import given
from hypothesis import strategies as st

from hilum.model.progress import STOPPED, advance
from hilum.model.subject import Scope
from hilum.model.work import RunPlan, RunState, StepPlan, TaskState

ENDINGS = [TaskState.SUCCEEDED, TaskState.SKIPPED, TaskState.DEAD, TaskState.CANCELLED]


def plan_of(needs: dict[str, tuple[str, ...]], *segments: tuple[str, ...]) -> RunPlan:
    steps = tuple(StepPlan(name=name, uses="qc", code={}, needs=of) for name, of in needs.items())
    return RunPlan("p", Scope.SERIES, "spec", steps, segments or tuple((name,) for name in needs))


@st.composite
def plans(draw: st.DrawFn) -> RunPlan:
    names = [f"s{number}" for number in range(draw(st.integers(1, 8)))]
    needs = {
        name: tuple(draw(st.lists(st.sampled_from(names[:at]), unique=True, max_size=3))) if at else ()
        for at, name in enumerate(names)
    }
    segments: list[tuple[str, ...]] = []
    while names:
        size = draw(st.integers(1, len(names)))
        segments.append(tuple(names[:size]))
        names = names[size:]
    return plan_of(needs, *segments)


@given(plans(), st.data())
def test_a_run_always_ends_whatever_becomes_of_its_tasks(plan, data):
    states = {step.name: TaskState.WAITING for step in plan.steps}
    for _ in range(2 * len(plan.steps) + 1):
        now = advance(plan, states)
        states |= dict.fromkeys(now.blocked, TaskState.BLOCKED)
        if now.run is not RunState.RUNNING:
            break
        assert now.ready, "nothing may start and nothing has ended"
        chosen = plan.segments[data.draw(st.sampled_from(now.ready))]
        waiting = [name for name in chosen if states[name] is TaskState.WAITING]
        states[waiting[0]] = data.draw(st.sampled_from(ENDINGS))
    stopped = any(state in STOPPED for state in states.values())
    assert advance(plan, states).run is (RunState.FAILED if stopped else RunState.SUCCEEDED)
    for step in plan.steps:
        if any(states[need] in STOPPED for need in step.needs):
            assert states[step.name] is not TaskState.WAITING


def test_what_a_dead_task_was_needed_for_is_blocked_down_to_the_last():
    plan = plan_of({"a": (), "b": ("a",), "c": ("b",), "other": ()})
    states = dict.fromkeys(["b", "c", "other"], TaskState.WAITING) | {"a": TaskState.DEAD}
    now = advance(plan, states)
    assert now.blocked == ("b", "c")
    assert now.ready == (3,)
    assert now.run is RunState.RUNNING


def test_a_segment_waits_for_needs_in_other_segments_and_not_for_its_own():
    plan = plan_of({"a": (), "b": ("a",), "c": ("a",)}, ("a", "b"), ("c",))
    waiting = dict.fromkeys(["a", "b", "c"], TaskState.WAITING)
    assert advance(plan, waiting).ready == (0,)
    assert advance(plan, waiting | {"a": TaskState.SUCCEEDED}).ready == (0, 1)


def test_a_skipped_need_holds_nobody_back():
    plan = plan_of({"a": (), "b": ("a",)})
    now = advance(plan, {"a": TaskState.SKIPPED, "b": TaskState.WAITING})
    assert (now.ready, now.finished, now.blocked) == ((1,), (0,), ())


def test_a_step_whose_condition_reads_another_waits_for_it_but_is_not_blocked_by_its_death():
    steps = (StepPlan("a", "qc", {}), StepPlan("b", "qc", {}, condition="a.n > 1", after=("a",)))
    plan = RunPlan("p", Scope.SERIES, "spec", steps, (("a",), ("b",)))
    waiting = {"a": TaskState.WAITING, "b": TaskState.WAITING}
    assert advance(plan, waiting).ready == (0,)
    now = advance(plan, waiting | {"a": TaskState.DEAD})
    assert (now.ready, now.blocked) == ((1,), ())


def test_a_run_with_a_cancelled_task_has_not_succeeded():
    plan = plan_of({"a": ()})
    now = advance(plan, {"a": TaskState.CANCELLED})
    assert (now.run, now.finished) == (RunState.FAILED, (0,))


@given(plans(), st.data())
def test_what_may_start_lacks_nothing_and_what_lacks_nothing_may_start(plan, data):
    """Against the rule said again, step by step, without segments' order in mind."""
    states = {step.name: data.draw(st.sampled_from(list(TaskState))) for step in plan.steps}
    now = advance(plan, states)
    after = states | dict.fromkeys(now.blocked, TaskState.BLOCKED)
    needs = {step.name: step.needs for step in plan.steps}
    for index, names in enumerate(plan.segments):
        open_steps = [name for name in names if after[name] is TaskState.WAITING]
        lacking = {need for name in open_steps for need in needs[name] if not after[need].final} - set(names)
        assert (index in now.finished) == (not open_steps)
        assert (index in now.ready) == (bool(open_steps) and not lacking)
