"""The engine: intake, settle, plan, dispatch and record, one after another in one thread, for one home.

``process`` goes on until what it was given is done; ``serve`` goes on until it is told to stop. Both live from the
ledger alone: killed anywhere, the next engine goes on from the last commit.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hilum.engine.derive import Derivations
from hilum.engine.dispatch import Dispatcher
from hilum.engine.intake import Intake, IntakeReport
from hilum.engine.observe import Observer, Watch
from hilum.engine.planner import Planner
from hilum.engine.recorder import Recorder
from hilum.engine.settle import Settler, follow_moves
from hilum.errors import HilumError
from hilum.executors.interface import Executor
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.ledger.interface import Ledger, RunInfo
from hilum.model.image import ImageResolver
from hilum.pipeline.compiled import CompiledPipeline
from hilum.pipeline.plan import looked_up_again
from hilum.sources.interface import Source
from hilum.storage import Storage
from hilum.warehouse.interface import Warehouse

RECORD_EVERY = 2.0
RECORD_FOR = 5.0
"""Seconds after which recording leaves the rest for later, while other things go on: what is claimed has a lease."""
LEFT_ALONE = 2.0
"""Times as long as a warehouse that did not take the rows held the engine, it is not asked again."""
SETTLE_EVERY = 1.0
LOOK_UP_EVERY = 60.0
"""Seconds for which a serving engine takes an image's tag to mean what it meant."""
ASKED_ABOUT = 100
"""Subjects in one question about what has not ended."""

log = get_logger(__name__)


@dataclass
class RunReport:
    """What ``process`` did.

    Attributes:
        intake: counts of arrivals by outcome.
        runs: the current runs of the subjects that were looked at, newest state.
        started: ids of the runs that had something to do.
    """

    intake: Mapping[str, int] = field(default_factory=dict)
    runs: Sequence[RunInfo] = ()
    started: Sequence[str] = ()
    subjects: frozenset[str] = frozenset()
    interrupted: bool = False


class Engine:
    """Drives data downhill in one home.

    Args:
        results: folder of links for people, or None.
        owner: names this engine in leases, ``<machine>/<pid>/<start>``.
        memory_cap: bytes that no attempt may exceed.
        images: asked now and then what the tags of pipelines' images mean; None: they keep their meaning.
        watch: told what metrics and traces are made of. closing: called when the engine is closed.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        warehouse: Warehouse,
        storage: Storage,
        executor: Executor,
        pipelines: Sequence[CompiledPipeline],
        clock: Clock,
        owner: str,
        memory_cap: int,
        results: Path | None = None,
        rng: random.Random | None = None,
        observer: Observer | None = None,
        readers: int = 1,
        images: ImageResolver | None = None,
        watch: Watch | None = None,
        closing: Callable[[], None] = lambda: None,
    ) -> None:
        watch = watch or Watch()
        self._closing = closing
        self.owner = owner
        self._ledger = ledger
        self._storage = storage
        self._executor = executor
        self._clock = clock
        self._observer = observer or Observer()
        self.planner = Planner(ledger, clock, pipelines)
        self.intake = Intake(
            ledger, clock, self._observer, lambda subjects: follow_moves(ledger, storage, subjects), readers
        )
        self.settler = Settler(ledger, storage, clock, self.planner.patience)
        self.derivations = Derivations(ledger, storage, clock, owner, self.intake.take_read)
        self.recorder = Recorder(
            ledger, warehouse, storage, clock, owner, results, self._observer, watch.recorded
        )
        self.dispatcher = Dispatcher(
            ledger,
            executor,
            storage,
            clock,
            owner,
            limits={each.name: each.plan.max_running for each in pipelines if each.plan.max_running},
            memory_cap=memory_cap,
            rng=rng,
            observer=self._observer,
            committed=self.derivations.follow,
            watch=watch,
        )
        self._images = images
        self._settled = float("-inf")
        self._record_at = float("-inf")
        self._looked_up = clock.monotonic()

    def process(
        self, source: Source, *, verify: bool = False, stop: Callable[[], bool] = lambda: False
    ) -> RunReport:
        """Take in what a source has now, call it complete, and do everything that follows from it."""
        taken = self.take_in(source, verify=verify, stop=stop)
        if stop():  # not everything was seen, so nothing may be called complete
            self.drain()
            return RunReport(taken.counts, [], [], frozenset(taken.subjects), interrupted=True)
        subjects = taken.subjects | self.derivations.left_open()
        self._ledger.close_subjects(subjects)
        self.settler.settle()
        started = [*self.planner.plan(), *self.planner.plan(subjects)]
        self.work(subjects, stop=stop)
        while (made := self.derivations.taken()) and not stop():
            subjects |= made
            self._ledger.close_subjects(made)
            self.settler.settle()
            started += self.planner.plan(made)
            self.work(made, stop=stop)
        runs = [run for run, _plan in self._ledger.current_runs(subjects).values()]
        return RunReport(taken.counts, runs, started, frozenset(subjects), stop())

    def take_in(
        self, source: Source, *, verify: bool = False, stop: Callable[[], bool] = lambda: False
    ) -> IntakeReport:
        """Take in what a source has now; nothing runs yet."""
        report = self.intake.take(source, verify=verify, stop=stop, meanwhile=self.record_sometimes)
        log.bind(**_told(report)).info("took in")
        return report

    def work(
        self, subjects: Iterable[str] | None = None, *, stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Run what is ready until all runs (of these subjects) have ended, or ``stop``; then record everything."""
        wanted = None if subjects is None else sorted(set(subjects))
        self._announce(wanted)
        waiting = self._waiting(wanted)
        while waiting and not stop():
            happened = self.dispatcher.tick(self._patience())
            if (
                happened or not self.dispatcher.busy
            ):  # where another engine does the work, nothing happens here
                waiting = self._waiting(wanted)
            self.record_sometimes()
        self.drain()

    def drain(self) -> None:
        """Let what is at work end, hand nothing new out, record everything."""
        self.dispatcher.draining = True
        while self.dispatcher.busy:
            self.dispatcher.tick(0.5)
        self.dispatcher.draining = False
        self.recorder.record()
        self.recorder.finish()

    def advance(self, timeout: float) -> bool:
        """One turn of a serving engine: settle, plan, dispatch, record; True if something happened."""
        happened = False
        if self._clock.monotonic() - self._settled >= SETTLE_EVERY:
            self._settled = self._clock.monotonic()
            self._look_up_images()
            happened = bool(self.settler.settle()) | bool(self.planner.plan())
        happened |= self.dispatcher.tick(0.0 if happened else timeout)
        self.record_sometimes()
        return happened

    @property
    def alone(self) -> bool:
        """Whether every other engine on this ledger is gone, whatever the ledger still holds of it."""
        return self.dispatcher.alone

    @alone.setter
    def alone(self, value: bool) -> None:
        self.dispatcher.alone = value

    @property
    def outlived(self) -> bool:
        """Whether attempts go on when this engine ends."""
        return self._executor.adopts

    def hand_over(self) -> None:
        """Leave what is at work to the next engine, record everything."""
        self.dispatcher.draining = True
        self.recorder.record()
        self.recorder.finish()

    def record_sometimes(self) -> None:
        """Feed the warehouse now and then and for a while, as other things go on."""
        began = self._clock.monotonic()
        if began < self._record_at:
            return
        self._record_at = began + RECORD_EVERY  # also where the ledger does not answer
        self.recorder.record(until=began + RECORD_FOR)
        now = self._clock.monotonic()
        wait = LEFT_ALONE * (now - began) if self.recorder.trouble else 0.0
        self._record_at = now + max(RECORD_EVERY, wait)

    def close(self) -> None:
        """Stop what still runs; its claims are freed by whoever comes next."""
        self._executor.close()
        self._closing()

    def _look_up_images(self) -> None:
        """Ask now and then what tags mean; a registry that is away changes nothing."""
        now = self._clock.monotonic()
        if self._images is None or now - self._looked_up < LOOK_UP_EVERY:
            return
        self._looked_up = now
        try:
            self.planner.pipelines = tuple(
                replace(each, plan=looked_up_again(each.plan, self._images))
                for each in self.planner.pipelines
            )
        except HilumError as error:
            log.warning("images could not be looked up", reason=error.reason)

    def _waiting(self, subjects: list[str] | None) -> bool:
        """Whether runs (of these subjects) have not ended. It is asked after every attempt, so it looks at few
        subjects and forgets, from the end of the list, those that it need not ask about again."""
        if subjects is None:
            return bool(self._ledger.unfinished())
        while subjects and not self._ledger.unfinished(subjects[-ASKED_ABOUT:]):
            del subjects[-ASKED_ABOUT:]
        return bool(subjects)

    def _patience(self) -> float:
        """Seconds until something may be ready: the next retry, at most half a second."""
        ready = self._ledger.next_ready() if not self.dispatcher.busy else None
        if ready is None:
            return 0.5
        return min(0.5, max(0.0, (ready - self._clock.now()).total_seconds()))

    def _announce(self, subjects: Sequence[str] | None) -> None:
        if subjects is not None:
            current = self._ledger.current_runs(subjects).values()
            open_runs = [plan for run, plan in current if run.finished_at is None]
            self._observer.planned(len(open_runs), sum(len(plan.steps) for plan in open_runs))


def _told(report: IntakeReport) -> dict[str, int]:
    """Counts under the names that logs may carry."""
    names = {"duplicate": "duplicates"}
    return {names.get(name, name): number for name, number in report.counts.items() if name != "unchanged"}
