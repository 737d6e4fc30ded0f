"""The ends of attempts. Runs are read under lock, moved on in memory and written back, so that many attempts that
ended together cost hardly more statements than one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from hilum.ledger import schema
from hilum.ledger.interface import Claim, Finished, RunInfo, TaskChange
from hilum.ledger.schema import to_time
from hilum.ledger.sql import rows
from hilum.ledger.sql.database import chunks
from hilum.ledger.sql.needs import remember
from hilum.ledger.sql.outbox import RowLists, post
from hilum.ledger.sql.runs import lock_runs
from hilum.model.progress import advance
from hilum.model.work import RunPlan, RunState, StepPlan, TaskState

_tasks, _segments, _runs = schema.tasks.c, schema.segments.c, schema.runs.c
TASKS_OF = select(
    _tasks.run_id, _tasks.step, _tasks.state, _tasks.task_key, _tasks.failures, _tasks.memory, _tasks.reason
).where(_tasks.run_id.in_(bindparam("ids", expanding=True)))
SEGMENTS_OF = select(
    _segments.id, _segments.run_id, _segments.place, _segments.state, _segments.owner, _segments.attempts
).where(_segments.run_id.in_(bindparam("ids", expanding=True)))
TASK_COLUMNS = ("state", "task_key", "failures", "memory", "reason", "detail")
CHANGE_TASK = (
    update(schema.tasks)
    .where(_tasks.run_id == bindparam("of_run"), _tasks.step == bindparam("of_step"))
    .values({name: bindparam(f"to_{name}") for name in TASK_COLUMNS})
)
CHANGE_SEGMENT = (
    update(schema.segments)
    .where(_segments.id == bindparam("of_segment"))
    .values(state=bindparam("to_state"), owner="", ready_at=bindparam("to_ready_at"))
)
END_RUN = (
    update(schema.runs)
    .where(_runs.id == bindparam("of_run"))
    .values(state=bindparam("to_state"), finished_at=bindparam("to_time"), reason=bindparam("to_reason"))
)


@dataclass(slots=True)
class _Run:
    """A run under lock. ``tasks`` by step and ``segments`` by place, as mutable rows."""

    info: RunInfo
    tasks: dict[str, dict[str, Any]]
    segments: dict[int, dict[str, Any]]


def record_ends(
    connection: Connection, owner: str, finished: Sequence[Finished], now: datetime
) -> list[bool]:
    """Record the ends of attempts; False for one whose segment is no longer the owner's."""
    board = _Board(connection, sorted({item.claim.run.id for item in finished}), now)
    kept = [board.end(owner, item) for item in finished]
    board.write(connection)
    return kept


class _Board:
    """The runs concerned, what changes in them, and what the warehouse is to learn of it."""

    def __init__(self, connection: Connection, run_ids: Sequence[str], now: datetime) -> None:
        self.now = now
        self.runs: dict[str, _Run] = {}
        self.posted: RowLists = {}
        self.tasks: list[dict[str, Any]] = []
        self.segments: list[dict[str, Any]] = []
        self.ended: list[dict[str, Any]] = []
        self.needs: list[tuple[StepPlan, str, int]] = []
        for part in chunks(run_ids):
            self.runs |= {info.id: _Run(info, {}, {}) for info in lock_runs(connection, part)}
            for row in connection.execute(TASKS_OF, {"ids": part}).mappings():
                self.runs[row["run_id"]].tasks[row["step"]] = dict(row)
            for row in connection.execute(SEGMENTS_OF, {"ids": part}).mappings():
                self.runs[row["run_id"]].segments[row["place"]] = dict(row)

    def end(self, owner: str, item: Finished) -> bool:
        claim = item.claim
        run = self.runs[claim.run.id]
        segment = run.segments[claim.index]
        if (segment["state"], segment["owner"], segment["attempts"]) != ("running", owner, claim.number):
            return False
        self._post("attempts", [rows.attempt(item, self.now)])
        for table, items in item.rows.items():
            self._post(table, items)
        if run.info.state is not RunState.RUNNING:
            self._set_segment(segment, "done", self.now)
            return True
        for change in item.changes:
            self._change(run, change, claim.attempt_id)
            memory = run.tasks[change.step]["memory"]
            if memory and change.state is TaskState.SUCCEEDED:
                step = next(step for step in claim.plan.steps if step.name == change.step)
                self.needs.append((step, run.info.subject_id, memory))
        self._advance(run, claim, item.not_before)
        return True

    def write(self, connection: Connection) -> None:
        for statement, values in (
            (CHANGE_TASK, self.tasks),
            (CHANGE_SEGMENT, self.segments),
            (END_RUN, self.ended),
        ):
            if values:
                connection.execute(statement, values)
        post(connection, self.posted)
        remember(connection, self.needs)

    def _advance(self, run: _Run, claim: Claim, not_before: datetime) -> None:
        """Let the run move on from its tasks' states: block, open the next segments, end."""
        plan: RunPlan = claim.plan
        moved = advance(plan, {step: TaskState(task["state"]) for step, task in run.tasks.items()})
        for step in moved.blocked:
            self._change(run, TaskChange(step, TaskState.BLOCKED, reason="need-failed"))
        for index in moved.finished:
            if run.segments[index]["state"] != "done":
                self._set_segment(run.segments[index], "done", self.now)
        for index in moved.ready:
            if index == claim.index:
                self._set_segment(run.segments[index], "ready", not_before)
            elif run.segments[index]["state"] == "waiting":
                self._set_segment(run.segments[index], "ready", self.now)
        if moved.run is not RunState.RUNNING:
            dead = (step.name for step in plan.steps if run.tasks[step.name]["state"] == TaskState.DEAD.value)
            first = next(dead, None)
            reason = run.tasks[first]["reason"] if first else ""
            run.info = replace(run.info, state=moved.run, finished_at=self.now, reason=reason)
            self.ended.append(
                {
                    "of_run": run.info.id,
                    "to_state": moved.run.value,
                    "to_time": to_time(self.now),
                    "to_reason": reason,
                }
            )
            self._post("runs", [rows.run(run.info, self.now)])

    def _change(self, run: _Run, change: TaskChange, attempt_id: str = "") -> None:
        task = run.tasks[change.step]
        task["state"], task["reason"] = change.state.value, change.reason
        task["task_key"] = change.task_key or task["task_key"]
        task["failures"] += change.failed
        task["memory"] = task["memory"] if change.memory is None else change.memory
        self.tasks.append(
            {
                "of_run": run.info.id,
                "of_step": change.step,
                "to_state": task["state"],
                "to_task_key": task["task_key"],
                "to_failures": task["failures"],
                "to_memory": task["memory"],
                "to_reason": change.reason,
                "to_detail": change.detail,
            }
        )
        if change.state.final:
            self._post("tasks", [rows.task(run.info.id, change, self.now, attempt_id)])

    def _set_segment(self, segment: dict[str, Any], state: str, ready_at: datetime) -> None:
        segment.update(state=state, owner="")
        self.segments.append(
            {"of_segment": segment["id"], "to_state": state, "to_ready_at": to_time(ready_at)}
        )

    def _post(self, table: str, items: Iterable[Mapping[str, Any]]) -> None:
        self.posted.setdefault(table, []).extend(dict(item) for item in items)
