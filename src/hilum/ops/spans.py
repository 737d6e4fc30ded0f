"""Spans made of the rows that the warehouse gets. A row leaves the ledger only when the warehouse has it and its
spans were told, so a trace is whole wherever an engine was killed; ids follow from content, so twice is once.

    run                      from the first instance's arrival to the row in the warehouse; links to arrivals
      arrive                 the first to the last of its instances
      settle                 until the revision was pinned
      plan                   until the run was made
      attempt                by whichever engine; the executor's own times
        stage  step  collect each step's inputs, work and commit; the step's own spans go below ``step``
      record                 until the warehouse has what came out

An arrival is a trace of its own, since it may be part of many runs or of none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hilum.kernel.disclosure import disclosable
from hilum.kernel.trace import Sampling, arrival_trace, run_trace, span_id, step_span
from hilum.model.subject import Member, Revision, Subject

MOST_LINKS = 128
"""OpenTelemetry's limit for a span, unless it is set otherwise."""
FINE = ("succeeded", "skipped", "superseded", "cancelled")

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in a trace. ``parent``: a span's id; empty for the first. ``error``: a reason code."""

    trace: str
    id: str
    name: str
    start: datetime
    end: datetime
    parent: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """What came before a run: its subject, the revision that it is on, and the instances in that."""

    subject: Subject
    revision: Revision
    members: Sequence[Member]


def spans_of(
    rows: Rows, now: datetime, sampling: Sampling, story: Callable[[str, str], Story | None]
) -> Iterator[Span]:
    """The spans that a batch of rows ends.

    Args:
        now: when the warehouse had them.
        story: told a run's subject id and revision.
    """
    for row in rows.get("arrivals", ()):
        if sampling.keeps(arrival_trace(row["uri"], row["version"])):
            yield _arrival(row)
    for row in rows.get("attempts", ()):
        if sampling.keeps(run_trace(row["run_id"])):
            yield _attempt(row)
    for row in rows.get("tasks", ()):
        if row.get("attempt_id") and row["started_at"] and sampling.keeps(run_trace(row["run_id"])):
            yield from _step(row)
    for row in rows.get("runs", ()):
        ended = row["finished_at"] is not None and row["finished_at"] == row["_recorded_at"]
        if ended and sampling.keeps(run_trace(row["run_id"])):
            yield from _run(row, now, story(row["subject_id"], row["revision"]))


def arrival_span(uri: str, version: str) -> str:
    """The id of an arrival's span."""
    return span_id("arrival", uri, version)


def read_span(uri: str, version: str, start: datetime, end: datetime, reason: str = "") -> Span:
    """The span of whoever reads an arrival's header before the engine hears of it: a function."""
    return Span(
        arrival_trace(uri, version),
        span_id("read", uri, version),
        "read",
        start,
        end,
        arrival_span(uri, version),
        _told(reason=reason),
        error=reason,
    )


def _arrival(row: Mapping[str, Any]) -> Span:
    start = _time(row["arrived_at"])
    return Span(
        arrival_trace(row["uri"], row["version"]),
        arrival_span(row["uri"], row["version"]),
        "arrival",
        start,
        max(start, _time(row["_recorded_at"])),
        attributes=_told(
            source=row["source"], outcome=row["outcome"], reason=row["reason"], bytes=row["size"]
        ),
        error=row["reason"] if row["outcome"] == "quarantined" else "",
    )


def _attempt(row: Mapping[str, Any]) -> Span:
    ended = _time(row["finished_at"] or row["_recorded_at"])
    start = _time(row["started_at"]) if row["started_at"] else ended
    return Span(
        run_trace(row["run_id"]),
        span_id("attempt", row["attempt_id"]),
        "attempt",
        start,
        max(start, ended),
        span_id("run", row["run_id"]),
        _told(
            run=row["run_id"],
            attempt=row["attempt_id"],
            executor=row.get("executor"),
            machine=row.get("machine"),
            outcome=row["outcome"],
            reason=row["reason"],
        ),
        error="" if row["outcome"] in FINE else row["reason"] or row["outcome"],
    )


def _step(row: Mapping[str, Any]) -> Iterator[Span]:
    """A task that an attempt ended, and where it came to work, its staging and collecting beside that."""
    attempt, step = row["attempt_id"], row["step"]
    trace, parent = run_trace(row["run_id"]), span_id("attempt", attempt)
    start = _time(row["started_at"])
    end = max(start, _time(row["finished_at"] or row["started_at"]))
    staged = _time(row["staged_at"]) if row.get("staged_at") else start
    computed = _time(row["computed_at"]) if row.get("computed_at") else end
    told = _told(run=row["run_id"], attempt=attempt, step=step)
    if row.get("staged_at"):
        yield Span(trace, span_id("stage", attempt, step), "stage", start, staged, parent, told)
    yield Span(
        trace,
        step_span(attempt, step),
        "step",
        staged,
        max(staged, computed),
        parent,
        told | _told(state=row["state"], reason=row["reason"]),
        error="" if row["state"] in FINE else row["reason"] or row["state"],
    )
    if row.get("computed_at"):
        yield Span(trace, span_id("collect", attempt, step), "collect", computed, end, parent, told)


def _run(row: Mapping[str, Any], now: datetime, story: Story | None) -> Iterator[Span]:
    run = row["run_id"]
    trace, root = run_trace(run), span_id("run", run)
    made, ended = _time(row["created_at"]), _time(row["finished_at"])
    moments = [("plan", made, made)] if story is None else list(_before(story, made))
    links = () if story is None else _links(story.members)
    told = _told(run=run, subject=row["subject_id"], pipeline=row["pipeline"])
    for name, start, end in (*moments, ("record", ended, max(ended, now))):
        yield Span(trace, span_id(name, run), name, start, end, root, told)
    yield Span(
        trace,
        root,
        "run",
        moments[0][1],
        max(ended, now),
        attributes=told | _told(state=row["state"], reason=row["reason"], scope=row["scope"]),
        links=links,
        error="" if row["state"] in FINE else row["reason"] or row["state"],
    )


def _before(story: Story, made: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """What came before a run, one after another; what arrived since is no part of it."""
    settled = story.revision.settled_at
    last = min(story.subject.last_arrival or settled, settled)
    first = min(story.subject.first_arrival or last, last)
    yield "arrive", first, last
    yield "settle", last, settled
    yield "plan", settled, max(settled, made)


def _links(members: Iterable[Member]) -> tuple[tuple[str, str], ...]:
    some = list(members)[:MOST_LINKS]
    return tuple((arrival_trace(m.uri, m.version), arrival_span(m.uri, m.version)) for m in some)


def _told(**fields: Any) -> dict[str, Any]:
    """Attributes: disclosable fields that have a value, under ``hilum.``."""
    return {
        f"hilum.{name}": value
        for name, value in fields.items()
        if value not in (None, "") and disclosable(name, value)
    }


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
