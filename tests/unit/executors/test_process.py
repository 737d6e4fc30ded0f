"""What is particular to running attempts in local processes: what stays when one of them goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from beds import chaos_steps
from beds.attempts import PATIENCE, Subject, collect, plan, run, wait_for_step
from beds.misbehaviour import MARKER
from hilum.errors import TerminalError
from hilum.executors.limits import children, descendants
from hilum.executors.process import ProcessExecutor
from hilum.executors.slot import LONGEST_LOG
from hilum.model.work import AttemptOutcome

ENGINE = """
import sys
from pathlib import Path
from beds.attempts import Subject, plan, wait_for_step
from hilum.executors.process import ProcessExecutor
subject = Subject(Path(sys.argv[1]))
executor = ProcessExecutor(subject.folder / "work", slots=2)
specs = [subject.spec(plan("stubborn")) for _ in range(2)]
for spec in specs:
    executor.submit(spec)
wait_for_step(executor, specs[0].id, "stubborn", "daemon")
print("running", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject(tmp_path)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def executor(work: Path) -> Iterator[ProcessExecutor]:
    executor = ProcessExecutor(work, slots=2)
    yield executor
    executor.close()


def gone(pids: list[int]) -> bool:
    """Whether these processes have ended, or do so shortly."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if not any(state(pid) for pid in pids):
            return True
        time.sleep(0.01)
    return False


def state(pid: int) -> str:
    """A process' state letter; empty if it is gone or only waits to be reaped."""
    try:
        letter = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
    return "" if letter in "ZX" else letter


def zygote_of(pid: int) -> int:
    [zygote] = [
        child
        for child in children(pid)
        if b"hilum.executors.zygote" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    return zygote


class TestEnds:
    def test_closing_leaves_no_process_and_no_folder(self, subject: Subject) -> None:
        executor = ProcessExecutor(subject.folder / "work", slots=2)
        spec = subject.spec(plan("stubborn"))
        executor.submit(spec)
        executor.submit(subject.spec(plan("sleep")))
        wait_for_step(executor, spec.id, "stubborn", "daemon")
        zygote = zygote_of(os.getpid())
        below = [zygote, *descendants(zygote)]
        assert len(below) >= 5
        executor.close()
        assert gone(below)
        assert sorted(path.name for path in (subject.folder / "work").iterdir()) == ["lock", "logs"]
        executor.close()

    def test_when_the_engine_is_killed_everything_below_it_ends(self, subject: Subject) -> None:
        engine = subprocess.Popen(
            [sys.executable, "-c", ENGINE, str(subject.folder / "other")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert engine.stdout is not None
        assert engine.stdout.readline() == "running\n"
        below = descendants(engine.pid)
        assert len(below) >= 5
        engine.kill()
        engine.wait()
        assert gone(below)

    def test_what_a_killed_engine_left_is_removed_and_what_a_living_one_has_is_not(
        self, work: Path, executor: ProcessExecutor
    ) -> None:
        left = work / "999999-dead"
        left.mkdir()
        (left / "lock").touch()
        (left / "big").write_bytes(b"x")
        [mine] = [path.parent for path in work.glob("*/lock") if path.parent != left]
        other = ProcessExecutor(work)
        assert not left.exists()
        assert mine.exists()
        other.close()
        assert mine.exists()


class TestLosses:
    def test_an_attempt_whose_slot_is_killed_is_lost_and_its_processes_end(
        self, subject: Subject, executor: ProcessExecutor
    ) -> None:
        spec = subject.spec(plan("stubborn"))
        executor.submit(spec)
        wait_for_step(executor, spec.id, "stubborn", "daemon")
        [slot] = [slot for slot in children(zygote_of(os.getpid())) if children(slot)]
        below = descendants(slot)
        os.kill(slot, signal.SIGKILL)
        [report], _ = collect(executor, 1)
        assert (report.attempt_id, report.outcome) == (spec.id, AttemptOutcome.LOST)
        assert gone(below)
        assert run(executor, subject.spec(plan("sizes")))[0].outcome is AttemptOutcome.SUCCEEDED

    def test_attempts_whose_zygote_is_killed_are_lost_and_the_next_ones_run(
        self, subject: Subject, executor: ProcessExecutor
    ) -> None:
        specs = [subject.spec(plan("stubborn")), subject.spec(plan("sleep"))]
        for spec in specs:
            executor.submit(spec)
        executor.submit(subject.spec(plan("noop")))
        wait_for_step(executor, specs[0].id, "stubborn", "daemon")
        zygote = zygote_of(os.getpid())
        below = descendants(zygote)
        os.kill(zygote, signal.SIGKILL)
        reports, _ = collect(executor, 3)
        assert {report.attempt_id for report in reports if report.outcome is AttemptOutcome.LOST} == {
            spec.id for spec in specs
        }
        assert reports[2].outcome is AttemptOutcome.SUCCEEDED
        assert gone(below)

    def test_a_worker_does_not_outlive_all_who_watch_it(
        self, subject: Subject, executor: ProcessExecutor
    ) -> None:
        spec = subject.spec(plan("sleep"))
        executor.submit(spec)
        wait_for_step(executor, spec.id, "sleep")
        zygote = zygote_of(os.getpid())
        [slot] = [slot for slot in children(zygote) if children(slot)]
        [worker] = children(slot)
        os.kill(zygote, signal.SIGKILL)
        os.kill(slot, signal.SIGKILL)
        assert gone([worker])
        [report], _ = collect(executor, 1)
        assert report.outcome is AttemptOutcome.LOST

    def test_a_worker_that_somebody_kills_has_crashed(
        self, subject: Subject, executor: ProcessExecutor
    ) -> None:
        spec = subject.spec(plan("sleep"))
        executor.submit(spec)
        wait_for_step(executor, spec.id, "sleep")
        [worker] = [worker for slot in children(zygote_of(os.getpid())) for worker in children(slot)]
        os.kill(worker, signal.SIGKILL)
        [report], _ = collect(executor, 1)
        assert (report.outcome, report.reason) == (AttemptOutcome.CRASHED, "signal-kill")

    def test_an_executor_that_cannot_start_says_so_instead_of_losing_everything_for_ever(
        self, subject: Subject, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        executor = ProcessExecutor(subject.folder / "work")
        specs = [subject.spec(plan("noop")) for _ in range(20)]
        with pytest.raises(TerminalError) as caught:
            run(executor, *specs)
        assert caught.value.reason == "executor-broken"
        executor.close()


class TestProcesses:
    def test_the_zygote_has_one_thread_for_a_fork_copies_no_other(
        self, subject: Subject, executor: ProcessExecutor
    ) -> None:
        run(executor, subject.spec(plan("noop")))
        zygote = zygote_of(os.getpid())
        assert len(os.listdir(f"/proc/{zygote}/task")) == 1

    def test_attempts_run_on_all_slots_at_once(self, subject: Subject, executor: ProcessExecutor) -> None:
        specs = [subject.spec(plan("sleep")) for _ in range(3)]
        for spec in specs:
            executor.submit(spec)
        at_work: set[str] = set()
        end = time.monotonic() + PATIENCE
        while len(at_work) < 2:
            assert time.monotonic() < end
            at_work |= {event.attempt_id for event in executor.watch(1.0)}
        assert at_work == {spec.id for spec in specs[:2]}
        assert len(children(zygote_of(os.getpid()))) == 2
        for spec in specs:
            executor.cancel(spec.id)
        collect(executor, 3)


class TestLogs:
    def test_what_a_failed_attempt_printed_is_kept_for_its_owner_alone(
        self, subject: Subject, work: Path, executor: ProcessExecutor
    ) -> None:
        failed, fine = subject.spec(plan("bug")), subject.spec(plan("noop"))
        run(executor, failed, fine)
        log = work / "logs" / f"{failed.id}.log"
        assert not (work / "logs" / f"{fine.id}.log").exists()
        assert MARKER in log.read_text()
        assert "Traceback" in log.read_text()
        assert log.stat().st_mode & 0o077 == 0
        assert b"".join(executor.logs(failed.id)) == log.read_bytes()
        assert b"".join(executor.logs(fine.id)) == b""

    def test_only_the_newest_are_kept(self, subject: Subject) -> None:
        logs = subject.folder / "work" / "logs"
        logs.mkdir(parents=True)
        for number in range(5):
            (logs / f"g-{number}.log").touch()
            os.utime(logs / f"g-{number}.log", (number, number))
        ProcessExecutor(subject.folder / "work", kept_logs=2).close()
        assert sorted(path.name for path in logs.iterdir()) == ["g-3.log", "g-4.log"]

    def test_of_one_that_printed_very_much_the_end_is_kept(
        self, subject: Subject, work: Path, executor: ProcessExecutor
    ) -> None:
        spec = subject.spec(plan("spam_and_fail", file=Path(chaos_steps.__file__)))
        run(executor, spec)
        log = work / "logs" / f"{spec.id}.log"
        assert log.stat().st_size == LONGEST_LOG
        assert b"nothing to be done" in log.read_bytes()[-1000:]


class TestTime:
    def test_a_step_has_no_more_time_than_its_own_whatever_its_neighbours_have(
        self, subject: Subject, executor: ProcessExecutor
    ) -> None:
        steps = plan("noop", timeout=600), plan("sleep", timeout=0.5), plan("sizes", timeout=600)
        [report] = run(executor, subject.spec(*steps, timeout=1200.5))
        assert (report.outcome, report.failed_step) == (AttemptOutcome.TIMEOUT, "sleep")
        assert report.detail == "took longer than 0.5 s"


def test_what_a_dead_engines_workers_left_since_the_beginning_goes_at_the_end_and_a_living_ones_stays(
    tmp_path: Path,
) -> None:
    executor, neighbour = ProcessExecutor(tmp_path, slots=1), ProcessExecutor(tmp_path, slots=1)
    (theirs,) = (path for path in tmp_path.glob(f"{os.getpid()}-*") if path != executor._folder)
    late = tmp_path / "1-0" / "g-1.1"
    late.mkdir(parents=True)
    (late / "half").write_text("written by a worker that had not noticed yet")
    executor.close()
    assert [path.name for path in tmp_path.glob("*-*")] == [theirs.name]
    neighbour.close()
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("lock", "logs")] == []
