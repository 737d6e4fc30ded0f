"""The ledger's tables, one schema for SQLite and PostgreSQL. Times are microseconds since 1970 in UTC (integers
compare alike everywhere); documents are JSON text. Changes come as Alembic migrations in ``migrations/``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    event,
    text,
)

from hilum.ledger.counts import EPOCH
from hilum.ledger.counts import REVISION as REVISION
from hilum.ledger.counts import from_time as from_time

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
)
Time = BigInteger
Serial = BigInteger().with_variant(Integer, "sqlite")

arrivals = Table(
    "arrivals",
    metadata,
    Column("uri", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("arrived_at", Time, nullable=False),
    Column("outcome", String(16), nullable=False, index=True),
    Column("reason", Text, nullable=False, default=""),
    Column("digest", String(64), nullable=False, default=""),
    Column("sop_instance_uid", Text, nullable=False, default=""),
    Column("sequence", BigInteger, nullable=False),
)

instances = Table(
    "instances",
    metadata,
    Column("sop_instance_uid", Text, primary_key=True),
    Column("sop_class_uid", Text, nullable=False),
    Column("series_uid", Text, nullable=False, index=True),
    Column("study_uid", Text, nullable=False, index=True),
    Column("digest", String(64), nullable=False),
    Column("uri", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("transfer_syntax_uid", Text, nullable=False, default=""),
    Column("header_id", String(32), nullable=False),
    Column("derived_from", String(64), nullable=False, server_default=""),
)

memory_needs = Table(
    "memory_needs",
    metadata,
    Column("code", String(64), primary_key=True),
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("memory", BigInteger, nullable=False),
)

UNPLANNED = "revision <> '' AND planned <> revision"
"""Of subjects: settled on a revision that nobody has planned yet. Those few have an index of their own."""

subjects = Table(
    "subjects",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("scope", String(8), nullable=False),
    Column("uid", Text, nullable=False),
    Column("study_uid", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("facts_digest", String(64), nullable=False),
    Column("instances", Integer, nullable=False),
    Column("first_arrival", Time, nullable=False),
    Column("last_arrival", Time, nullable=False),
    Column("changes", Integer, nullable=False),
    Column("revision", String(64), nullable=False, default=""),
    Column("planned", String(64), nullable=False, default=""),
    Column("open", Boolean, nullable=False),
    Column("closing", Boolean, nullable=False, default=False),
    Index("ix_subjects_open", "open", "id"),
    Index("ix_subjects_scope", "scope", "instances"),
)


@event.listens_for(subjects, "after_create")
def _index_unplanned(_target: Table, connection: Connection, **_: Any) -> None:
    # As text: Index takes a condition once for each dialect and imports that, which takes 0.1 s at every start.
    connection.execute(text(f"CREATE INDEX ix_subjects_unplanned ON subjects (id) WHERE {UNPLANNED}"))


revisions = Table(
    "revisions",
    metadata,
    Column("subject_id", String(32), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("instances", Integer, nullable=False),
    Column("settled_at", Time, nullable=False),
    Column("rule", Text, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("uri", Text, nullable=False, index=True),
    Column("version", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("known_digest", String(64), nullable=False),
    Column("sop_instance_uid", Text, nullable=False),
    Column("received", Text, nullable=False),
    Column("quarantined_at", Time, nullable=False),
    Column("released_at", Time),
    Column("decision", Text, nullable=False, default=""),
)

plans = Table(
    "plans",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("spec", String(64), nullable=False),
    Column("plan", String(64), nullable=False),
    Column("subject_id", String(32), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("current", Boolean, nullable=False),
    Column("supersedes", String(32), nullable=False, default=""),
    Column("priority", Integer, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("finished_at", Time),
    Column("reason", Text, nullable=False, default=""),
    Index("ix_runs_created_at", "created_at", "id"),
    Index("ix_runs_subject_id_pipeline", "subject_id", "pipeline"),
)

tasks = Table(
    "tasks",
    metadata,
    Column("run_id", String(32), primary_key=True),
    Column("step", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("task_key", String(64), nullable=False, default=""),
    Column("failures", Integer, nullable=False, default=0),
    Column("reason", Text, nullable=False, default=""),
    Column("detail", Text, nullable=False, default=""),
    Column("memory", BigInteger),
)

segments = Table(
    "segments",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("run_id", String(32), nullable=False, index=True),
    Column("place", Integer, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("ready_at", Time, nullable=False),
    Column("owner", Text, nullable=False, default=""),
    Column("lease_until", Time, nullable=False, default=0),
    Column("started_at", Time, nullable=False, default=0),
    Index("ix_segments_ready", "state", "pipeline", text("priority DESC"), "ready_at"),
    Index("ix_segments_owner", "owner"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("batch", BigInteger, nullable=False, default=0, index=True),
    Column("rows", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

roles = Table(
    "roles",
    metadata,
    Column("role", String(32), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("lease_until", Time, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

schema_version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own; ours only so that a new database has it too."""


def to_time(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)
