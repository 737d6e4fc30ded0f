"""Ledgers for tests, and small words to say what happens to them: something arrives, settles, is claimed, ends.

Everything goes through the port, so these hold for any adapter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hilum.kernel.digest import digest_bytes
from hilum.ledger.interface import Claim, Finished, Ledger, NewRun, TaskChange
from hilum.model.arrival import Arrival, Instance, Received
from hilum.model.subject import Revision, Scope, Subject, revision_digest, subject_id
from hilum.model.work import AttemptOutcome, AttemptReport, RunPlan, StepPlan, TaskState

Opener = Callable[[], Ledger]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = 60.0
NEWEST = "0003"
"""The schema that this Hilum writes."""

OLDER_ROW = {
    "TransferSyntaxUID": "1.2.840.10008.1.2",
    "StudyDate": "2020-02-29",
    "ContentTime": "10:20:30.000500",
    "FrameReferenceDateTime": "2020-02-29T10:20:30.000000Z",
    "PatientName": {"Alphabetic": {"FamilyName": "Doe"}},
    "RequestAttributesSequence": [{"ScheduledProcedureStepStartDate": "1970-01-02"}],
    "OverlayRows": [{"Id": "6000", "Value": 5}],
}
"""A header's row as Hilum kept it before rows were text."""
NEWER_ROW = {
    "StudyDate": 18_321,
    "ContentTime": 37_230_000_500,
    "FrameReferenceDateTime": "2020-02-29T10:20:30.000000Z",
    "PatientName": {"Alphabetic": {"FamilyName": "Doe"}},
    "RequestAttributesSequence": [{"ScheduledProcedureStepStartDate": 1}],
    "OverlayRows": [{"Id": "6000", "Value": 5}],
}

OK = TaskState.SUCCEEDED
DEAD = TaskState.DEAD
AGAIN = TaskState.WAITING


def later(seconds: float) -> datetime:
    """So many seconds after everything began."""
    return NOW + timedelta(seconds=seconds)


def received(
    number: int,
    *,
    series: str = "1.2.1",
    study: str = "1.2",
    content: str = "",
    uri: str = "",
    version: str = "1",
    at: datetime = NOW,
    **facts: Any,
) -> Received:
    """Instance ``number`` with its header read; ``content`` stands for the bytes."""
    uri = uri or f"file:///inbox/{number}.dcm"
    uid = f"1.2.3.{number}"
    digest = digest_bytes(f"{number}:{content}".encode())
    return Received(
        Arrival(uri, 1000 + number, version, at, "folder"),
        digest,
        Instance(uid, "1.2.840.10008.5.1.4.1.1.2", series, study, digest, uri, 1000 + number, "1.2.840.10008.1.2.1"),
        facts={"Modality": "CT", "InstanceNumber": number, **facts},
        row=f'{{"SOPInstanceUID":"{uid}","Modality":"CT"}}',
    )  # fmt: skip


def unreadable(
    number: int, problem: str = "truncated", *, ignored: bool = False, version: str = "1"
) -> Received:
    """An object that is no instance, and why."""
    arrival = Arrival(f"file:///inbox/bad-{number}", number, version, NOW, "folder")
    return Received(arrival, problem=problem, ignored=ignored, detail="it ends early")


def plan_of(
    needs: dict[str, Sequence[str]] | str = "a",
    segments: Sequence[Sequence[str]] = (),
    *,
    pipeline: str = "p",
    spec: str = "",
    scope: Scope = Scope.SERIES,
) -> RunPlan:
    """A plan of steps with their needs (or of one step), each a segment of its own unless told otherwise."""
    shape = {needs: ()} if isinstance(needs, str) else needs
    steps = tuple(StepPlan(name, "qc", {"step": name}, needs=tuple(of)) for name, of in shape.items())
    parts = tuple(tuple(part) for part in segments) or tuple((name,) for name in shape)
    return RunPlan(pipeline, scope, spec or f"spec-of-{pipeline}", steps, parts)


def find(ledger: Ledger, uid: str = "1.2.1", scope: Scope = Scope.SERIES) -> Subject:
    """A subject, settled or not."""
    wanted = subject_id(scope, uid)
    return next(each for each in [*ledger.open_subjects(), *ledger.subjects([wanted])] if each.id == wanted)


def settle(ledger: Ledger, subject: Subject, now: datetime = NOW, rule: str = "quiet") -> Revision:
    """Settle a subject on what it has now."""
    members = ledger.members(subject)
    digest = revision_digest([member.digest for member in members])
    revision = Revision(subject.id, digest, len(members), now, rule)
    assert ledger.settle(subject, revision, members)
    return revision


def settled(ledger: Ledger, number: int = 1, instances: int = 1) -> Subject:
    """A settled series of its own study, by number."""
    items = [
        received(1000 * number + place, series=f"1.2.{number}.1", study=f"1.2.{number}")
        for place in range(instances)
    ]
    ledger.record_arrivals(items, NOW)
    settle(ledger, find(ledger, f"1.2.{number}.1"))
    return find(ledger, f"1.2.{number}.1")


def start(ledger: Ledger, plan: RunPlan, number: int = 1, priority: int = 100, now: datetime = NOW) -> str:
    """A run of ``plan`` on a settled series; its id."""
    subject = settled(ledger, number)
    (run_id,) = ledger.create_runs([NewRun(plan, subject.id, subject.revision, priority)], [], now)
    return run_id


def start_many(ledger: Ledger, plan: RunPlan, numbers: Iterable[int], priority: int = 100) -> list[str]:
    """Runs of ``plan`` on many settled series, in the order of their numbers."""
    return [start(ledger, plan, number, priority, later(number / 1000)) for number in numbers]


def claim_one(ledger: Ledger, owner: str = "here/1", now: datetime = NOW) -> Claim:
    """The only segment that can be claimed now with a limit of one."""
    (claim,) = ledger.claim(owner, 1, now, LEASE)
    return claim


def ended(
    claim: Claim,
    states: TaskState | dict[str, TaskState] = OK,
    *,
    not_before: datetime = NOW,
    failed: bool | None = None,
    reason: str = "",
    memory: int | None = None,
    rows: dict[str, Any] | None = None,
) -> Finished:
    """How an attempt ended: one state for all of its steps, or by step. What did not succeed, failed."""
    by_step = states if isinstance(states, dict) else dict.fromkeys(claim.steps, states)
    changes = []
    for step, state in by_step.items():
        bad = state in (DEAD, AGAIN) if failed is None else failed
        changes.append(
            TaskChange(
                step,
                state,
                task_key=digest_bytes(f"{claim.run.id}.{step}".encode()) if state is OK else "",
                reason=reason or ("broken" if bad else ""),
                failed=bad,
                memory=memory,
            )
        )
    good = all(state is OK for state in by_step.values())
    report = AttemptReport(
        claim.attempt_id,
        AttemptOutcome.SUCCEEDED if good else AttemptOutcome.FAILED,
        machine="here",
        executor="process",
        started_at=NOW,
        finished_at=NOW,
    )
    return Finished(claim, report, tuple(changes), not_before, rows or {})


def finish(
    ledger: Ledger, claim: Claim, *args: Any, owner: str = "here/1", now: datetime = NOW, **kwargs: Any
) -> bool:
    """Record the end of one attempt."""
    (kept,) = ledger.finish(owner, [ended(claim, *args, **kwargs)], now)
    return kept


def posted(ledger: Ledger, limit: int = 200) -> dict[str, list[dict[str, Any]]]:
    """Everything that waits for the warehouse, by table; it waits no longer."""
    rows: dict[str, list[dict[str, Any]]] = {}
    while batch := ledger.take_outbox(limit):
        for table, items in batch.rows.items():
            rows.setdefault(table, []).extend(items)
        if batch.headers:
            rows.setdefault("dicom_metadata", []).extend(map(json.loads, batch.headers.splitlines()))
        ledger.outbox_done(batch.number)
    return rows
