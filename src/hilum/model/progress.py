"""How a run moves on, as a pure function: given its plan and the states of its tasks, what is blocked now, which
segments may start, and whether the run has ended. Every ledger adapter applies this inside its transaction, so
two segments that end at the same moment cannot miss each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hilum.model.work import RunPlan, RunState, TaskState

STOPPED = (TaskState.DEAD, TaskState.BLOCKED, TaskState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Advance:
    """What follows from the states.

    Attributes:
        blocked: waiting steps that can never run because a need is dead.
        ready: indexes of segments with something to do whose needs are all final.
        finished: indexes of segments with nothing left to do.
        run: the run's state.
    """

    blocked: tuple[str, ...]
    ready: tuple[int, ...]
    finished: tuple[int, ...]
    run: RunState


def advance(plan: RunPlan, states: Mapping[str, TaskState]) -> Advance:
    """What follows for a run of ``plan`` whose tasks are in ``states`` (one for each step)."""
    now = dict(states)
    blocked = []
    for step in plan.steps:
        if now[step.name] is TaskState.WAITING and any(now[need] in STOPPED for need in step.needs):
            now[step.name] = TaskState.BLOCKED
            blocked.append(step.name)
    steps = {step.name: step for step in plan.steps}
    ready, finished = [], []
    for index, names in enumerate(plan.segments):
        waiting = [name for name in names if not now[name].final]
        if not waiting:
            finished.append(index)
            continue
        outside = {need for name in waiting for need in (*steps[name].needs, *steps[name].after)} - set(names)
        if all(now[need].final for need in outside):
            ready.append(index)
    if len(finished) < len(plan.segments):
        run = RunState.RUNNING
    else:
        run = RunState.FAILED if any(state in STOPPED for state in now.values()) else RunState.SUCCEEDED
    return Advance(tuple(blocked), tuple(ready), tuple(finished), run)
