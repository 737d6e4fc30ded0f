"""How runs begin, take each other's place and begin again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from hilum.audit.events import SYSTEM, Audited
from hilum.audit.events import TABLE as AUDIT
from hilum.kernel.digest import digest_bytes, short_id
from hilum.ledger import schema
from hilum.ledger.interface import NewRun, RunInfo, TaskChange
from hilum.ledger.schema import to_time
from hilum.ledger.sql import rows
from hilum.ledger.sql.database import chunks
from hilum.ledger.sql.outbox import RowLists, post
from hilum.ledger.sql.runs import lock_runs, plan_of, run_query
from hilum.ledger.sql.subjects import lock_subjects
from hilum.model.codec import to_json
from hilum.model.progress import advance
from hilum.model.subject import Scope
from hilum.model.work import RunPlan, RunState, TaskState

_runs, _tasks, _segments = schema.runs.c, schema.tasks.c, schema.segments.c
WAITING, CANCELLED = TaskState.WAITING.value, TaskState.CANCELLED.value
UNFINISHED = (WAITING, CANCELLED, TaskState.DEAD.value, TaskState.BLOCKED.value)
PLANNED = (
    update(schema.subjects)
    .where(schema.subjects.c.id == bindparam("of_subject"), schema.subjects.c.revision == bindparam("to"))
    .values(planned=bindparam("to"))
)


def create(
    connection: Connection,
    plans: dict[str, RunPlan],
    runs: Sequence[NewRun],
    planned: Sequence[tuple[str, str]],
    now: datetime,
) -> list[str]:
    """Create runs, or make known ones current again, and mark revisions as planned; returns the ids of those that
    now have something to do."""
    creation = _Creation(connection, plans, runs, now)
    started = [creation.add(new) for new in sorted(runs, key=lambda new: (new.subject_id, new.plan.pipeline))]
    creation.write()
    if planned:
        connection.execute(
            PLANNED, [{"of_subject": subject, "to": revision} for subject, revision in planned]
        )
    return [run_id for run_id in started if run_id]


def bring_back(
    connection: Connection,
    plans: dict[str, RunPlan],
    run_ids: Sequence[str] | None,
    now: datetime,
    newer: Mapping[tuple[str, str], RunPlan],
) -> list[str]:
    """Let failed current runs (these, or all) try again what they did not finish, within the limits that ``newer``
    plans, by pipeline and spec, give them; returns their ids."""
    failed = select(_runs.id).where(_runs.state == RunState.FAILED.value, _runs.current)
    if run_ids is None:
        found = list(connection.execute(failed).scalars())
    else:
        found = [
            run_id
            for part in chunks(run_ids)
            for run_id in connection.execute(failed.where(_runs.id.in_(part))).scalars()
        ]
    posted: RowLists = {"runs": [], "attempts": []}
    again = [info for info in lock_runs(connection, found) if info.current and info.state is RunState.FAILED]
    for info in again:
        _restart(connection, plans, info, now, posted, newer.get((info.pipeline, info.spec)))
    post(connection, posted)
    return [info.id for info in again]


def redo(
    connection: Connection, plans: dict[str, RunPlan], task_keys: Sequence[str], now: datetime
) -> list[str]:
    """Let current runs compute again what they had under these keys; returns their ids."""
    succeeded = _tasks.state == TaskState.SUCCEEDED.value
    lost: dict[str, list[str]] = {}
    for part in chunks(task_keys):
        query = select(_tasks.run_id, _tasks.step).where(_tasks.task_key.in_(part), succeeded)
        for run_id, step in connection.execute(query):
            lost.setdefault(run_id, []).append(step)
    posted: RowLists = {"runs": [], "attempts": []}
    again = [info for info in lock_runs(connection, sorted(lost)) if info.current]
    for info in again:
        steps = (_tasks.run_id == info.id, _tasks.step.in_(lost[info.id]))
        connection.execute(update(schema.tasks).where(*steps).values(state=WAITING))
        _restart(connection, plans, info, now, posted)
    post(connection, posted)
    return [info.id for info in again]


class _Creation:
    """Runs of one transaction. New ones are gathered and inserted together; the rest happens at once."""

    def __init__(
        self, connection: Connection, plans: dict[str, RunPlan], runs: Sequence[NewRun], now: datetime
    ) -> None:
        self.connection, self.plans, self.now = connection, plans, now
        subject_ids = sorted({new.subject_id for new in runs})
        self.subjects = {row.id: row for row in lock_subjects(connection, subject_ids)}
        wanted = {(new.plan.pipeline, new.subject_id) for new in runs}
        self.known: dict[tuple[str, str], dict[str, RunInfo]] = {pair: {} for pair in wanted}
        ids = [
            row.id
            for part in chunks(subject_ids)
            for row in connection.execute(run_query().where(_runs.subject_id.in_(part)))
            if (row.pipeline, row.subject_id) in wanted
        ]
        for info in lock_runs(connection, ids):
            self.known[info.pipeline, info.subject_id][info.id] = info
        self.documents: dict[int, str] = {}
        self._begin()

    def _begin(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.tasks: list[dict[str, Any]] = []
        self.segments: list[dict[str, Any]] = []
        self.posted: RowLists = {"runs": [], "tasks": [], "attempts": [], AUDIT: []}

    def add(self, new: NewRun) -> str | None:
        """Create a run, or make a known one current again; its id if there is something to do."""
        run_id = short_id("r", new.plan.pipeline, new.subject_id, new.revision, new.plan.spec)
        known = self.known[new.plan.pipeline, new.subject_id]
        current = sorted(info.id for info in known.values() if info.current)
        if run_id in current:
            return None
        for older in current:
            known[older] = self._supersede(known[older])
        supersedes = current[0] if current else ""
        if run_id not in known:
            known[run_id] = self._insert(run_id, new, supersedes)
            return run_id
        info = known[run_id] = replace(known[run_id], current=True, supersedes=supersedes)
        if info.state is RunState.SUPERSEDED:
            known[run_id] = _restart(self.connection, self.plans, info, self.now, self.posted, new.plan)
            return run_id
        _write_run(self.connection, info)
        self.posted["runs"].append(rows.run(info, self.now))
        return None

    def write(self) -> None:
        """Insert what was gathered."""
        for table, values in (
            (schema.runs, self.runs),
            (schema.tasks, self.tasks),
            (schema.segments, self.segments),
        ):
            if values:
                self.connection.execute(insert(table), values)
        post(self.connection, self.posted)
        self._begin()

    def _insert(self, run_id: str, new: NewRun, supersedes: str) -> RunInfo:
        plan, subject, now = new.plan, self.subjects[new.subject_id], to_time(self.now)
        info = RunInfo(
            id=run_id,
            pipeline=plan.pipeline,
            spec=plan.spec,
            scope=Scope(subject.scope),
            subject_id=new.subject_id,
            subject_uid=subject.uid,
            study_uid=subject.study_uid,
            revision=new.revision,
            state=RunState.RUNNING,
            current=True,
            supersedes=supersedes,
            created_at=self.now,
            finished_at=None,
        )
        self.runs.append(
            {
                "id": run_id,
                "pipeline": plan.pipeline,
                "spec": plan.spec,
                "plan": self._keep_plan(plan),
                "subject_id": new.subject_id,
                "revision": new.revision,
                "state": info.state.value,
                "current": True,
                "supersedes": supersedes,
                "priority": new.priority,
                "created_at": now,
            }
        )
        self.tasks += [
            {"run_id": run_id, "step": step.name, "position": position, "state": WAITING}
            for position, step in enumerate(plan.steps)
        ]
        moved = advance(plan, {step.name: TaskState.WAITING for step in plan.steps})
        self.segments += [
            {
                "id": f"{run_id}.{index}",
                "run_id": run_id,
                "place": index,
                "pipeline": plan.pipeline,
                "priority": new.priority,
                "state": "ready" if index in moved.ready else "waiting",
                "ready_at": now,
            }
            for index in range(len(plan.segments))
        ]
        self.posted["runs"].append(rows.run(info, self.now))
        return info

    def _keep_plan(self, plan: RunPlan) -> str:
        """The digest under which a plan's document is kept."""
        if id(plan) not in self.documents:
            self.documents[id(plan)] = _keep(self.connection, plan)
        return self.documents[id(plan)]

    def _supersede(self, info: RunInfo) -> RunInfo:
        """A newer run takes this one's place; what it had not finished is cancelled."""
        self.write()
        waiting = (_tasks.run_id == info.id, _tasks.state == WAITING)
        steps = self.connection.execute(
            select(_tasks.step).where(*waiting).order_by(_tasks.position)
        ).scalars()
        changes = [TaskChange(step, TaskState.CANCELLED, reason="superseded") for step in steps]
        self.posted["tasks"] += [rows.task(info.id, change, self.now) for change in changes]
        self.connection.execute(
            update(schema.tasks).where(*waiting).values(state=CANCELLED, reason="superseded")
        )
        idle = (_segments.run_id == info.id, _segments.state.in_(("ready", "waiting")))
        self.connection.execute(update(schema.segments).where(*idle).values(state="done"))
        if info.state is RunState.RUNNING:
            info = replace(info, state=RunState.SUPERSEDED, finished_at=self.now)
        info = replace(info, current=False)
        _write_run(self.connection, info)
        audited = Audited("run-superseded", SYSTEM, self.now, info.id, info.revision)
        self.posted[AUDIT].append(audited.row)
        self.posted["runs"].append(rows.run(info, self.now))
        return info


def _keep(connection: Connection, plan: RunPlan) -> str:
    """The digest under which a plan's document is kept; each document is written once."""
    document = json.dumps(to_json(plan), sort_keys=True, separators=(",", ":"))
    digest = digest_bytes(document.encode())
    table = schema.plans
    if connection.execute(select(table.c.digest).where(table.c.digest == digest)).first() is None:
        connection.execute(insert(table).values(digest=digest, document=document))
    return digest


def _restart(
    connection: Connection,
    plans: dict[str, RunPlan],
    info: RunInfo,
    now: datetime,
    posted: RowLists,
    newer: RunPlan | None = None,
) -> RunInfo:
    """Let a locked run's unfinished tasks be tried again, counting from the first attempt.

    An attempt that is still at work is given up: what it reports comes too late. The run keeps its plan, and how its
    steps travel, but for the limits, which are those of ``newer``.
    """
    digest = connection.execute(select(_runs.plan).where(_runs.id == info.id)).scalar_one()
    plan = plan_of(connection, plans, digest)
    if newer is not None and (limited := plan.with_limits_of(newer)) != plan:
        plan = limited
        connection.execute(
            update(schema.runs).where(_runs.id == info.id).values(plan=_keep(connection, plan))
        )
    again = (_tasks.run_id == info.id, _tasks.state.in_(UNFINISHED))
    connection.execute(
        update(schema.tasks)
        .where(*again)
        .values(state=WAITING, failures=0, reason="", detail="", task_key="")
    )
    query = select(_tasks.step, _tasks.state).where(_tasks.run_id == info.id)
    moved = advance(plan, {step: TaskState(state) for step, state in connection.execute(query)})
    for segment in connection.execute(select(schema.segments).where(_segments.run_id == info.id)).mappings():
        if segment["state"] == "running":
            posted["attempts"].append(rows.unreported(segment, "cancelled", "given-up", now))
        index = segment["place"]
        state = "done" if index in moved.finished else "ready" if index in moved.ready else "waiting"
        values = {"state": state, "owner": "", "ready_at": to_time(now)}
        connection.execute(update(schema.segments).where(_segments.id == segment["id"]).values(**values))
    info = replace(info, state=moved.run, finished_at=None, reason="")
    _write_run(connection, info)
    posted["runs"].append(rows.run(info, now))
    return info


def _write_run(connection: Connection, info: RunInfo) -> None:
    connection.execute(
        update(schema.runs)
        .where(_runs.id == info.id)
        .values(
            state=info.state.value,
            current=info.current,
            supersedes=info.supersedes,
            reason=info.reason,
            finished_at=None if info.finished_at is None else to_time(info.finished_at),
        )
    )
