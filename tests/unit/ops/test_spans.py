"""Spans of rows: pure, so what is seldom seen is shown here; acceptance/test_telemetry.py shows whole traces."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hilum.kernel.trace import Sampling, run_trace, span_id, step_span
from hilum.model.subject import Member, Revision, Scope, Subject
from hilum.ops.spans import MOST_LINKS, Span, Story, spans_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "r-0123456789abcdef"
ATTEMPT = f"{RUN}.0.1"


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def run_row(**changed: Any) -> dict[str, Any]:
    row = {
        "_recorded_at": at(30).isoformat(),
        "run_id": RUN,
        "pipeline": "chest-ct",
        "scope": "series",
        "subject_id": "s-0123456789abcdef",
        "revision": "ab" * 32,
        "state": "succeeded",
        "reason": "",
        "created_at": at(10).isoformat(),
        "finished_at": at(30).isoformat(),
    }
    return row | changed


def story(*members: Member, last: float = 3) -> Story:
    subject = Subject(
        "s-0123456789abcdef", Scope.SERIES, "1.2", "1", first_arrival=NOW, last_arrival=at(last)
    )
    return Story(subject, Revision(subject.id, "ab" * 32, 1, at(8), "quiet"), members)


def spans(rows: dict[str, list[dict[str, Any]]], told: Story | None = None, share: float = 1.0) -> list[Span]:
    return list(spans_of(rows, at(40), Sampling(share), lambda subject, revision: told))


def test_a_run_begins_with_its_first_arrival_and_ends_when_the_warehouse_has_it():
    found = {span.name: span for span in spans({"runs": [run_row()]}, story())}
    assert {name: (span.start, span.end) for name, span in found.items()} == {
        "arrive": (NOW, at(3)),
        "settle": (at(3), at(8)),
        "plan": (at(8), at(10)),
        "record": (at(30), at(40)),
        "run": (NOW, at(40)),
    }
    assert {span.trace for span in found.values()} == {run_trace(RUN)}


def test_what_arrived_after_the_revision_was_settled_is_no_part_of_its_run():
    found = {span.name: span for span in spans({"runs": [run_row()]}, story(last=3600))}
    assert (found["arrive"].end, found["settle"].start) == (at(8), at(8))


def test_a_run_that_only_stops_being_the_current_one_is_not_told_again():
    later_row = run_row(_recorded_at=at(99).isoformat())
    assert spans({"runs": [later_row, run_row(finished_at=None)]}, story()) == []


def test_a_run_of_which_nothing_else_is_known_begins_where_it_was_made():
    found = {span.name: span for span in spans({"runs": [run_row()]})}
    assert found["run"].start == at(10)
    assert set(found) == {"run", "plan", "record"}


def test_there_are_no_more_links_than_opentelemetry_takes():
    members = [Member(f"1.{n}", "", f"file:///{n}", 1, "1") for n in range(MOST_LINKS + 50)]
    (root,) = [span for span in spans({"runs": [run_row()]}, story(*members)) if span.name == "run"]
    assert len(root.links) == MOST_LINKS


def test_a_trace_that_is_not_kept_is_told_by_nobody():
    task = {"run_id": RUN, "attempt_id": ATTEMPT, "started_at": NOW.isoformat()}
    arrival = {"uri": "file:///a", "version": "1"}
    assert spans({"runs": [run_row()], "tasks": [task], "arrivals": [arrival]}, story(), share=0.0) == []


def test_a_lost_attempt_is_an_error_with_the_time_of_whoever_missed_it():
    row = {
        "_recorded_at": at(60).isoformat(),
        "attempt_id": ATTEMPT,
        "run_id": RUN,
        "outcome": "lost",
        "reason": "engine-gone",
        "started_at": at(5).isoformat(),
        "finished_at": at(60).isoformat(),
    }
    (span,) = spans({"attempts": [row]})
    assert (span.id, span.parent) == (span_id("attempt", ATTEMPT), span_id("run", RUN))
    assert (span.start, span.end, span.error) == (at(5), at(60), "engine-gone")


def test_a_reused_result_has_a_step_and_no_staging():
    row = {
        "_recorded_at": at(2).isoformat(),
        "run_id": RUN,
        "attempt_id": ATTEMPT,
        "step": "qc",
        "state": "succeeded",
        "reason": "",
        "started_at": at(1).isoformat(),
        "staged_at": None,
        "computed_at": None,
        "finished_at": at(2).isoformat(),
    }
    (span,) = spans({"tasks": [row]})
    assert (span.name, span.id, span.parent) == (
        "step",
        step_span(ATTEMPT, "qc"),
        span_id("attempt", ATTEMPT),
    )
