"""Runs, tasks and plans as rows and as values, and the order in which runs are locked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from hilum.ledger import schema
from hilum.ledger.interface import RunInfo, TaskInfo
from hilum.ledger.schema import from_time
from hilum.ledger.sql.database import chunks
from hilum.model.codec import from_json
from hilum.model.subject import Scope
from hilum.model.work import RunPlan, RunState, TaskState

RUN_COLUMNS = (schema.runs, schema.subjects.c.scope, schema.subjects.c.uid, schema.subjects.c.study_uid)
RUNS = schema.runs.join(schema.subjects, schema.runs.c.subject_id == schema.subjects.c.id)


def run_query() -> Select[Any]:
    """Runs with what :func:`to_run` needs of their subjects."""
    return select(*RUN_COLUMNS).select_from(RUNS)


LOCK_RUNS = (
    run_query()
    .where(schema.runs.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(schema.runs.c.id)
    .with_for_update(of=schema.runs)
)


def lock_runs(connection: Connection, run_ids: Sequence[str]) -> list[RunInfo]:
    """These runs, locked until the transaction ends.

    Whoever changes a run, its tasks or its running segments locks the run first, and several in the order of their
    ids: so nobody decides on states that another is changing, and no two wait for each other.
    """
    return [
        to_run(row)
        for part in chunks(sorted(run_ids))
        for row in connection.execute(LOCK_RUNS, {"ids": part})
    ]


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
