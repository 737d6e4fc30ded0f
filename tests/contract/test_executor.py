"""What every executor must do, whatever it runs attempts in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from beds.attempts import FILE, Subject, collect, plan, run, wait_for_step
from beds.misbehaviour import MARKER
from hilum.executors.interface import Executor
from hilum.executors.process import ProcessExecutor
from hilum.executors.sandbox import abi
from hilum.model.codec import to_json
from hilum.model.work import AttemptOutcome, AttemptReport, StepPlan, TaskResult, TaskState

confined = pytest.mark.skipif(abi() == 0, reason="this kernel has no Landlock")


@pytest.fixture(scope="module", params=["process"])
def executor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    work = tmp_path_factory.mktemp("work")
    adapters = {"process": lambda: ProcessExecutor(work, slots=2)}
    executor = adapters[request.param]()
    yield executor
    executor.close()


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject(tmp_path)


def only(report: AttemptReport) -> TaskResult:
    [result] = report.results
    return result


def stubborn(subject: Subject) -> StepPlan:
    """Its daemon is known by the subject's folder on its command line."""
    return plan("stubborn", parameters={"path": str(subject.folder)})


def alive(pattern: str) -> list[int]:
    """Processes whose command line holds ``pattern``."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and pattern in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


class TestResults:
    def test_outputs_and_measurements_are_committed_under_the_tasks_key(
        self, executor: Executor, subject: Subject
    ) -> None:
        [report] = run(executor, subject.spec(plan("sizes")))
        assert report.outcome is AttemptOutcome.SUCCEEDED
        result = only(report)
        assert (result.state, result.reused) == (TaskState.SUCCEEDED, False)
        manifest = subject.manifest(result)
        assert subject.text(manifest, "sizes.txt") == "5\n10"
        [count] = manifest.measurements
        assert (count.name, count.value, count.concept_code, count.unit) == ("files", 2, "118586006", "1")
        assert (manifest.attempt, manifest.revision) == (report.attempt_id, subject.revision)

    def test_a_report_says_where_when_and_at_what_cost(self, executor: Executor, subject: Subject) -> None:
        [report] = run(executor, subject.spec(plan("sizes")))
        assert report.started_at is not None
        assert report.finished_at is not None
        assert report.started_at <= report.finished_at
        assert report.machine
        assert report.executor == executor.name
        assert report.exit_code == 0
        assert report.max_rss > 1 << 20
        assert report.cpu_seconds > 0

    def test_a_later_step_sees_what_an_earlier_one_of_the_same_attempt_gave(
        self, executor: Executor, subject: Subject
    ) -> None:
        [report] = run(executor, subject.spec(plan("sizes"), plan("copy", needs=("sizes",))))
        first, second = report.results
        manifest = subject.manifest(second)
        assert [artifact.path for artifact in manifest.artifacts] == ["copies/a.txt", "copies/b.txt"]
        assert subject.text(manifest, "copies/a.txt") == "5\n10 of 2"
        assert manifest.needs == {"sizes": first.task_key}

    def test_a_later_step_sees_what_an_earlier_attempt_gave(
        self, executor: Executor, subject: Subject
    ) -> None:
        [first] = run(executor, subject.spec(plan("sizes")))
        later = subject.spec(plan("copy", needs=("sizes",)), done={"sizes": only(first).task_key})
        [second] = run(executor, later)
        assert subject.text(subject.manifest(only(second)), "copies/b.txt") == "5\n10 of 2"

    def test_what_is_committed_is_not_computed_again(self, executor: Executor, subject: Subject) -> None:
        [first] = run(executor, subject.spec(plan("random")))
        before = subject.manifest(only(first))
        [second] = run(executor, subject.spec(plan("random", name="again")))
        assert only(second).reused
        assert only(second).task_key == only(first).task_key
        assert subject.manifest(only(second)) == before

    def test_of_attempts_at_the_same_task_at_the_same_time_one_commits_and_all_agree(
        self, executor: Executor, subject: Subject
    ) -> None:
        reports = run(executor, *[subject.spec(plan("random")) for _ in range(6)])
        results = [only(report) for report in reports]
        assert {result.state for result in results} == {TaskState.SUCCEEDED}
        assert [result.reused for result in results].count(False) == 1
        manifest = subject.manifest(results[0])
        stored = [stat.name for stat in subject.store.list("tasks/") if stat.name.endswith("random.bin")]
        assert stored == [manifest.artifacts[0].object]

    def test_undeclared_files_are_left_out(self, executor: Executor, subject: Subject) -> None:
        run(executor, subject.spec(plan("sizes"), plan("copy", needs=("sizes",))))
        names = [stat.name.rpartition("/")[2] for stat in subject.store.list("tasks/")]
        assert sorted(names) == ["a.txt", "b.txt", "manifest.json", "manifest.json", "sizes.txt"]


class TestNeedsAndConditions:
    def test_a_step_is_skipped_with_a_skipped_need(self, executor: Executor, subject: Subject) -> None:
        spec = subject.spec(
            plan("noop", needs=("gone",)), plan("sizes", needs=("noop",)), done={"gone": None}
        )
        [report] = run(executor, spec)
        assert report.outcome is AttemptOutcome.SUCCEEDED
        assert [(result.state, result.reason) for result in report.results] == [
            (TaskState.SKIPPED, "need-skipped")
        ] * 2

    @pytest.mark.parametrize(
        ("condition", "state"),
        [
            ("sizes.files == 2", TaskState.SUCCEEDED),
            ("sizes.files > 2", TaskState.SKIPPED),
            ("absent.files > 2", TaskState.SKIPPED),
        ],
    )
    def test_a_condition_decides_whether_a_step_runs(
        self, executor: Executor, subject: Subject, condition: str, state: TaskState
    ) -> None:
        steps = plan("sizes"), plan("noop", condition=condition, after=("sizes",))
        [report] = run(executor, subject.spec(*steps))
        assert report.results[1].state is state

    def test_a_dead_need_blocks_and_the_rest_goes_on(self, executor: Executor, subject: Subject) -> None:
        steps = plan("refuse"), plan("noop", needs=("refuse",)), plan("sizes")
        [report] = run(executor, subject.spec(*steps))
        assert [result.state for result in report.results] == [
            TaskState.DEAD,
            TaskState.BLOCKED,
            TaskState.SUCCEEDED,
        ]
        assert (report.outcome, report.failed_step) == (AttemptOutcome.FAILED, "refuse")

    def test_what_needs_a_step_that_is_tried_again_is_left_for_then(
        self, executor: Executor, subject: Subject
    ) -> None:
        [report] = run(
            executor, subject.spec(plan("offline"), plan("noop", needs=("offline",)), plan("sizes"))
        )
        assert [(result.step, result.state) for result in report.results] == [
            ("offline", TaskState.WAITING),
            ("sizes", TaskState.SUCCEEDED),
        ]
        assert (report.outcome, report.reason) == (AttemptOutcome.FAILED, "no-licence")


class TestFailures:
    @pytest.mark.parametrize(
        ("step", "state", "reason"),
        [
            ("refuse", TaskState.DEAD, "overlapping-slices"),
            ("offline", TaskState.WAITING, "no-licence"),
            ("bug", TaskState.DEAD, "exception"),
            ("sysexit", TaskState.DEAD, "exception"),
            ("silent", TaskState.DEAD, "output-missing"),
            ("linked", TaskState.DEAD, "output-missing"),
        ],
    )
    def test_a_step_that_fails_says_how(
        self, executor: Executor, subject: Subject, step: str, state: TaskState, reason: str
    ) -> None:
        [report] = run(executor, subject.spec(plan(step)))
        assert (only(report).state, only(report).reason) == (state, reason)
        assert (report.outcome, report.failed_step, report.reason) == (AttemptOutcome.FAILED, step, reason)
        assert list(subject.store.list("tasks/")) == []

    def test_a_bug_is_told_by_class_and_place_without_its_message(
        self, executor: Executor, subject: Subject
    ) -> None:
        [report] = run(executor, subject.spec(plan("bug")))
        assert only(report).detail.startswith(f"ValueError at {FILE.name}:")
        assert MARKER not in str(to_json(report))

    @pytest.mark.parametrize(
        ("function", "reason", "code"), [("segfault", "signal-segv", -11), ("leave", "exit-3", 3)]
    )
    def test_a_crash_ends_its_attempt_alone(
        self, executor: Executor, subject: Subject, function: str, reason: str, code: int
    ) -> None:
        steps = plan("sizes"), plan(function), plan("noop")
        crashed, other = run(executor, subject.spec(*steps), subject.spec(plan("random")))
        assert (crashed.outcome, crashed.reason) == (AttemptOutcome.CRASHED, reason)
        assert (crashed.failed_step, crashed.exit_code) == (function, code)
        assert [result.step for result in crashed.results] == ["sizes"]
        assert other.outcome is AttemptOutcome.SUCCEEDED
        assert run(executor, subject.spec(plan("sizes")))[0].results[0].reused

    def test_a_step_that_asks_for_too_much_memory_is_out_of_memory(
        self, executor: Executor, subject: Subject
    ) -> None:
        hog = plan("hog", parameters={"amount": 300 << 20})
        refused, granted = run(
            executor, subject.spec(plan("sizes"), hog, memory=200 << 20), subject.spec(hog, memory=400 << 20)
        )
        assert (refused.outcome, refused.reason) == (AttemptOutcome.OUT_OF_MEMORY, "out-of-memory")
        assert (refused.failed_step, [result.step for result in refused.results]) == ("hog", ["sizes"])
        assert granted.outcome is AttemptOutcome.SUCCEEDED

    def test_what_a_steps_programs_hold_counts_together(self, executor: Executor, subject: Subject) -> None:
        hog = plan("hog_children", parameters={"amount": 150 << 20})
        [report] = run(executor, subject.spec(hog, memory=200 << 20))
        assert (report.outcome, report.failed_step) == (AttemptOutcome.OUT_OF_MEMORY, "hog_children")
        assert report.max_rss > 200 << 20

    def test_a_step_that_never_ends_is_ended_with_all_that_it_started(
        self, executor: Executor, subject: Subject
    ) -> None:
        [report] = run(executor, subject.spec(plan("sizes"), stubborn(subject), timeout=1.5))
        assert (report.outcome, report.reason) == (AttemptOutcome.TIMEOUT, "timeout")
        assert (report.failed_step, [result.step for result in report.results]) == ("stubborn", ["sizes"])
        assert alive(str(subject.folder)) == []

    def test_an_attempt_that_cannot_even_begin_is_borne_by_its_first_step(
        self, executor: Executor, subject: Subject
    ) -> None:
        [report] = run(executor, subject.spec(plan("sizes"), plan("noop"), store="nowhere:///store"))
        assert (report.outcome, report.failed_step) == (AttemptOutcome.FAILED, "sizes")
        assert report.reason == "usage"
        assert run(executor, subject.spec(plan("sizes")))[0].outcome is AttemptOutcome.SUCCEEDED

    def test_a_full_store_may_have_room_later(self, executor: Executor, tmp_path: Path) -> None:
        disk = tmp_path / "small"
        disk.mkdir()
        if (
            os.getuid() != 0
            or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=False).returncode
        ):
            pytest.skip("mounting a small disk takes root")
        try:
            subject = Subject(disk)
            big = plan("big", parameters={"amount": 4 << 20})
            [report] = run(executor, subject.spec(big))
            assert (only(report).state, only(report).reason) == (TaskState.WAITING, "storage-full")
            assert list(subject.store.list("tasks/")) == []
            [report] = run(executor, subject.spec(plan("sizes")))
            assert report.outcome is AttemptOutcome.SUCCEEDED
        finally:
            subprocess.run(["umount", disk], check=True)


class TestInputs:
    def test_a_file_that_was_only_touched_is_the_same(self, executor: Executor, subject: Subject) -> None:
        subject.files[0].touch()
        shutil.copy(subject.files[1], subject.files[1].with_suffix(".new"))
        subject.files[1].with_suffix(".new").replace(subject.files[1])
        [report] = run(executor, subject.spec(plan("sizes")))
        assert report.outcome is AttemptOutcome.SUCCEEDED

    @pytest.mark.parametrize("content", [b"FIRST", b"longer than before"])
    def test_a_file_with_other_bytes_is_refused(
        self, executor: Executor, subject: Subject, content: bytes
    ) -> None:
        subject.files[0].write_bytes(content)
        [report] = run(executor, subject.spec(plan("sizes")))
        assert (only(report).state, only(report).reason) == (TaskState.DEAD, "input-changed")

    def test_a_file_that_is_gone_is_named_by_its_digest(self, executor: Executor, subject: Subject) -> None:
        subject.files[0].unlink()
        [report] = run(executor, subject.spec(plan("sizes")))
        assert (only(report).state, only(report).reason) == (TaskState.DEAD, "input-missing")
        assert "instance 0" not in only(report).detail

    def test_code_that_is_not_what_was_planned_is_refused(self, executor: Executor, subject: Subject) -> None:
        file = subject.folder / "steps.py"
        file.write_text("from hilum.steps.api import step\n@step()\ndef mine(ctx): pass\n")
        planned = plan("mine", file=file)
        file.write_text(file.read_text() + "# changed\n")
        [report] = run(executor, subject.spec(planned))
        assert (only(report).state, only(report).reason) == (TaskState.DEAD, "code-changed")

    def test_a_need_whose_result_is_gone_is_not_invented(self, executor: Executor, subject: Subject) -> None:
        [report] = run(executor, subject.spec(plan("copy", needs=("sizes",)), done={"sizes": "0" * 64}))
        assert (only(report).state, only(report).reason) == (TaskState.DEAD, "result-missing")

    def test_parameters_that_do_not_fit_are_refused(self, executor: Executor, subject: Subject) -> None:
        [report] = run(executor, subject.spec(plan("hog", parameters={"amount": "much"})))
        assert only(report).reason == "bad-parameters"


@confined
class TestConfinement:
    def test_a_step_that_writes_outside_its_folders_fails_and_leaves_nothing(
        self, executor: Executor, subject: Subject
    ) -> None:
        target = subject.folder / "elsewhere.txt"
        [report] = run(executor, subject.spec(plan("write_outside", parameters={"path": str(target)})))
        assert (only(report).state, only(report).reason) == (TaskState.DEAD, "write-outside")
        assert not target.exists()

    @pytest.mark.parametrize("function", ["write_outside", "remove_outside"])
    def test_inputs_cannot_be_changed_or_removed(
        self, executor: Executor, subject: Subject, function: str
    ) -> None:
        [report] = run(executor, subject.spec(plan(function, parameters={"path": str(subject.files[0])})))
        assert only(report).reason == "write-outside"
        assert subject.files[0].read_bytes() == b"first"

    def test_results_in_the_store_cannot_be_changed(self, executor: Executor, subject: Subject) -> None:
        [first] = run(executor, subject.spec(plan("sizes")))
        manifest = subject.manifest(only(first))
        stored = subject.store.local_path(manifest.artifacts[0].object)
        [report] = run(executor, subject.spec(plan("write_outside", parameters={"path": str(stored)})))
        assert only(report).reason == "write-outside"
        assert subject.text(manifest, "sizes.txt") == "5\n10"

    @pytest.mark.skipif(abi() < 6, reason="this kernel's Landlock does not hold signals")
    def test_other_processes_cannot_be_killed(self, executor: Executor, subject: Subject) -> None:
        victim = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        try:
            [report] = run(executor, subject.spec(plan("kill_outside", parameters={"amount": victim.pid})))
            assert only(report).state is TaskState.DEAD
            assert victim.poll() is None
        finally:
            victim.kill()
            victim.wait()


class TestRunning:
    def test_progress_names_the_step_at_work(self, executor: Executor, subject: Subject) -> None:
        spec = subject.spec(plan("noop"), plan("slow"))
        executor.submit(spec)
        _, told = collect(executor, 1)
        assert {event.attempt_id for event in told} == {spec.id}
        of_slow = [event for event in told if event.step == "slow"]
        assert told[-len(of_slow) :] == of_slow  # on a busy machine the step before is told of, too
        assert [event.fraction for event in of_slow] == sorted(event.fraction for event in of_slow)
        assert of_slow[-1].message == "on its way"
        assert len(told) < 200

    def test_every_attempt_is_reported_once_however_many_there_are(
        self, executor: Executor, subject: Subject
    ) -> None:
        functions = ["random", "segfault", "refuse", "noop"] * 3
        specs = [subject.spec(plan(function)) for function in functions]
        reports = run(executor, *specs)
        assert [report.failed_step for report in reports] == ["", "segfault", "refuse", ""] * 3
        assert list(executor.watch(0.1)) == []

    def test_capacity_counts_the_cores_that_attempts_want(self, executor: Executor, subject: Subject) -> None:
        free = executor.capacity()
        assert free > 0
        spec = subject.spec(plan("sleep"), cpu=float(free))
        executor.submit(spec)
        assert executor.capacity() == 0
        executor.cancel(spec.id)
        collect(executor, 1)
        assert executor.capacity() == free

    def test_an_attempt_that_wants_more_than_there_is_runs_alone(
        self, executor: Executor, subject: Subject
    ) -> None:
        reports = run(executor, subject.spec(plan("random"), cpu=1000.0), subject.spec(plan("noop")))
        assert {report.outcome for report in reports} == {AttemptOutcome.SUCCEEDED}

    def test_a_cancelled_attempt_stops_with_all_that_it_started(
        self, executor: Executor, subject: Subject
    ) -> None:
        spec = subject.spec(plan("sizes"), stubborn(subject))
        executor.submit(spec)
        wait_for_step(executor, spec.id, "stubborn", "daemon at work")
        assert alive(str(subject.folder))
        executor.cancel(spec.id)
        [report], _ = collect(executor, 1)
        assert report.outcome is AttemptOutcome.CANCELLED
        assert [result.step for result in report.results] == ["sizes"]
        assert alive(str(subject.folder)) == []

    def test_a_waiting_attempt_can_be_cancelled_before_it_starts(
        self, executor: Executor, subject: Subject
    ) -> None:
        first, second = (subject.spec(plan("sleep"), cpu=1000.0) for _ in range(2))
        executor.submit(first)
        executor.submit(second)
        executor.cancel(second.id)
        [report], _ = collect(executor, 1)
        assert (report.attempt_id, report.outcome) == (second.id, AttemptOutcome.CANCELLED)
        executor.cancel(first.id)
        [report], _ = collect(executor, 1)
        assert (report.attempt_id, report.outcome) == (first.id, AttemptOutcome.CANCELLED)

    def test_cancelling_what_is_unknown_or_over_is_fine(self, executor: Executor, subject: Subject) -> None:
        [report] = run(executor, subject.spec(plan("noop")))
        executor.cancel(report.attempt_id)
        executor.cancel("g-ffffffffffffffff.1")
        [report] = run(executor, subject.spec(plan("sizes")))
        assert report.outcome is AttemptOutcome.SUCCEEDED

    def test_watching_with_nothing_to_see_waits_no_less_than_asked(self, executor: Executor) -> None:
        started = time.monotonic()
        assert list(executor.watch(0.05)) == []
        assert time.monotonic() - started >= 0.05

    def test_ids_bound_to_an_attempt_need_no_particular_names(
        self, executor: Executor, subject: Subject
    ) -> None:
        spec = replace(subject.spec(plan("noop")), labels={"run": "r-0000000000000001"})
        [report] = run(executor, spec)
        assert report.outcome is AttemptOutcome.SUCCEEDED
