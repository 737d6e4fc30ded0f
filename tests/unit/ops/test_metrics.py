from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from beds.ledgers import NOW, claim_one, later, plan_of, received, start, unreadable
from hilum.kernel.clock import ManualClock
from hilum.kernel.digest import digest_bytes
from hilum.ledger import open_ledger
from hilum.ledger.interface import Finished, Ledger
from hilum.model.work import AttemptOutcome, AttemptReport, TaskResult, TaskState
from hilum.ops.instruments import INSTRUMENTS
from hilum.ops.metrics import FRESH, HomeMetrics, exposition
from hilum.ops.tally import Tally


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")


def shown(metrics: HomeMetrics) -> dict[tuple[str, frozenset[Any]], float]:
    text = exposition(metrics)[1].decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def one(metrics: HomeMetrics, name: str, **labels: str) -> float:
    return shown(metrics)[name, frozenset(labels.items())]


def test_the_endpoint_shows_the_instruments_of_the_table_and_no_others(ledger):
    metrics = HomeMetrics(ledger, ManualClock(NOW), Tally(["process"]))
    text = exposition(metrics)[1].decode()
    families = {family.name: family.type for family in text_string_to_metric_families(text)}
    assert families == {each.prometheus.removesuffix("_total"): each.kind for each in INSTRUMENTS.values()}


def test_ages_are_those_of_the_oldest_that_waits(ledger):
    clock = ManualClock(NOW)
    metrics = HomeMetrics(ledger, clock, Tally())
    assert one(metrics, "hilum_settle_age_seconds") == 0
    ledger.record_arrivals([received(1)], NOW)
    clock.advance(100)
    assert one(metrics, "hilum_settle_age_seconds") == 100
    assert one(metrics, "hilum_outbox_age_seconds") == 100
    assert one(metrics, "hilum_arrival_age_seconds") == 100
    assert one(metrics, "hilum_queue_wait_seconds") == 0
    start(ledger, plan_of("qc"), 2, now=clock.now())
    clock.advance(50)
    assert one(metrics, "hilum_queue_wait_seconds") == 50
    assert one(metrics, "hilum_settle_age_seconds") == 150


def test_the_queue_does_not_wait_for_what_may_not_begin_yet(ledger):
    start(ledger, plan_of("qc"))
    assert ledger.levels(NOW - timedelta(seconds=10)).oldest_ready is None
    assert ledger.levels(later(5)).oldest_ready is not None


def test_what_was_refused_is_counted_for_good_and_what_waits_is_not(ledger):
    metrics = HomeMetrics(ledger, clock := ManualClock(NOW), Tally())
    ledger.record_arrivals([unreadable(1)], NOW)
    (entry,) = ledger.quarantine()
    assert one(metrics, "hilum_quarantine", reason=entry.reason) == 1
    ledger.release(entry.id, "", later(1))
    clock.advance(FRESH)
    assert one(metrics, "hilum_quarantined_total") == 1
    assert not [name for name, _ in shown(metrics) if name == "hilum_quarantine"]


def test_what_a_sweep_found_is_told_by_its_source(ledger):
    item = received(1)
    ledger.record_arrivals([replace(item, arrival=replace(item.arrival, source="sweep")), received(2)], NOW)
    assert one(HomeMetrics(ledger, ManualClock(NOW), Tally()), "hilum_sweep_found_total") == 1


def test_what_a_sweep_found_stays_counted_when_it_leaves_the_quarantine(ledger):
    """A counter that goes down counts as one that began anew, and all of it as new."""
    found = [unreadable(1), unreadable(2)]
    ledger.record_arrivals(
        [replace(each, arrival=replace(each.arrival, source="sweep")) for each in found], NOW
    )
    metrics = HomeMetrics(ledger, clock := ManualClock(NOW), Tally())
    assert one(metrics, "hilum_sweep_found_total") == 2
    for entry in ledger.quarantine():
        ledger.release(entry.id, "", later(1))
    clock.advance(FRESH)
    assert one(metrics, "hilum_sweep_found_total") == 2
    ledger.record_arrivals([replace(received(1), arrival=replace(found[0].arrival, source="sweep"))], NOW)
    clock.advance(FRESH)
    assert one(metrics, "hilum_sweep_found_total") == 3


def test_objects_that_tasks_made_are_one_series_and_tell_no_key(ledger):
    made = [
        replace(item, arrival=replace(item.arrival, source=f"task:{digest_bytes(item.digest.encode())}"))
        for item in (received(1), received(2))
    ]
    ledger.record_arrivals([*made, received(3)], NOW)
    metrics = HomeMetrics(ledger, ManualClock(NOW), Tally())
    labels = {labels: value for (name, labels), value in shown(metrics).items() if name == "hilum_arrivals"}
    assert labels == {
        frozenset({("outcome", "accepted"), ("source", "task")}): 2,
        frozenset({("outcome", "accepted"), ("source", "folder")}): 1,
    }


def test_every_outcome_of_an_attempt_is_there_from_the_start(ledger):
    metrics = HomeMetrics(ledger, ManualClock(NOW), Tally(["process"]))
    for outcome in AttemptOutcome:
        assert one(metrics, "hilum_attempts_total", outcome=outcome.value, executor="process") == 0


def test_an_attempt_counts_by_its_outcome_and_its_step_by_its_time(ledger):
    start(ledger, plan_of("qc"))
    claim = claim_one(ledger)
    tally = Tally()
    metrics = HomeMetrics(ledger, ManualClock(NOW), tally)
    result = TaskResult("qc", TaskState.SUCCEEDED, started_at=NOW, finished_at=later(3))
    report = AttemptReport(claim.attempt_id, AttemptOutcome.SUCCEEDED, (result,), executor="process")
    tally.finished(Finished(claim, report, (), NOW))
    killed = replace(
        report,
        outcome=AttemptOutcome.OUT_OF_MEMORY,
        results=(),
        failed_step="qc",
        started_at=NOW,
        finished_at=later(40),
    )
    tally.finished(Finished(claim, killed, (), NOW))
    assert one(metrics, "hilum_attempts_total", outcome="out-of-memory", executor="process") == 1
    labels = {"step": "qc", "outcome": "succeeded"}
    assert one(metrics, "hilum_attempt_duration_seconds_bucket", **labels, le="1.0") == 0
    assert one(metrics, "hilum_attempt_duration_seconds_bucket", **labels, le="5.0") == 1
    assert one(metrics, "hilum_attempt_duration_seconds_sum", **labels) == 3
    oom = {"step": "qc", "outcome": "out-of-memory"}
    assert one(metrics, "hilum_attempt_duration_seconds_sum", **oom) == 40
    assert one(metrics, "hilum_attempt_duration_seconds_count", **oom) == 1


def test_a_large_ledger_is_not_asked_at_every_look(ledger):
    metrics = HomeMetrics(ledger, clock := ManualClock(NOW), Tally())
    assert one(metrics, "hilum_outbox") == 0
    ledger.record_arrivals([received(1)], NOW)
    assert one(metrics, "hilum_outbox") == 0
    clock.advance(FRESH)
    assert one(metrics, "hilum_outbox") > 0


def test_who_leads_is_told_by_the_engine(ledger):
    assert one(HomeMetrics(ledger, ManualClock(NOW), Tally()), "hilum_engine_leads") == 1
    assert one(HomeMetrics(ledger, ManualClock(NOW), Tally(), lambda: False), "hilum_engine_leads") == 0
