"""What every executor of container images must do, as tests that a suite takes in by inheriting from these classes.

It gives a fixture ``bench``, of this module's :class:`Bench`, whose engine or cluster has the image :data:`IMAGE`.
The twin for Python steps is tests/contract/test_executor.py.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from beds import container_steps
from beds.attempts import Subject, collect, run, wait_for_step
from beds.dying_engine import DyingEngine, open_executor
from beds.images import Image
from hilum.executors.interface import Executor
from hilum.kernel.clock import ManualClock, SystemClock
from hilum.model.image import ImagePlan, Security
from hilum.model.work import AttemptOutcome, AttemptReport, AttemptSpec, StepPlan, TaskResult, TaskState

MEGABYTE = 1 << 20
LONGEST_LOG = MEGABYTE
IMAGE = Image(
    "hilum-bed/steps:1",
    {"/steps.py": Path(container_steps.__file__).read_text(), "/root/secret": "root's own"},
    entrypoint=("/usr/bin/python3", "-IS", "/steps.py"),
)
SHELL = ("/bin/sh", "-c")
NOTHING_LISTENS = "registry.invalid/absent:1"

_numbers = itertools.count()


@dataclass
class Bench:
    """An executor's surroundings.

    Attributes:
        kind, settings: what :func:`beds.dying_engine.open_executor` takes.
        subject: in a store that steps' inputs and outputs can be in.
        digest: of :data:`IMAGE`.
        remove: takes an attempt's container or pod away behind the executor's back.
        left: containers, pods and folders of this home that there are now.
        many: attempts that are submitted at once where it is to be many.
        pace: seconds to wait for all of them.
    """

    kind: str
    settings: Mapping[str, Any]
    subject: Subject
    digest: str
    remove: Callable[[str], None]
    left: Callable[[], list[str]]
    many: int = 200
    pace: float = 300.0

    @contextmanager
    def executor(self, **settings: Any) -> Iterator[Executor]:
        """An executor of this home; closed at the end."""
        executor = open_executor(self.kind, {**self.settings, **settings})
        try:
            yield executor
        finally:
            executor.close()

    def plan(self, *args: str, **fields: Any) -> StepPlan:
        """A step of :mod:`beds.container_steps`, unlike any other by its parameters. Fields are those of ImagePlan
        or of StepPlan."""
        of_image = {name: fields.pop(name) for name in list(fields) if name in ImagePlan.__dataclass_fields__}
        image = ImagePlan(**{"reference": IMAGE.name, "digest": self.digest, "args": args, **of_image})
        settings = {"parameters": {"number": next(_numbers)}, "light": False, **fields}
        return StepPlan(name="step", uses="", code={"image": image.digest}, image=image, **settings)

    def spec(self, *args: str, **fields: Any) -> AttemptSpec:
        """An attempt at such a step, with limits as the step says."""
        plan = self.plan(*args, **{"memory": 64 * MEGABYTE, "cpu": 0.5, "timeout": 120.0, **fields})
        return self.subject.spec(plan, memory=plan.memory, cpu=plan.cpu, timeout=plan.timeout)

    def committed(self, report: AttemptReport, path: str) -> str:
        """The content of a file that an attempt gave."""
        return self.subject.text(self.subject.manifest(only(report)), path)


@pytest.fixture
def executor(bench: Bench) -> Iterator[Executor]:
    """An executor of the bench."""
    with bench.executor() as executor:
        yield executor


def only(report: AttemptReport) -> TaskResult:
    """The one task's result."""
    [result] = report.results
    return result


def at_work(executor: Executor, spec: AttemptSpec, message: str = "") -> None:
    """Submit an attempt and wait until it is at work (and says so)."""
    executor.submit(spec)
    wait_for_step(executor, spec.id, "step", message)


def log_of(executor: Executor, spec: AttemptSpec) -> bytes:
    """All that is kept of what an attempt printed."""
    return b"".join(executor.logs(spec.id))


class Ends:
    """How an attempt ends, and what is said of it."""

    def test_success_is_committed_with_files_and_measurements(self, bench: Bench, executor: Executor) -> None:
        [report] = run(executor, bench.spec("sizes"))
        assert (report.outcome, report.reason, report.failed_step) == (AttemptOutcome.SUCCEEDED, "", "")
        assert report.executor == executor.name
        assert report.started_at is not None
        assert report.finished_at is not None
        assert report.started_at <= report.finished_at
        manifest = bench.subject.manifest(only(report))
        assert bench.committed(report, "sizes.txt") == "5\n10"
        assert [(each.name, each.value, each.unit) for each in manifest.measurements] == [("bytes", 15, "By")]
        assert manifest.image == IMAGE.name

    def test_what_is_committed_is_not_computed_again(self, bench: Bench, executor: Executor) -> None:
        spec = bench.spec("sleep", "0")
        [first] = run(executor, spec)
        [again] = run(executor, replace(spec, id=f"{spec.id}1"))
        assert [first.outcome, again.outcome] == [AttemptOutcome.SUCCEEDED] * 2, again
        assert [only(first).reused, only(again).reused] == [False, True]
        assert only(again).task_key == only(first).task_key

    @pytest.mark.parametrize("code", [1, 3, 127, 255])
    def test_an_exit_code_is_the_reason_and_nothing_is_committed(
        self, bench: Bench, executor: Executor, code: int
    ) -> None:
        before = list(bench.subject.store.list("tasks/"))
        [report] = run(executor, bench.spec("leave", str(code)))
        assert (report.outcome, report.reason) == (AttemptOutcome.CRASHED, f"exit-{code}")
        assert (report.exit_code, report.failed_step, report.results) == (code, "step", ())
        assert list(bench.subject.store.list("tasks/")) == before

    @pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT"])
    def test_a_signal_is_the_reason(self, bench: Bench, executor: Executor, name: str) -> None:
        [report] = run(executor, bench.spec("kill", name))
        reason = f"signal-{name.removeprefix('SIG').lower()}"
        assert (report.outcome, report.reason) == (AttemptOutcome.CRASHED, reason)

    def test_an_output_that_is_missing_makes_the_task_dead(self, bench: Bench, executor: Executor) -> None:
        [report] = run(executor, bench.spec("nothing", outputs={"report": "report.txt"}))
        assert (report.outcome, report.failed_step) == (AttemptOutcome.FAILED, "step")
        assert (only(report).state, only(report).reason) == (TaskState.DEAD, "output-missing")

    def test_inputs_that_changed_are_refused_before_anything_starts(
        self, bench: Bench, executor: Executor
    ) -> None:
        bench.subject.files[0].write_bytes(b"FIRST")
        [report] = run(executor, bench.spec("sizes"))
        assert (only(report).state, only(report).reason) == (TaskState.DEAD, "input-changed")

    def test_time_is_up_for_a_step_that_minds_no_signal(self, bench: Bench, executor: Executor) -> None:
        [report] = run(executor, bench.spec("stubborn", timeout=2.0))
        assert (report.outcome, report.reason) == (AttemptOutcome.TIMEOUT, "timeout")
        assert (report.failed_step, report.detail) == ("step", "took longer than 2 s")

    @pytest.mark.parametrize("way", ["hog", "hog_in_child"])
    def test_running_out_of_memory(self, bench: Bench, executor: Executor, way: str) -> None:
        fits, exceeds = bench.spec(way, "8"), bench.spec(way, "500")
        small, large = run(executor, fits, exceeds)
        assert small.outcome is AttemptOutcome.SUCCEEDED
        assert (large.outcome, large.reason) == (AttemptOutcome.OUT_OF_MEMORY, "out-of-memory")
        assert (large.failed_step, large.detail) == ("step", "needed more than 64 MiB")

    def test_a_cancelled_one_stops(self, bench: Bench, executor: Executor) -> None:
        spec = bench.spec("stubborn")
        at_work(executor, spec, "at work")
        executor.cancel(spec.id)
        [report], _ = collect(executor, 1)
        assert (report.outcome, report.reason) == (AttemptOutcome.CANCELLED, "cancelled")
        assert report.failed_step == ""

    def test_a_waiting_one_can_be_cancelled(self, bench: Bench, executor: Executor) -> None:
        first, second = (bench.spec("sleep", "600", cpu=1000.0) for _ in range(2))
        executor.submit(first)
        executor.submit(second)
        for spec in (second, first):
            executor.cancel(spec.id)
            [report], _ = collect(executor, 1)
            assert (report.attempt_id, report.outcome) == (spec.id, AttemptOutcome.CANCELLED)

    def test_cancelling_what_is_unknown_or_over_is_fine(self, bench: Bench, executor: Executor) -> None:
        [report] = run(executor, bench.spec("sleep", "0"))
        executor.cancel(report.attempt_id)
        executor.cancel("g-ffffffffffffffff.1")
        [report] = run(executor, bench.spec("sleep", "0"))
        assert report.outcome is AttemptOutcome.SUCCEEDED

    def test_what_somebody_takes_away_is_lost(self, bench: Bench, executor: Executor) -> None:
        spec = bench.spec("stubborn")
        at_work(executor, spec, "at work")
        bench.remove(spec.id)
        [report], _ = collect(executor, 1)
        assert (report.outcome, report.failed_step) == (AttemptOutcome.LOST, "")

    @pytest.mark.parametrize("pull", ["never", "missing"])
    def test_an_image_that_nobody_has(self, bench: Bench, executor: Executor, pull: str) -> None:
        spec = bench.spec("sizes", reference=NOTHING_LISTENS, digest=f"sha256:{'0' * 64}", pull=pull)
        [report] = run(executor, spec)
        expected = {
            "never": (TaskState.DEAD, "image-missing"),
            "missing": (TaskState.WAITING, "registry-unreachable"),
        }
        assert report.outcome is AttemptOutcome.FAILED
        assert (only(report).state, only(report).reason) == expected[pull]

    def test_a_command_that_the_image_lacks(self, bench: Bench, executor: Executor) -> None:
        [report] = run(executor, bench.spec(command=("/no/such/program",)))
        assert report.reason in ("exit-127", "command-missing")  # an init comes first, or it does not
        assert report.failed_step == "step"

    def test_nothing_is_left_whatever_happened(self, bench: Bench) -> None:
        with bench.executor() as executor:
            run(executor, bench.spec("sizes"), bench.spec("leave", "3"), bench.spec("nothing"))
            at_work(executor, bench.spec("stubborn"), "at work")
        assert bench.left() == []


class Many:
    """Attempts at the same time."""

    def test_many_are_reported_once_each(self, bench: Bench) -> None:
        specs = [
            bench.spec("echo done > $HILUM_OUT/done.txt", command=SHELL, cpu=0.1, memory=16 * MEGABYTE)
            for _ in range(bench.many)
        ]
        with bench.executor(slots=2) as executor:
            for spec in specs:
                executor.submit(spec)
            reports, end = list[AttemptReport](), time.monotonic() + bench.pace
            while len(reports) < len(specs):
                assert time.monotonic() < end, f"{len(reports)} of {bench.many} came"
                reports += [each for each in executor.watch(5.0) if isinstance(each, AttemptReport)]
            assert sorted(each.attempt_id for each in reports) == sorted(spec.id for spec in specs)
            assert {each.outcome for each in reports} == {AttemptOutcome.SUCCEEDED}
            assert len({only(each).task_key for each in reports}) == bench.many
            assert _most_at_once(reports) > 1

    def test_a_slow_one_holds_up_nobody(self, bench: Bench, executor: Executor) -> None:
        slow = bench.spec("sleep", "600", cpu=0.1)
        at_work(executor, slow)
        reports = run(executor, *(bench.spec("sleep", "0", cpu=0.1) for _ in range(4)))
        assert {report.outcome for report in reports} == {AttemptOutcome.SUCCEEDED}
        executor.cancel(slow.id)
        [report], _ = collect(executor, 1)
        assert report.outcome is AttemptOutcome.CANCELLED

    def test_capacity_counts_what_attempts_want(self, bench: Bench) -> None:
        with bench.executor(slots=2) as executor:
            assert executor.capacity() == 2
            specs = [bench.spec("sleep", "600", cpu=1.0) for _ in range(2)]
            for spec, free in zip(specs, (1, 0), strict=True):
                executor.submit(spec)
                assert executor.capacity() == free
            for spec in specs:
                executor.cancel(spec.id)
            collect(executor, 2)
            assert executor.capacity() == 2


class Logs:
    """What steps print."""

    def test_bytes_are_kept_as_they_were(self, bench: Bench, executor: Executor) -> None:
        spec = bench.spec("rubbish")
        [report] = run(executor, spec)
        assert report.reason == "exit-1"
        assert log_of(executor, spec).rstrip(b"\n") == container_steps.EVERY_BYTE * 100

    def test_of_a_hundred_megabytes_the_end_is_kept(self, bench: Bench, executor: Executor) -> None:
        spec = bench.spec("flood", "100")
        [report] = run(executor, spec)
        assert report.reason == "exit-1"
        log = log_of(executor, spec)
        assert log.endswith(b"the last word\n")
        assert 100_000 < len(log) <= LONGEST_LOG

    def test_one_that_is_at_work_can_be_read(self, bench: Bench, executor: Executor) -> None:
        spec = bench.spec("stubborn")
        at_work(executor, spec, "at work")
        assert log_of(executor, spec) == b"::progress 0.1 at work\n"

    def test_of_success_nothing_is_kept(self, bench: Bench, executor: Executor) -> None:
        spec = bench.spec("sizes")
        run(executor, spec)
        assert log_of(executor, spec) == b""


class Adoption:
    """An engine is killed (-9) while attempts run, and another comes."""

    @pytest.fixture
    def dying(self, bench: Bench) -> Iterator[Callable[..., DyingEngine]]:
        engines: list[DyingEngine] = []

        def begin(*specs: AttemptSpec) -> DyingEngine:
            engines.append(DyingEngine(bench.kind, bench.settings, specs))
            return engines[-1]

        yield begin
        for engine in engines:
            engine.kill()

    def test_what_runs_is_adopted_and_not_run_twice(
        self, bench: Bench, dying: Callable[..., DyingEngine]
    ) -> None:
        specs = [bench.spec("sleep", "5", cpu=0.1) for _ in range(3)]
        engine = dying(*specs)
        tokens = dict(line.split() for line in _tokens(engine, 3))
        engine.kill()
        with bench.executor() as executor:
            assert sorted(spec.id for spec in executor.adopt([spec.id for spec in specs])) == sorted(tokens)
            reports, _ = collect(executor, 3)
            found = {each.attempt_id: bench.committed(each, "token.txt") for each in reports}
        assert found == tokens
        assert bench.left() == []

    def test_what_ended_meanwhile_is_collected(self, bench: Bench, dying: Callable[..., DyingEngine]) -> None:
        well, ill = bench.spec("sleep", "2", cpu=0.1), bench.spec("sleep", "2", "5", cpu=0.1)
        engine = dying(well, ill)
        _tokens(engine, 2)
        engine.kill()
        time.sleep(4)
        with bench.executor() as executor:
            executor.adopt([well.id, ill.id])
            reports, _ = collect(executor, 2)
        ends = {each.attempt_id: (each.outcome, each.reason) for each in reports}
        assert ends[well.id] == (AttemptOutcome.SUCCEEDED, "")
        assert ends[ill.id] == (AttemptOutcome.CRASHED, "exit-5")

    def test_its_time_limit_counts_from_its_own_start(
        self, bench: Bench, dying: Callable[..., DyingEngine]
    ) -> None:
        spec = bench.spec("stubborn", timeout=6.0)
        engine = dying(spec)
        engine.hear(1, "at work")
        engine.kill()
        with bench.executor() as executor:
            assert executor.adopt([spec.id])
            [report], _ = collect(executor, 1)
        assert (report.outcome, report.detail) == (AttemptOutcome.TIMEOUT, "took longer than 6 s")

    def test_what_nobody_wants_is_removed(self, bench: Bench, dying: Callable[..., DyingEngine]) -> None:
        engine = dying(bench.spec("stubborn"))
        engine.hear(1, "at work")
        engine.kill()
        assert bench.left()
        with bench.executor() as executor:
            assert list(executor.adopt([])) == []
            assert bench.left() == []

    def test_what_a_living_engine_has_is_left_alone(
        self, bench: Bench, dying: Callable[..., DyingEngine]
    ) -> None:
        spec = bench.spec("sleep", "5")
        engine = dying(spec)
        [line] = _tokens(engine, 1)
        with bench.executor() as executor:
            assert list(executor.adopt([])) == []
        assert engine.hear(1, "succeeded") == [f"{line.split()[0]} succeeded"]

    def test_one_that_is_adopted_can_be_cancelled(
        self, bench: Bench, dying: Callable[..., DyingEngine]
    ) -> None:
        spec = bench.spec("stubborn")
        engine = dying(spec)
        engine.hear(1, "at work")
        engine.kill()
        with bench.executor() as executor:
            executor.adopt([spec.id])
            executor.cancel(spec.id)
            [report], _ = collect(executor, 1)
        assert report.outcome is AttemptOutcome.CANCELLED

    @pytest.mark.parametrize("hours", [-30, 30])
    def test_clocks_may_differ(self, bench: Bench, dying: Callable[..., DyingEngine], hours: int) -> None:
        adopted, new = bench.spec("sleep", "4", cpu=0.1), bench.spec("sleep", "0", cpu=0.1)
        engine = dying(adopted)
        _tokens(engine, 1)
        engine.kill()
        clock = ManualClock(SystemClock().now() + timedelta(hours=hours))
        with bench.executor(clock=clock) as executor:
            assert executor.adopt([adopted.id])
            executor.submit(new)
            reports, _ = collect(executor, 2)
        assert {report.outcome for report in reports} == {AttemptOutcome.SUCCEEDED}


class Confinement:
    """What a step may do, and what it may once its pipeline file says so."""

    def look(self, bench: Bench, *args: str, **security: Any) -> dict[str, Any]:
        """What the step found by trying."""
        with bench.executor() as executor:
            [report] = run(executor, bench.spec("look", *args, security=Security(**security)))
        found: dict[str, Any] = json.loads(bench.committed(report, "found.json"))
        return found

    def test_nothing_is_allowed_that_was_not_asked_for(self, bench: Bench) -> None:
        found = self.look(bench)
        assert (found["user"], found["group"]) == (65534, 65534)
        assert (found["capabilities"], found["bounding"]) == (0, 0)
        assert found["no_new_privileges"]
        assert found["seccomp"] == "2"
        assert found["write_root"] == "Read-only file system"
        assert {found[f"{act}_in"] for act in ("write", "add_to", "remove_from")} == {"Read-only file system"}
        assert found["chown"] == found["become_root"] == "Operation not permitted"
        assert found["read_roots_file"] == "Permission denied"
        assert found["core"] == 0
        assert found["tokens"] == []

    def test_without_network_there_is_none(self, bench: Bench) -> None:
        found = self.look(bench)
        assert (found["interfaces"], found["network"]) == (["lo"], "Network is unreachable")

    def test_it_may_write_outputs_scratch_and_temporary_files(self, bench: Bench) -> None:
        found = self.look(bench)
        assert {found[f"write_{place}"] for place in ("out", "scratch", "tmp")} == {"done"}

    def test_inputs_are_as_they_were(self, bench: Bench) -> None:
        modes = [path.stat().st_mode for path in bench.subject.files]
        self.look(bench)
        assert [path.read_bytes() for path in bench.subject.files] == list(bench.subject.contents)
        assert [path.stat().st_mode for path in bench.subject.files] == modes

    def test_a_file_that_only_its_owner_may_read_is_read(self, bench: Bench, executor: Executor) -> None:
        bench.subject.files[0].chmod(0o600)
        [report] = run(executor, bench.spec("sizes"))
        assert bench.committed(report, "sizes.txt") == "5\n10"
        assert bench.subject.files[0].stat().st_mode & 0o777 == 0o600

    def test_network_when_named(self, bench: Bench) -> None:
        found = self.look(bench, network=True)
        assert found["interfaces"] != ["lo"]
        assert found["network"] == "done"

    def test_another_user_when_named(self, bench: Bench) -> None:
        assert self.look(bench, user=1234)["user"] == 1234

    def test_a_root_that_can_be_written_when_named(self, bench: Bench) -> None:
        assert self.look(bench, user=0, read_only_root=False)["write_root"] == "done"

    def test_capabilities_when_named(self, bench: Bench) -> None:
        found = self.look(bench, user=0, capabilities=("CHOWN",))
        assert (found["bounding"], found["chown"]) == (1, "done")

    def test_privileges_when_named(self, bench: Bench) -> None:
        assert not self.look(bench, privilege_escalation=True)["no_new_privileges"]

    def test_as_many_processes_as_it_may_have(self, bench: Bench) -> None:
        assert self.look(bench, "40")["processes"] == 40
        assert self.look(bench, "40", pids=20)["processes"] < 20


def _tokens(engine: DyingEngine, count: int) -> list[str]:
    """Lines of attempts that have said who they are."""
    heard: dict[str, str] = {}
    while len(heard) < count:
        [line] = engine.hear(1, " ")
        attempt, _, said = line.partition(" ")
        if len(said) == 16:
            heard[attempt] = line
    return list(heard.values())


def _most_at_once(reports: list[AttemptReport]) -> int:
    """How many attempts were under way at the same time, at most."""
    changes = sorted(
        change
        for each in reports
        for change in ((each.started_at, 1), (each.finished_at, -1))
        if change[0] is not None
    )
    return max(itertools.accumulate(step for _, step in changes))
