"""Runs in the ledger: made, found, listed, brought back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from hilum.audit import Witness, nobody
from hilum.ledger import schema
from hilum.ledger.interface import NewRun, RunInfo, TaskInfo
from hilum.ledger.sql.creation import bring_back, create, redo
from hilum.ledger.sql.database import Database, chunks
from hilum.ledger.sql.outbox import post
from hilum.ledger.sql.runs import plan_of, run_query, to_run, to_task
from hilum.model.work import RunPlan, RunState


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
        return self.database.write(lambda connection: create(connection, self.plans, runs, planned, now))

    def retry(
        self,
        run_ids: Iterable[str] | None,
        now: datetime,
        plans: Iterable[RunPlan] = (),
        witness: Witness[Sequence[str]] = nobody,
    ) -> list[str]:
        wanted = None if run_ids is None else sorted(set(run_ids))
        newer = {(plan.pipeline, plan.spec): plan for plan in plans}

        def work(connection: Connection) -> list[str]:
            again = bring_back(connection, self.plans, wanted, now, newer)
            post(connection, witness(again))
            return again

        return self.database.write(work)

    def redo(self, task_keys: Iterable[str], now: datetime) -> list[str]:
        lost = sorted(set(task_keys))
        return self.database.write(lambda connection: redo(connection, self.plans, lost, now))

    def runs(
        self, *, state: RunState | None = None, ids: Iterable[str] | None = None, limit: int | None = None
    ) -> list[RunInfo]:
        table = schema.runs.c
        query = run_query().order_by(table.created_at.desc(), table.id.desc()).limit(limit)
        if state is not None:
            query = query.where(table.state == state.value)
        parts: list[Select[Any]] = [query]
        if ids is not None:
            parts = [query.where(table.id.in_(part)) for part in chunks(sorted(set(ids)))]
        with self.database.read() as connection:
            found = [to_run(row) for part in parts for row in connection.execute(part)]
        if len(parts) > 1:
            found.sort(key=lambda run: (run.created_at, run.id), reverse=True)
        return found[:limit]

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
