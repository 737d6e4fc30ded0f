"""Claims and leases: the part of the ledger that two engines contend for. Statements are made once, as constants:
they are executed for every attempt, and putting one together costs as much as running it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, delete, func, select, union, update

from hilum.kernel.retry import CAP
from hilum.ledger import schema
from hilum.ledger.interface import Claim, Finished, RunInfo
from hilum.ledger.schema import from_time, to_time
from hilum.ledger.sql import rows
from hilum.ledger.sql.database import Database, chunks
from hilum.ledger.sql.ends import record_ends
from hilum.ledger.sql.needs import needed
from hilum.ledger.sql.outbox import RowLists, post
from hilum.ledger.sql.runs import lock_runs, plan_of, run_query, to_run
from hilum.model.work import RunPlan, RunState, TaskState

Candidate = tuple[int, int, int, str]
"""(-priority, running of its pipeline, ready since, segment id)"""

LONGEST_WAIT = int(CAP * 1_000_000)

_segments = schema.segments.c
_running = _segments.state == "running"
_among: BindParameter[Any] = bindparam("ids", expanding=True)

AT_WORK = select(_segments.pipeline, func.count()).where(_running).group_by(_segments.pipeline)
NEXT_PIPELINE = select(func.min(_segments.pipeline)).where(
    _segments.state == "ready", _segments.pipeline > bindparam("after")
)
CANDIDATES = (
    select(_segments.id, _segments.priority, _segments.ready_at)
    .where(
        _segments.state == "ready",
        _segments.pipeline == bindparam("of_pipeline"),
        (_segments.attempts == 0)
        | (_segments.ready_at <= bindparam("now"))
        | (_segments.ready_at > bindparam("longest_wait")),
    )
    .order_by(_segments.priority.desc(), _segments.ready_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
TAKE = (
    update(schema.segments)
    .where(_segments.id.in_(_among))
    .values(
        state="running",
        owner=bindparam("to_owner"),
        lease_until=bindparam("until"),
        started_at=bindparam("now"),
        attempts=_segments.attempts + 1,
    )
)
TAKEN = select(_segments.id, _segments.run_id, _segments.place, _segments.attempts).where(
    _segments.id.in_(_among)
)
RUNS_OF = run_query().where(schema.runs.c.id.in_(_among))
TASKS_OF = select(schema.tasks).where(schema.tasks.c.run_id.in_(_among))
EXTEND = (
    update(schema.segments)
    .where(_segments.id.in_(_among), _segments.owner == bindparam("of_owner"), _running)
    .values(lease_until=bindparam("until"))
)
OVERTAKEN = (
    select(_segments.id)
    .join(schema.runs, schema.runs.c.id == _segments.run_id)
    .where(
        _segments.id.in_(_among),
        _segments.owner == bindparam("of_owner"),
        _running,
        schema.runs.c.state == RunState.SUPERSEDED.value,
    )
)
TAKE_OVER = (
    update(schema.segments)
    .where(_segments.id.in_(_among))
    .values(owner=bindparam("to_owner"), lease_until=bindparam("until"))
)
OWNERS = union(
    select(_segments.owner).where(_running, _segments.lease_until >= bindparam("since")),
    select(schema.roles.c.owner).where(schema.roles.c.lease_until >= bindparam("since")),
)


class Dispatching:
    """The part of the ledger about segments and attempts."""

    database: Database
    plans: dict[str, RunPlan]

    def claim(
        self, owner: str, limit: int, now: datetime, lease: float, running: Mapping[str, int] | None = None
    ) -> list[Claim]:
        def work(connection: Connection) -> list[Claim]:
            if running:
                self.database.alone(connection)
            chosen = _choose(connection, limit, to_time(now), running or {})
            if not chosen:
                return []
            until = to_time(now + timedelta(seconds=lease))
            taking = {"ids": chosen, "to_owner": owner, "until": until, "now": to_time(now)}
            connection.execute(TAKE, taking)
            return self._claims(connection, chosen)

        return self.database.write(work)

    def heartbeat(self, owner: str, segments: Collection[str], now: datetime, lease: float) -> list[str]:
        until = to_time(now + timedelta(seconds=lease))

        def work(connection: Connection) -> list[str]:
            overtaken: list[str] = []
            for part in chunks(sorted(segments)):
                connection.execute(EXTEND, {"ids": part, "of_owner": owner, "until": until})
                overtaken += connection.execute(OVERTAKEN, {"ids": part, "of_owner": owner}).scalars()
            return overtaken

        return self.database.write(work) if segments else []

    def finish(self, owner: str, finished: Sequence[Finished], now: datetime) -> list[bool]:
        return self.database.write(lambda connection: record_ends(connection, owner, finished, now))

    def take_over(self, owner: str, now: datetime, lease: float, gone: Iterable[str] = ()) -> list[Claim]:
        def work(connection: Connection) -> list[Claim]:
            runs, found = _abandoned(connection, now, sorted(set(gone)))
            ids = [row["id"] for row in found if runs[row["run_id"]].state is RunState.RUNNING]
            if not ids:
                return []
            until = to_time(now + timedelta(seconds=lease))
            connection.execute(TAKE_OVER, {"ids": ids, "to_owner": owner, "until": until})
            return self._claims(connection, ids)

        return self.database.write(work)

    def reclaim(self, now: datetime, gone: Iterable[str] = ()) -> int:
        dead = sorted(set(gone))

        def work(connection: Connection) -> int:
            if dead:
                connection.execute(delete(schema.roles).where(schema.roles.c.owner.in_(dead)))
            runs, found = _abandoned(connection, now, dead)
            for row in found:
                over = runs[row["run_id"]].state is not RunState.RUNNING
                values = {"state": "done" if over else "ready", "owner": "", "ready_at": to_time(now)}
                connection.execute(update(schema.segments).where(_segments.id == row["id"]).values(**values))
            attempts = [rows.unreported(row, "lost", "engine-gone", now) for row in found]
            posted: RowLists = {"attempts": attempts}
            post(connection, posted)
            return len(found)

        return self.database.write(work)

    def owners(self, now: datetime | None = None) -> list[str]:
        since = {"since": to_time(now) if now else 0}
        with self.database.read() as connection:
            return sorted(connection.execute(OWNERS, since).scalars())

    def next_ready(self) -> datetime | None:
        query = select(func.min(_segments.ready_at)).where(_segments.state == "ready")
        with self.database.read() as connection:
            value = connection.execute(query).scalar()
        return None if value is None else from_time(value)

    def _claims(self, connection: Connection, ids: Sequence[str]) -> list[Claim]:
        found = {row.id: row for row in connection.execute(TAKEN, {"ids": ids})}
        run_ids = sorted({row.run_id for row in found.values()})
        runs = {row.id: row for row in connection.execute(RUNS_OF, {"ids": run_ids})}
        tasks: dict[str, list[Any]] = {run_id: [] for run_id in run_ids}
        for row in connection.execute(TASKS_OF, {"ids": run_ids}):
            tasks[row.run_id].append(row)
        plans = {row_id: plan_of(connection, self.plans, row.plan) for row_id, row in runs.items()}
        more = needed(
            connection,
            {
                each.id: (plans[each.run_id].steps_of(each.place), runs[each.run_id].subject_id)
                for each in found.values()
            },
        )
        claims = []
        for segment_id in ids:
            segment = found[segment_id]
            of_run = tasks[segment.run_id]
            claims.append(
                Claim(
                    segment_id=segment_id,
                    number=segment.attempts,
                    run=to_run(runs[segment.run_id]),
                    plan=plans[segment.run_id],
                    index=segment.place,
                    states={row.step: TaskState(row.state) for row in of_run},
                    keys={row.step: row.task_key for row in of_run if row.task_key},
                    failures={row.step: row.failures for row in of_run},
                    memory=more.get(segment_id, {}) | {row.step: row.memory for row in of_run if row.memory},
                )
            )
        return claims


def _abandoned(
    connection: Connection, now: datetime, gone: Sequence[str]
) -> tuple[dict[str, RunInfo], list[RowMapping]]:
    """Segments at work whose lease ran out or whose owner is gone, and their runs, locked."""
    late = (_segments.lease_until < to_time(now)) | _segments.owner.in_(gone)
    query = select(schema.segments).where(_running, late)
    run_ids = sorted({row.run_id for row in connection.execute(query)})
    runs = {info.id: info for info in lock_runs(connection, run_ids)}
    rows = connection.execute(query.order_by(_segments.id)).mappings()
    return runs, [row for row in rows if row["run_id"] in runs]


def _choose(connection: Connection, limit: int, now: int, most_running: Mapping[str, int]) -> list[str]:
    """Ids of up to ``limit`` ready segments: highest priority first, then the pipeline with least at work.

    ``most_running`` says how many of a pipeline may run at once; one that it does not name has no limit.
    """
    candidates: list[Candidate] = []
    busy: dict[str, int] = {row[0]: row[1] for row in connection.execute(AT_WORK)}
    for pipeline in _pipelines(connection):
        load = busy.get(pipeline, 0)
        most = min(limit, most_running.get(pipeline, limit + load) - load)
        if most <= 0:
            continue
        asked = {"of_pipeline": pipeline, "now": now, "longest_wait": now + LONGEST_WAIT, "most": most}
        found = connection.execute(CANDIDATES, asked)
        candidates += [(-row.priority, load + place, row.ready_at, row.id) for place, row in enumerate(found)]
    return [candidate[3] for candidate in sorted(candidates)[:limit]]


def _pipelines(connection: Connection) -> list[str]:
    """Pipelines with ready segments, by skipping along the index rather than reading it."""
    found: list[str] = []
    name: str | None = ""
    while (name := connection.execute(NEXT_PIPELINE, {"after": name}).scalar()) is not None:
        found.append(name)
    return found
