"""Many attempts in one pod: what its program leaves in storage and prints, here in a process of this machine.
tests/cluster/test_shards.py has real pods.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from beds.attempts import Subject, plan
from beds.faults import Refused, faulty
from beds.gcs import CloudStorage
from hilum.executors.kubernetes.output import LONGEST_OF_EACH, marked, unmarked
from hilum.executors.kubernetes.shard import run_all
from hilum.executors.kubernetes.shards import report_of
from hilum.model.keys import report_object
from hilum.model.work import AttemptOutcome
from hilum.storage import open_storage


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject(tmp_path / "subject")


def test_what_the_failed_ones_printed_is_printed_each_line_with_whose_it_is(
    subject: Subject, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    names = ("bug", "sizes", "refuse")
    specs = [subject.spec(plan(name), memory=256 << 20) for name in names]
    run_all(specs, subject.store, tmp_path / "shard")
    printed = [capfdbinary.readouterr().out]
    bug, sizes, refuse = (b"".join(unmarked(spec.id, printed)) for spec in specs)
    assert b"Traceback" in bug
    assert b"misbehaviour.py" in bug
    assert b"overlapping-slices" in refuse or b"StepError" in refuse
    assert b"StepError" not in bug
    assert sizes == b""


def test_a_report_that_storage_does_not_take_is_no_reason_to_lose_the_others(
    subject: Subject,
    bucket: str,
    cloud_storage: CloudStorage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    specs = [subject.spec(plan(name), memory=256 << 20) for name in ("sizes", "random", "noop")]
    refused = report_object(specs[0].id).encode()
    with faulty(cloud_storage.host) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        store = open_storage(f"gs://{bucket}/store")
        proxy.rule = lambda request: Refused(403) if refused in request.body else None
        run_all(specs, store, tmp_path / "shard")
        assert proxy.faulted > 0
        left = [stat.name for stat in store.list("attempts/")]
        assert left == sorted(report_object(spec.id) for spec in specs[1:])


def test_how_each_ended_is_in_storage(subject: Subject, tmp_path: Path) -> None:
    specs = [subject.spec(plan(name), memory=256 << 20) for name in ("leave", "sizes")]
    run_all(specs, subject.store, tmp_path / "shard")
    outcomes = [report.outcome for spec in specs if (report := report_of(spec))]
    assert outcomes == [AttemptOutcome.CRASHED, AttemptOutcome.SUCCEEDED]


class TestMarks:
    def test_lines_come_back_however_they_were_cut_up(self) -> None:
        one, other = marked("g-1.1", [b"fir", b"st\n\nlast"]), marked("g-1.10", [b"\xff\n"])
        everything = other + one + other
        pieces = [everything[n : n + 3] for n in range(0, len(everything), 3)]
        assert b"".join(unmarked("g-1.1", pieces)) == b"first\n\nlast\n"
        assert b"".join(unmarked("g-1.10", pieces)) == b"\xff\n\xff\n"

    def test_nothing_is_nothing_and_of_much_the_end_is_kept(self) -> None:
        assert marked("g-1.1", []) == b""
        kept = marked("g-1.1", [b"x" * LONGEST_OF_EACH, b"\n", b"the last word\n"])
        assert kept.endswith(b"g-1.1 the last word\n")
        assert len(kept) < LONGEST_OF_EACH + 100
