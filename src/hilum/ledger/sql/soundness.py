"""What must hold in a sound ledger whatever happened to it: `doctor` asks, and so do tests after every crash.

The database guards each row; these sentences are about rows that have to agree.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select

from hilum.ledger import schema
from hilum.model.work import RunState, TaskState

SHOWN = 10
"""Findings of one kind that are told."""

_runs, _tasks, _segments = schema.runs.c, schema.tasks.c, schema.segments.c
_subjects, _instances = schema.subjects.c, schema.instances.c
_working = _runs.state == RunState.RUNNING.value


def _counted(scope: str, uid: Any) -> Select[Any]:
    held = select(func.count()).where(uid == _subjects.uid).scalar_subquery()
    return select(_subjects.id).where(_subjects.scope == scope, _subjects.instances != held)


_movable = select(_segments.id).where(_segments.run_id == _runs.id, _segments.state.in_(("ready", "running")))
_open = and_(_runs.id == _tasks.run_id, _tasks.state == TaskState.WAITING.value)
_startable = and_(_runs.id == _segments.run_id, _segments.state.in_(("ready", "waiting")))
_held = _segments.state == "running"

RULES: tuple[tuple[str, Select[Any]], ...] = (
    ("subject {} does not count its instances right", _counted("series", _instances.series_uid)),
    ("subject {} does not count its instances right", _counted("study", _instances.study_uid)),
    (
        "subject {} has two current runs of one pipeline",
        select(_runs.subject_id)
        .where(_runs.current)
        .group_by(_runs.subject_id, _runs.pipeline)
        .having(func.count() > 1),
    ),
    (
        "run {} has lost its plan or its subject",
        select(_runs.id).where(
            or_(
                _runs.plan.not_in(select(schema.plans.c.digest)),
                _runs.subject_id.not_in(select(_subjects.id)),
            )
        ),
    ),
    ("run {} goes on, but nothing of it can start", select(_runs.id).where(_working, ~_movable.exists())),
    ("run {} has ended, but not all of its tasks", select(_runs.id).join(schema.tasks, _open).where(~_working)),
    ("run {} has ended, but may start again", select(_runs.id).join(schema.segments, _startable).where(~_working)),
    (
        "run {} has a dead task without a reason",
        select(_tasks.run_id).where(_tasks.state == TaskState.DEAD.value, _tasks.reason == ""),
    ),
    (
        "segment {} is at work for nobody, or has an owner and is not at work",
        select(_segments.id).where(or_(and_(_held, _segments.owner == ""), and_(~_held, _segments.owner != ""))),
    ),
)  # fmt: skip


def disagreements(connection: Connection) -> list[str]:
    """What does not agree, a line each."""
    found = []
    for sentence, query in RULES:
        ids = sorted(set(connection.execute(query.limit(SHOWN)).scalars()))
        found += [sentence.format(each) for each in ids]
    accepted = select(func.count()).where(schema.arrivals.c.outcome == "accepted")
    arrivals = connection.execute(accepted).scalar_one()
    instances = connection.execute(select(func.count()).select_from(schema.instances)).scalar_one()
    if arrivals != instances:
        found.append(f"{arrivals} arrivals were accepted, but {instances} instances are known")
    return found
