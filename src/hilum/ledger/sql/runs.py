"""Runs and their tasks in the ledger: created, superseded, brought back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from hilum.kernel.digest import digest_bytes, short_id
from hilum.ledger import schema
from hilum.ledger.interface import NewRun, RunInfo, TaskChange, TaskInfo
from hilum.ledger.schema import from_time, to_time
from hilum.ledger.sql import rows
from hilum.ledger.sql.database import Database, chunks
from hilum.ledger.sql.outbox import RowLists, post
from hilum.model.codec import from_json, to_json
from hilum.model.progress import advance
from hilum.model.subject import Scope
from hilum.model.work import RunPlan, RunState, TaskState

RUN_COLUMNS = (schema.runs, schema.subjects.c.scope, schema.subjects.c.uid, schema.subjects.c.study_uid)
RUNS = schema.runs.join(schema.subjects, schema.runs.c.subject_id == schema.subjects.c.id)


class Planning:
    """The part of the ledger about runs."""

    database: Database
    plans: dict[str, RunPlan]

    def current_runs(self, subject_ids: Iterable[str]) -> dict[tuple[str, str], tuple[RunInfo, RunPlan]]:
        found: dict[tuple[str, str], tuple[RunInfo, RunPlan]] = {}
        with self.database.read() as connection:
            for part in chunks(sorted(set(subject_ids))):
                query = run_query().where(schema.runs.c.subject_id.in_(part), schema.runs.c.current)
                for row in connection.execute(query):
                    info = to_run(row)
                    found[info.pipeline, info.subject_id] = info, plan_of(connection, self.plans, row.plan)
        return found

    def create_runs(
        self, runs: Sequence[NewRun], planned: Sequence[tuple[str, str]], now: datetime
    ) -> list[str]:
        def work(connection: Connection) -> list[str]:
            started = [
                run_id
                for new in sorted(runs, key=lambda new: (new.subject_id, new.plan.pipeline))
                if (run_id := _create(connection, new, now))
            ]
            table = schema.subjects
            for subject_id, revision in planned:
                where = (table.c.id == subject_id, table.c.revision == revision)
                connection.execute(update(table).where(*where).values(planned=revision))
            return started

        return self.database.write(work)

    def retry(self, run_ids: Iterable[str] | None, now: datetime) -> list[str]:
        table = schema.runs

        def work(connection: Connection) -> list[str]:
            query = run_query().where(table.c.state == RunState.FAILED.value, table.c.current)
            if run_ids is not None:
                query = query.where(table.c.id.in_(sorted(set(run_ids))))
            found = list(connection.execute(query.with_for_update(of=table)))
            for row in found:
                _bring_back(connection, to_run(row), plan_of(connection, self.plans, row.plan), now)
            return [row.id for row in found]

        return self.database.write(work)

    def runs(
        self, *, state: RunState | None = None, ids: Iterable[str] | None = None, limit: int | None = None
    ) -> list[RunInfo]:
        table = schema.runs.c
        query = run_query().order_by(table.created_at.desc(), table.id)
        if state is not None:
            query = query.where(table.state == state.value)
        if ids is not None:
            query = query.where(table.id.in_(sorted(set(ids))))
        with self.database.read() as connection:
            return [to_run(row) for row in connection.execute(query.limit(limit))]

    def tasks(self, run_ids: Iterable[str]) -> list[TaskInfo]:
        table = schema.tasks
        found: list[TaskInfo] = []
        with self.database.read() as connection:
            for part in chunks(sorted(set(run_ids))):
                query = (
                    select(table).where(table.c.run_id.in_(part)).order_by(table.c.run_id, table.c.position)
                )
                found.extend(to_task(row) for row in connection.execute(query))
        return found

    def unfinished(self, subject_ids: Iterable[str] | None = None) -> int:
        table = schema.runs
        query = select(func.count()).select_from(table).where(table.c.state == RunState.RUNNING.value)
        with self.database.read() as connection:
            if subject_ids is None:
                return int(connection.execute(query).scalar_one())
            parts = chunks(sorted(set(subject_ids)))
            return sum(
                int(connection.execute(query.where(table.c.subject_id.in_(part))).scalar_one())
                for part in parts
            )


def run_query() -> Select[Any]:
    """Runs with what :func:`to_run` needs of their subjects."""
    return select(*RUN_COLUMNS).select_from(RUNS)


def to_run(row: Any) -> RunInfo:
    """A row of :func:`run_query` as a value."""
    return RunInfo(
        id=row.id,
        pipeline=row.pipeline,
        spec=row.spec,
        scope=Scope(row.scope),
        subject_id=row.subject_id,
        subject_uid=row.uid,
        study_uid=row.study_uid,
        revision=row.revision,
        state=RunState(row.state),
        current=row.current,
        supersedes=row.supersedes,
        created_at=from_time(row.created_at),
        finished_at=None if row.finished_at is None else from_time(row.finished_at),
        reason=row.reason,
    )


def to_task(row: Any) -> TaskInfo:
    """A row of ``tasks`` as a value."""
    return TaskInfo(
        row.run_id, row.step, TaskState(row.state), row.task_key, row.reason, row.detail, row.failures
    )


def plan_of(connection: Connection, cache: dict[str, RunPlan], digest: str) -> RunPlan:
    """The plan with this digest; plans never change, so each is decoded once."""
    if digest not in cache:
        query = select(schema.plans.c.document).where(schema.plans.c.digest == digest)
        cache[digest] = from_json(RunPlan, json.loads(connection.execute(query).scalar_one()))
    return cache[digest]


def change_run(connection: Connection, run_id: str, now: datetime, **values: Any) -> dict[str, Any]:
    """Change a run; returns the warehouse's row of what it is now."""
    if isinstance(values.get("finished_at"), datetime):
        values["finished_at"] = to_time(values["finished_at"])
    connection.execute(update(schema.runs).where(schema.runs.c.id == run_id).values(**values))
    return rows.run(to_run(connection.execute(run_query().where(schema.runs.c.id == run_id)).one()), now)


def open_segments(
    connection: Connection, run_id: str, plan: RunPlan, states: Mapping[str, TaskState], now: datetime
) -> None:
    """Set a run's segments, none of which is running, to what follows from its tasks."""
    moved = advance(plan, states)
    table = schema.segments
    for index in range(len(plan.segments)):
        state = "done" if index in moved.finished else "ready" if index in moved.ready else "waiting"
        where = (table.c.run_id == run_id, table.c.place == index)
        connection.execute(update(table).where(*where).values(state=state, ready_at=to_time(now)))


def _create(connection: Connection, new: NewRun, now: datetime) -> str | None:
    """Create a run, or make a known one current again; its id if there is something to do."""
    plan, table = new.plan, schema.runs
    run_id = short_id("r", plan.pipeline, new.subject_id, new.revision, plan.spec)
    others = (table.c.subject_id == new.subject_id, table.c.pipeline == plan.pipeline, table.c.current)
    current = connection.execute(select(table.c.id).where(*others).with_for_update()).scalars().all()
    if run_id in current:
        return None
    posted: RowLists = {"runs": [], "tasks": []}
    for older in current:
        posted["runs"].append(_supersede(connection, older, now, posted["tasks"]))
    supersedes = current[0] if current else ""
    exists = connection.execute(select(table.c.state).where(table.c.id == run_id)).scalar()
    if exists is not None:
        posted["runs"].append(change_run(connection, run_id, now, current=True, supersedes=supersedes))
        post(connection, posted)
        if exists == RunState.SUPERSEDED.value:
            row = connection.execute(run_query().where(table.c.id == run_id)).one()
            _bring_back(connection, to_run(row), plan, now)
            return run_id
        return None
    connection.execute(
        insert(table).values(
            id=run_id,
            pipeline=plan.pipeline,
            spec=plan.spec,
            plan=_keep_plan(connection, plan),
            subject_id=new.subject_id,
            revision=new.revision,
            state=RunState.RUNNING.value,
            current=True,
            supersedes=supersedes,
            priority=new.priority,
            created_at=to_time(now),
        )
    )
    _create_tasks(connection, run_id, plan, new.priority, now)
    row = connection.execute(run_query().where(table.c.id == run_id)).one()
    posted["runs"].append(rows.run(to_run(row), now))
    post(connection, posted)
    return run_id


def _create_tasks(connection: Connection, run_id: str, plan: RunPlan, priority: int, now: datetime) -> None:
    waiting = TaskState.WAITING
    connection.execute(
        insert(schema.tasks),
        [
            {"run_id": run_id, "step": step.name, "position": position, "state": waiting.value}
            for position, step in enumerate(plan.steps)
        ],
    )
    moved = advance(plan, {step.name: waiting for step in plan.steps})
    connection.execute(
        insert(schema.segments),
        [
            {
                "id": f"{run_id}.{index}",
                "run_id": run_id,
                "place": index,
                "pipeline": plan.pipeline,
                "priority": priority,
                "state": "ready" if index in moved.ready else "waiting",
                "ready_at": to_time(now),
            }
            for index in range(len(plan.segments))
        ],
    )


def _keep_plan(connection: Connection, plan: RunPlan) -> str:
    document = json.dumps(to_json(plan), sort_keys=True, separators=(",", ":"))
    digest = digest_bytes(document.encode())
    table = schema.plans
    if connection.execute(select(table.c.digest).where(table.c.digest == digest)).first() is None:
        connection.execute(insert(table).values(digest=digest, document=document))
    return digest


def _supersede(
    connection: Connection, run_id: str, now: datetime, tasks: list[dict[str, Any]]
) -> dict[str, Any]:
    """A newer run takes this one's place; what it had not finished is cancelled."""
    table = schema.tasks
    waiting = (table.c.run_id == run_id, table.c.state == TaskState.WAITING.value)
    steps = connection.execute(select(table.c.step).where(*waiting)).scalars().all()
    changes = [TaskChange(step, TaskState.CANCELLED, reason="superseded") for step in steps]
    tasks.extend(rows.task(run_id, change, now) for change in changes)
    connection.execute(
        update(table).where(*waiting).values(state=TaskState.CANCELLED.value, reason="superseded")
    )
    segments = schema.segments
    connection.execute(
        update(segments)
        .where(segments.c.run_id == run_id, segments.c.state.in_(("ready", "waiting")))
        .values(state="done")
    )
    state = connection.execute(select(schema.runs.c.state).where(schema.runs.c.id == run_id)).scalar_one()
    if state != RunState.RUNNING.value:
        return change_run(connection, run_id, now, current=False)
    return change_run(
        connection, run_id, now, current=False, state=RunState.SUPERSEDED.value, finished_at=now
    )


def _bring_back(connection: Connection, info: RunInfo, plan: RunPlan, now: datetime) -> None:
    """Let a run's unfinished tasks be tried again from the first attempt."""
    table = schema.tasks
    again = (
        TaskState.DEAD.value,
        TaskState.BLOCKED.value,
        TaskState.CANCELLED.value,
        TaskState.WAITING.value,
    )
    connection.execute(
        update(table)
        .where(table.c.run_id == info.id, table.c.state.in_(again))
        .values(state=TaskState.WAITING.value, failures=0, reason="", detail="", task_key="")
    )
    query = select(table.c.step, table.c.state).where(table.c.run_id == info.id)
    states = {step: TaskState(state) for step, state in connection.execute(query)}
    running = (schema.segments.c.run_id == info.id, schema.segments.c.state == "running")
    connection.execute(update(schema.segments).where(*running).values(state="waiting", owner=""))
    open_segments(connection, info.id, plan, states, now)
    row = change_run(connection, info.id, now, state=RunState.RUNNING.value, finished_at=None, reason="")
    post(connection, {"runs": [row]})
