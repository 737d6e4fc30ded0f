"""How fast the ledger takes arrivals, hands out attempts and records their ends.

    python -m benchmarks.ledger [--quick] [--profile]

On SQLite, and on a PostgreSQL of its own where its programs are installed. CPU is that of this process alone: what
PostgreSQL spends is only in the time on the clock.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from hilum.dicom.rows import line_of
from hilum.kernel.digest import digest_bytes
from hilum.ledger import open_ledger
from hilum.ledger.interface import Claim, Finished, Ledger, NewRun, TaskChange
from hilum.model.arrival import Arrival, Instance, Received
from hilum.model.subject import Revision, Scope, revision_digest
from hilum.model.work import AttemptOutcome, AttemptReport, RunPlan, StepPlan, TaskState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 500
SLICES = 100
PLAN = RunPlan("p", Scope.SERIES, "spec", (StepPlan("a", "qc", {"step": "qc"}),), (("a",),))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a twentieth of everything")
    parser.add_argument("--profile", action="store_true", help="show where SQLite's time goes")
    options = parser.parse_args()
    scale = 20 if options.quick else 1
    with tempfile.TemporaryDirectory() as folder:
        if options.profile:
            with cProfile.Profile() as profile:
                _measure(f"sqlite:///{folder}/profiled.sqlite", 1, 20)
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        _measure(f"sqlite:///{folder}/ledger.sqlite", 1, scale)
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    bed = import_module("beds.postgresql")
    if binaries := bed.find_binaries():
        cluster = bed.Cluster(binaries)
        try:
            _measure(cluster.url(cluster.create()), 4, scale)
        finally:
            cluster.stop()


def _measure(url: str, share: int, scale: int) -> None:
    """Print the figures of one ledger, with a ``share``-th of the work."""
    name = url.partition(":")[0].partition("+")[0]
    ledger = open_ledger(url)

    def report(what: str, unit: str, per: int, work: Callable[[], None]) -> None:
        clock, cpu = time.perf_counter(), time.process_time()
        work()
        clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
        if unit.endswith("/s"):
            print(f"{name:<12}{what:<44}{per / clock:>10,.0f} {unit}  (CPU: {per / cpu:,.0f})")
        else:
            print(f"{name:<12}{what:<44}{1000 * clock / per:>10.2f} {unit}  (CPU: {1000 * cpu / per:.2f})")

    arrivals = [_received(number) for number in range(20_000 // share // scale)]
    report("arrivals, 500 a batch", "instances/s", len(arrivals), lambda: _record(ledger, arrivals))
    report("the same again", "instances/s", len(arrivals), lambda: _record(ledger, arrivals))
    tasks = 4000 // share // scale
    many = [_received(1_000_000 + number, slices=1) for number in range(tasks)]
    report("arrivals, each its own series", "instances/s", len(many), lambda: _record(ledger, many))
    report("settle", "ms/series", tasks, lambda: _settle(ledger))
    report("create runs, 200 a batch", "ms/run", tasks, lambda: _plan(ledger))
    report("claim and finish, 16 a batch", "ms/task", tasks // 2, lambda: _work(ledger, tasks // 2, 16))
    report("claim and finish, 1 a batch", "ms/task", tasks // 4, lambda: _work(ledger, tasks // 4, 1))
    report("empty the outbox", "ms/task", tasks, lambda: _empty(ledger))
    report("summary", "ms", 1, lambda: print(end=str(ledger.summary())[:0]))
    report("check", "ms", 1, lambda: print(end=str(ledger.check())[:0]))
    ledger.close()


def _received(number: int, slices: int = SLICES) -> Received:
    """An instance with a header row of about 3 kB."""
    series, study = f"1.2.826.0.1.{number // slices}", f"1.2.826.0.2.{number // slices // 4}"
    uri, uid = f"file:///inbox/some/folder/{number}.dcm", f"1.2.826.0.1.3680043.8.498.{number}"
    digest = digest_bytes(uid.encode())
    row: dict[str, Any] = {f"Keyword{place}": f"value {place} of {number % 7}" for place in range(90)}
    row |= {"SOPInstanceUID": uid, "ImagePositionPatient": [0.1 * number, 1.5, -7.25]}
    instance = Instance(uid, "1.2.840.10008.5.1.4.1.1.2", series, study, digest, uri, 530_000)
    return Received(
        Arrival(uri, 530_000, str(number), NOW, "folder"), digest, instance, dict(row), line_of(row)
    )


def _record(ledger: Ledger, arrivals: list[Received]) -> None:
    for first in range(0, len(arrivals), BATCH):
        ledger.record_arrivals(arrivals[first : first + BATCH], NOW)


def _settle(ledger: Ledger) -> None:
    after = ""
    while page := ledger.open_subjects(after):
        after = page[-1].id
        for subject in page:
            if subject.scope is Scope.SERIES and subject.instances == 1:
                members = ledger.members(subject)
                digest = revision_digest([member.digest for member in members])
                ledger.settle(subject, Revision(subject.id, digest, len(members), NOW, "quiet"), members)


def _plan(ledger: Ledger) -> None:
    subjects = ledger.subjects(unplanned=True)
    for first in range(0, len(subjects), 200):
        page = subjects[first : first + 200]
        new = [NewRun(PLAN, subject.id, subject.revision) for subject in page]
        ledger.create_runs(new, [(subject.id, subject.revision) for subject in page], NOW)


def _work(ledger: Ledger, tasks: int, batch: int) -> None:
    for _ in range(0, tasks, batch):
        claims = ledger.claim("here/1/0", batch, NOW, 60.0, {"other": 1})
        ledger.finish("here/1/0", [_finished(claim) for claim in claims], NOW)


def _finished(claim: Claim) -> Finished:
    change = TaskChange("a", TaskState.SUCCEEDED, digest_bytes(claim.run.id.encode()), started_at=NOW)
    report = AttemptReport(claim.attempt_id, AttemptOutcome.SUCCEEDED, machine="here", executor="process")
    return Finished(claim, report, (change,), NOW)


def _empty(ledger: Ledger) -> None:
    while batch := ledger.take_outbox():
        ledger.outbox_done(batch.number)


if __name__ == "__main__":
    main()
