"""The state of a ledger in counts, as plain SQL that SQLite and PostgreSQL both take.

Written without SQLAlchemy, whose import alone takes most of the time in which `hilum status` has to answer: there,
SQLite is asked through Python's own module (:func:`glance`), and the full adapter asks the same questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hilum.ledger.interface import Levels, Summary, TaskInfo
from hilum.model.arrival import SWEEP
from hilum.model.work import TaskState

REVISION = "0003"
"""The newest migration: what a new database is stamped with."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SQLITE = "sqlite:///"

VERSION = "SELECT version_num FROM alembic_version"
ARRIVALS = "SELECT outcome, count(*) FROM arrivals GROUP BY outcome"
SUBJECTS = "SELECT scope, count(*) FROM subjects WHERE instances > 0 GROUP BY scope"
OPEN = 'SELECT count(*), min(first_arrival) FROM subjects WHERE "open" AND instances > 0'
RUNS = """
SELECT pipeline, state, count(*) FROM runs WHERE "current" OR state = 'superseded' GROUP BY pipeline, state
"""
TASKS = "SELECT state, count(*) FROM tasks GROUP BY state"
SUPERSEDED = 'SELECT count(*) FROM runs WHERE NOT "current"'
LATE = """
SELECT count(*) FROM (SELECT subject_id FROM revisions GROUP BY subject_id HAVING count(*) > 1) AS again
"""
QUARANTINE = "SELECT reason, count(*) FROM quarantine WHERE released_at IS NULL GROUP BY reason"
OUTBOX = 'SELECT coalesce(sum("rows"), 0) FROM outbox'
FAILURES = """
SELECT t.run_id, t.step, t.state, t.task_key, t.reason, t.detail, t.failures
FROM tasks t JOIN runs r ON r.id = t.run_id WHERE t.state = 'dead' AND r."current"
ORDER BY r.created_at DESC, t.run_id, t.position LIMIT 20
"""

FOUND = f"SELECT coalesce(max(value), 0) FROM counters WHERE name = '{SWEEP}'"
"""The counter of what sweeps found: rows of arrivals may go."""
LEVELS = "SELECT outcome, source, count(*) FROM arrivals GROUP BY outcome, source"
NEWEST = "SELECT max(last_arrival) FROM subjects"
REFUSED = "SELECT count(*) FROM quarantine"
REASONS = "SELECT state, reason, count(*) FROM tasks GROUP BY state, reason"
DEAD = """
SELECT count(*) FROM tasks t JOIN runs r ON r.id = t.run_id WHERE t.state = 'dead' AND r."current"
"""
READY = "SELECT min(ready_at) FROM segments WHERE state = 'ready'"

Ask = Callable[[str], Sequence[Any]]
"""A query's rows, all within one transaction."""


def summarize(ask: Ask) -> Summary:
    """The counts, asked one after another."""
    runs: dict[str, dict[str, int]] = {}
    for pipeline, state, number in ask(RUNS):
        runs.setdefault(pipeline, {})[state] = number
    ((open_subjects, oldest),) = ask(OPEN)
    return Summary(
        arrivals=_counts(ask(ARRIVALS)),
        subjects=_counts(ask(SUBJECTS)),
        open_subjects=open_subjects,
        runs=runs,
        tasks=_counts(ask(TASKS)),
        superseded=ask(SUPERSEDED)[0][0],
        late=ask(LATE)[0][0],
        quarantine=_counts(ask(QUARANTINE)),
        outbox=int(ask(OUTBOX)[0][0]),
        oldest_open=None if oldest is None else from_time(oldest),
        failures=tuple(
            TaskInfo(run_id, step, TaskState(state), *rest) for run_id, step, state, *rest in ask(FAILURES)
        ),
    )


def measure(ask: Ask, now: datetime, oldest_row: datetime | None) -> Levels:
    """The levels, asked one after another."""
    arrivals = {(outcome, source): number for outcome, source, number in ask(LEVELS)}
    ((newest,),) = ask(NEWEST)
    ((ready,),) = ask(READY)
    since = None if ready is None else from_time(ready)
    return Levels(
        arrivals=arrivals,
        newest_arrival=None if newest is None else from_time(newest),
        found_by_sweep=ask(FOUND)[0][0],
        quarantined=ask(REFUSED)[0][0],
        tasks={(state, reason): number for state, reason, number in ask(REASONS)},
        dead_tasks=ask(DEAD)[0][0],
        oldest_ready=since if since and since <= now else None,
        oldest_row=oldest_row,
    )


def glance(url: str) -> Summary | None:
    """The counts of an SQLite ledger at its newest schema; None for any other, which has to be opened in full."""
    import sqlite3

    path = Path(url.removeprefix(SQLITE))
    if not url.startswith(SQLITE) or not path.is_file():
        return None
    try:
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        try:
            connection.execute("BEGIN")
            if connection.execute(VERSION).fetchall() != [(REVISION,)]:
                return None
            return summarize(lambda sql: connection.execute(sql).fetchall())
        finally:
            connection.close()
    except sqlite3.Error:  # the full adapter says what is wrong
        return None


def from_time(value: int) -> datetime:
    """Microseconds since 1970 as an aware datetime."""
    return EPOCH + timedelta(microseconds=value)


def _counts(rows: Sequence[Any]) -> dict[str, int]:
    return dict(rows)
