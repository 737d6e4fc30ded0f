"""Claims, leases and the ends of attempts: the part of the ledger that two engines contend for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select, update

from hilum.ledger import schema
from hilum.ledger.interface import Claim, Finished, TaskChange
from hilum.ledger.schema import from_time, to_time
from hilum.ledger.sql import rows
from hilum.ledger.sql.database import Database
from hilum.ledger.sql.outbox import RowLists, post
from hilum.ledger.sql.runs import change_run, plan_of, run_query, to_run
from hilum.model.progress import advance
from hilum.model.work import RunPlan, RunState, TaskState

SEGMENTS = schema.segments
Candidate = tuple[int, int, int, str, str]
"""(-priority, running of its pipeline, ready since, segment id, pipeline)"""


class Dispatching:
    """The part of the ledger about segments and attempts."""

    database: Database
    plans: dict[str, RunPlan]

    def claim(
        self, owner: str, limit: int, now: datetime, lease: float, running: Mapping[str, int] | None = None
    ) -> list[Claim]:
        def work(connection: Connection) -> list[Claim]:
            chosen = _choose(connection, limit, to_time(now), running or {})
            if not chosen:
                return []
            until = to_time(now + timedelta(seconds=lease))
            connection.execute(
                update(SEGMENTS)
                .where(SEGMENTS.c.id.in_(chosen))
                .values(
                    state="running",
                    owner=owner,
                    lease_until=until,
                    started_at=to_time(now),
                    attempts=SEGMENTS.c.attempts + 1,
                )
            )
            return self._claims(connection, chosen)

        return self.database.write(work)

    def heartbeat(self, owner: str, now: datetime, lease: float) -> list[str]:
        def work(connection: Connection) -> list[str]:
            mine = (SEGMENTS.c.owner == owner, SEGMENTS.c.state == "running")
            until = to_time(now + timedelta(seconds=lease))
            connection.execute(update(SEGMENTS).where(*mine).values(lease_until=until))
            stale = (schema.runs.c.id == SEGMENTS.c.run_id, schema.runs.c.state == RunState.SUPERSEDED.value)
            return list(connection.execute(select(SEGMENTS.c.id).where(*mine, *stale)).scalars())

        return self.database.write(work)

    def finish(self, owner: str, finished: Sequence[Finished], now: datetime) -> list[bool]:
        def work(connection: Connection) -> list[bool]:
            posted: RowLists = {}
            kept = [self._finish(connection, owner, item, now, posted) for item in finished]
            post(connection, posted)
            return kept

        return self.database.write(work)

    def reclaim(self, now: datetime, gone: Iterable[str] = ()) -> int:
        dead = sorted(set(gone))

        def work(connection: Connection) -> int:
            late = (SEGMENTS.c.lease_until < to_time(now)) | SEGMENTS.c.owner.in_(dead)
            query = select(SEGMENTS).where(SEGMENTS.c.state == "running", late).order_by(SEGMENTS.c.id)
            found = list(connection.execute(query.with_for_update(skip_locked=True)).mappings())
            posted: RowLists = {"attempts": []}
            for row in found:
                superseded = select(schema.runs.c.state).where(schema.runs.c.id == row["run_id"])
                over = connection.execute(superseded).scalar_one() == RunState.SUPERSEDED.value
                values = {"state": "done" if over else "ready", "owner": "", "ready_at": to_time(now)}
                connection.execute(update(SEGMENTS).where(SEGMENTS.c.id == row["id"]).values(**values))
                posted["attempts"].append(
                    rows.lost(dict(row), row["owner"], from_time(row["started_at"]), now)
                )
            post(connection, posted)
            return len(found)

        return self.database.write(work)

    def owners(self) -> list[str]:
        query = select(SEGMENTS.c.owner).where(SEGMENTS.c.state == "running").distinct()
        with self.database.read() as connection:
            return sorted(connection.execute(query).scalars())

    def next_ready(self) -> datetime | None:
        query = select(func.min(SEGMENTS.c.ready_at)).where(SEGMENTS.c.state == "ready")
        with self.database.read() as connection:
            value = connection.execute(query).scalar()
        return None if value is None else from_time(value)

    def _claims(self, connection: Connection, ids: Sequence[str]) -> list[Claim]:
        found = {row.id: row for row in connection.execute(select(SEGMENTS).where(SEGMENTS.c.id.in_(ids)))}
        run_ids = sorted({row.run_id for row in found.values()})
        runs = {row.id: row for row in connection.execute(run_query().where(schema.runs.c.id.in_(run_ids)))}
        tasks: dict[str, list[Any]] = {run_id: [] for run_id in run_ids}
        for row in connection.execute(select(schema.tasks).where(schema.tasks.c.run_id.in_(run_ids))):
            tasks[row.run_id].append(row)
        claims = []
        for segment_id in ids:
            segment = found[segment_id]
            of_run = tasks[segment.run_id]
            claims.append(
                Claim(
                    segment_id=segment_id,
                    number=segment.attempts,
                    run=to_run(runs[segment.run_id]),
                    plan=plan_of(connection, self.plans, runs[segment.run_id].plan),
                    index=segment.place,
                    states={row.step: TaskState(row.state) for row in of_run},
                    keys={row.step: row.task_key for row in of_run if row.task_key},
                    failures={row.step: row.failures for row in of_run},
                    memory={row.step: row.memory for row in of_run if row.memory},
                )
            )
        return claims

    def _finish(
        self, connection: Connection, owner: str, item: Finished, now: datetime, posted: RowLists
    ) -> bool:
        claim = item.claim
        query = select(SEGMENTS).where(SEGMENTS.c.id == claim.segment_id).with_for_update()
        segment = connection.execute(query).one()
        mine = segment.state == "running" and segment.owner == owner and segment.attempts == claim.number
        if not mine:
            return False
        posted.setdefault("attempts", []).append(rows.attempt(item, now))
        for table, items in item.rows.items():
            posted.setdefault(table, []).extend(dict(row) for row in items)
        state = connection.execute(
            select(schema.runs.c.state).where(schema.runs.c.id == claim.run.id).with_for_update()
        ).scalar_one()
        if state != RunState.RUNNING.value:
            self._set_segment(connection, claim.segment_id, "done", now)
            return True
        for change in item.changes:
            _change_task(connection, claim.run.id, change)
            if change.state.final:
                posted.setdefault("tasks", []).append(rows.task(claim.run.id, change, now))
        self._advance(connection, claim, item.not_before, now, posted)
        return True

    def _advance(
        self, connection: Connection, claim: Claim, not_before: datetime, now: datetime, posted: RowLists
    ) -> None:
        """Let the run move on from its tasks' states: block, open the next segments, end."""
        run_id = claim.run.id
        query = select(schema.tasks.c.step, schema.tasks.c.state).where(schema.tasks.c.run_id == run_id)
        states = {step: TaskState(state) for step, state in connection.execute(query)}
        moved = advance(claim.plan, states)
        for step in moved.blocked:
            change = TaskChange(step, TaskState.BLOCKED, reason="need-failed")
            _change_task(connection, run_id, change)
            posted.setdefault("tasks", []).append(rows.task(run_id, change, now))
        segments = select(SEGMENTS.c.place, SEGMENTS.c.state).where(SEGMENTS.c.run_id == run_id)
        before = dict(connection.execute(segments).tuples())
        for index in moved.finished:
            if before[index] != "done":
                self._set_segment(connection, f"{run_id}.{index}", "done", now)
        for index in moved.ready:
            if index == claim.index:
                self._set_segment(connection, claim.segment_id, "ready", not_before)
            elif before[index] == "waiting":
                self._set_segment(connection, f"{run_id}.{index}", "ready", now)
        if moved.run is not RunState.RUNNING:
            reason = "" if moved.run is RunState.SUCCEEDED else _first_reason(connection, run_id)
            state = moved.run.value
            row = change_run(connection, run_id, now, state=state, finished_at=now, reason=reason)
            posted.setdefault("runs", []).append(row)

    @staticmethod
    def _set_segment(connection: Connection, segment_id: str, state: str, ready_at: datetime) -> None:
        values = {"state": state, "owner": "", "ready_at": to_time(ready_at)}
        connection.execute(update(SEGMENTS).where(SEGMENTS.c.id == segment_id).values(**values))


def _change_task(connection: Connection, run_id: str, change: TaskChange) -> None:
    table = schema.tasks
    values: dict[str, Any] = {"state": change.state.value, "reason": change.reason, "detail": change.detail}
    if change.task_key:
        values["task_key"] = change.task_key
    if change.failed:
        values["failures"] = table.c.failures + 1
    if change.memory is not None:
        values["memory"] = change.memory
    where = (table.c.run_id == run_id, table.c.step == change.step)
    connection.execute(update(table).where(*where).values(**values))


def _first_reason(connection: Connection, run_id: str) -> str:
    table = schema.tasks
    query = select(table.c.reason).where(table.c.run_id == run_id, table.c.state == TaskState.DEAD.value)
    return str(connection.execute(query.order_by(table.c.position).limit(1)).scalar() or "")


def _choose(connection: Connection, limit: int, now: int, free: Mapping[str, int]) -> list[str]:
    """Ids of up to ``limit`` ready segments: highest priority first, then the pipeline with least at work.

    ``free`` says how many more of a pipeline may run; a pipeline that it does not name has no limit.
    """
    candidates: list[Candidate] = []
    at_work = select(SEGMENTS.c.pipeline, func.count()).where(SEGMENTS.c.state == "running")
    busy: dict[str, int] = dict(connection.execute(at_work.group_by(SEGMENTS.c.pipeline)).tuples().all())
    for pipeline in _pipelines(connection):
        room = free.get(pipeline)
        most = limit if room is None else min(limit, room - busy.get(pipeline, 0))
        if most <= 0:
            continue
        query = (
            select(SEGMENTS.c.id, SEGMENTS.c.priority, SEGMENTS.c.ready_at)
            .where(SEGMENTS.c.state == "ready", SEGMENTS.c.pipeline == pipeline, SEGMENTS.c.ready_at <= now)
            .order_by(SEGMENTS.c.priority.desc(), SEGMENTS.c.ready_at)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        for place, row in enumerate(connection.execute(query)):
            load = busy.get(pipeline, 0) + place
            candidates.append((-row.priority, load, row.ready_at, row.id, pipeline))
    return [candidate[3] for candidate in sorted(candidates)[:limit]]


def _pipelines(connection: Connection) -> list[str]:
    """Pipelines with ready segments, by skipping along the index rather than reading it."""
    found: list[str] = []
    query = select(func.min(SEGMENTS.c.pipeline)).where(SEGMENTS.c.state == "ready")
    name = connection.execute(query).scalar()
    while name is not None:
        found.append(name)
        name = connection.execute(query.where(SEGMENTS.c.pipeline > name)).scalar()
    return found
