"""The warehouse's rows about what the ledger decides, one function a table: the only place that knows both forms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from hilum.kernel.digest import short_id
from hilum.ledger.interface import Finished, RunInfo, TaskChange
from hilum.ledger.schema import from_time
from hilum.model.arrival import Outcome, Quarantined, Received
from hilum.model.subject import Member, Revision

Row = dict[str, Any]


def _row(_id: str, now: datetime, /, **columns: Any) -> Row:
    plain = {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in columns.items()
    }
    return {"_row_id": _id, "_recorded_at": now.isoformat(), **plain}


def arrival(received: Received, outcome: Outcome, reason: str, now: datetime) -> Row:
    """A row of ``arrivals``."""
    seen, instance = received.arrival, received.instance
    return _row(
        short_id("e", seen.uri, seen.version),
        now,
        uri=seen.uri,
        size=seen.size,
        version=seen.version,
        source=seen.source,
        arrived_at=seen.arrived_at,
        outcome=outcome.value,
        reason=reason,
        digest=received.digest,
        sop_instance_uid=instance.sop_instance_uid if instance else "",
    )


def quarantined(entry: Quarantined, now: datetime) -> Row:
    """A row of ``quarantine``, at entry and again at release."""
    return _row(
        f"{entry.id}:{entry.decision}",
        now,
        quarantine_id=entry.id,
        uri=entry.uri,
        reason=entry.reason,
        detail=entry.detail,
        digest=entry.digest,
        known_digest=entry.known_digest,
        sop_instance_uid=entry.sop_instance_uid,
        quarantined_at=entry.quarantined_at,
        released_at=entry.released_at,
        decision=entry.decision,
    )


def retraction(table: str, row_id: str, reason: str, now: datetime) -> Row:
    """A row of ``retractions``: another row no longer counts."""
    return _row(f"{table}:{row_id}", now, table_name=table, row_id=row_id, at=now, reason=reason)


def revision(revision: Revision, members: Iterable[Member], now: datetime) -> list[Row]:
    """Rows of ``revisions``: which instances make it up, and where they were."""
    return [
        _row(
            short_id("v", revision.subject_id, revision.digest, member.sop_instance_uid),
            now,
            revision=revision.digest,
            subject_id=revision.subject_id,
            SOPInstanceUID=member.sop_instance_uid,
            digest=member.digest,
            uri=member.uri,
        )
        for member in members
    ]


def run(info: RunInfo, now: datetime) -> Row:
    """A row of ``runs``: one for each change of its state."""
    return _row(
        f"{info.id}:{info.state.value}:{int(info.current)}:{now.isoformat()}",
        now,
        run_id=info.id,
        pipeline=info.pipeline,
        spec=info.spec,
        scope=info.scope.value,
        subject_id=info.subject_id,
        subject_uid=info.subject_uid,
        study_uid=info.study_uid,
        revision=info.revision,
        state=info.state.value,
        reason=info.reason,
        current=info.current,
        supersedes=info.supersedes,
        created_at=info.created_at,
        finished_at=info.finished_at,
    )


def task(run_id: str, change: TaskChange, now: datetime, attempt_id: str = "") -> Row:
    """A row of ``tasks``: one for each final state. ``attempt_id``: which attempt gave it, if one did."""
    return _row(
        f"{run_id}.{change.step}:{change.state.value}:{now.isoformat()}",
        now,
        task_id=f"{run_id}.{change.step}",
        run_id=run_id,
        attempt_id=attempt_id or None,
        step=change.step,
        state=change.state.value,
        task_key=change.task_key,
        reused=change.reused,
        reason=change.reason,
        detail=change.detail,
        started_at=change.started_at,
        staged_at=change.staged_at,
        computed_at=change.computed_at,
        finished_at=change.finished_at,
    )


def attempt(finished: Finished, now: datetime) -> Row:
    """A row of ``attempts``."""
    report, claim = finished.report, finished.claim
    return _row(
        claim.attempt_id,
        now,
        attempt_id=claim.attempt_id,
        run_id=claim.run.id,
        number=claim.number,
        steps=list(claim.steps),
        executor=report.executor,
        machine=report.machine,
        outcome=report.outcome.value,
        reason=report.reason,
        detail=report.detail,
        failed_step=report.failed_step,
        exit_code=report.exit_code,
        max_rss=report.max_rss,
        cpu_seconds=report.cpu_seconds,
        started_at=report.started_at,
        finished_at=report.finished_at,
    )


def unreported(segment: Mapping[Any, Any], outcome: str, reason: str, now: datetime) -> Row:
    """A row of ``attempts`` for one of which nobody will ever report."""
    attempt_id = f"{segment['id']}.{segment['attempts']}"
    return _row(
        attempt_id,
        now,
        attempt_id=attempt_id,
        run_id=segment["run_id"],
        number=segment["attempts"],
        steps=[],
        machine=segment["owner"].partition("/")[0],
        outcome=outcome,
        reason=reason,
        started_at=from_time(segment["started_at"]),
        finished_at=now,
    )
