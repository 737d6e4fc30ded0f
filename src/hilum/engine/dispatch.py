"""Dispatch: ready segments to the executor, reports back to the ledger. One thread, no sleeping loops.

The ledger holds the claims, storage holds the results. So a report that is lost, or comes from an attempt that
somebody else has taken over meanwhile, costs a look-up and changes nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from hilum.engine.judge import judge, memory_of
from hilum.engine.neighbours import dead_neighbours, other_engines
from hilum.engine.observe import Observer, Watch
from hilum.engine.results import LookedUp, look_up, passes, result_rows
from hilum.errors import HilumError, TransientError
from hilum.executors.interface import Executor, Progress
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.kernel.trace import run_trace
from hilum.ledger.interface import Claim, Finished, Ledger, RunInfo
from hilum.model.work import AttemptOutcome, AttemptReport, AttemptSpec, Manifest, TaskResult, TaskState
from hilum.storage import Storage

LEASE = 60.0
"""Seconds for which a claim holds without a heartbeat."""
IDLE = 2.0
"""Seconds after which an engine with nothing to do looks whether a neighbour has died over something."""

log = get_logger(__name__)


class Dispatcher:
    """Keeps an executor busy with what the ledger has ready.

    Args:
        owner: this engine, ``<machine>/<pid>/<start>``.
        limits: most attempts at once, by pipeline; absent ones have no limit.
        memory_cap: bytes that no attempt may exceed.
        committed: told of each result before its end is recorded, once at least.
    """

    def __init__(
        self,
        ledger: Ledger,
        executor: Executor,
        storage: Storage,
        clock: Clock,
        owner: str,
        *,
        limits: Mapping[str, int] | None = None,
        memory_cap: int,
        rng: random.Random | None = None,
        observer: Observer | None = None,
        committed: Callable[[Manifest, RunInfo], None] = lambda manifest, run: None,
        watch: Watch | None = None,
    ) -> None:
        self._ledger = ledger
        self._executor = executor
        self._storage = storage
        self._clock = clock
        self._owner = owner
        self._limits = dict(limits or {})
        self._memory_cap = memory_cap
        self._rng = rng or random.Random()
        self._observer = observer or Observer()
        self._committed = committed
        self._watch = watch or Watch()
        self._claims: dict[str, Claim] = {}
        self._ended: dict[str, AttemptReport] = {}
        self._last_heartbeat = float("-inf")
        self.draining = False
        self._adopted = False
        self.alone = False

    @property
    def busy(self) -> int:
        """Attempts at work now."""
        return len(self._claims)

    def tick(self, timeout: float) -> bool:
        """Hand out what is ready, wait up to ``timeout`` seconds for something to end, record it.

        A report comes once, so it is kept until the ledger has it. What an error kept from it comes first in the next
        tick: whoever is watched again may forget what he told.

        Returns:
            Whether anything was handed out or ended.
        """
        ended = self._record()
        self._beat()
        started = 0 if self.draining else self._hand_out()
        waits = not self._ended and (self._claims or not started)
        for event in self._executor.watch(timeout if waits else 0.0):
            if isinstance(event, Progress):
                self._observer.progress(event)
            elif event.attempt_id in self._claims:
                self._ended[event.attempt_id] = event
        return bool(self._record() or started or ended)

    def _hand_out(self) -> int:
        free = self._executor.capacity()
        if free <= 0:
            return 0
        claims = self._ledger.claim(self._owner, free, self._clock.now(), LEASE, self._limits)
        for claim in claims:
            self._claims[claim.attempt_id] = claim
            try:
                self._executor.submit(self._spec(claim))
            except TransientError as error:
                self._executor.cancel(claim.attempt_id)
                self._ended[claim.attempt_id] = self._lost(claim.attempt_id, error.reason)
                continue
            self._observer.started(claim)
        return len(claims)

    def _lost(self, attempt_id: str, reason: str) -> AttemptReport:
        return AttemptReport(attempt_id, AttemptOutcome.LOST, reason=reason, executor=self._executor.name)

    def _spec(self, claim: Claim) -> AttemptSpec:
        wanted = set(claim.steps)
        steps = tuple(step for step in claim.plan.steps if step.name in wanted)
        done: dict[str, str | None] = {}
        for name, state in claim.states.items():
            if state is TaskState.SUCCEEDED:
                done[name] = claim.keys[name]
            elif state is TaskState.SKIPPED:
                done[name] = None
        return AttemptSpec(
            id=claim.attempt_id,
            store=self._storage.uri,
            revision=claim.run.revision,
            scope=claim.run.scope,
            subject_id=claim.run.subject_id,
            steps=steps,
            done=done,
            memory=min(self._memory_cap, max(memory_of(step, claim.memory) for step in steps)),
            timeout=sum(step.timeout for step in steps),
            cpu=max(step.cpu for step in steps),
            labels={"run": claim.run.id, "subject": claim.run.subject_id, "pipeline": claim.run.pipeline},
            trace=self._trace(claim.run.id),
        )

    def _trace(self, run_id: str) -> str:
        """The run's trace, if it is kept."""
        trace = run_trace(run_id)
        return trace if self._watch.sampling and self._watch.sampling.keeps(trace) else ""

    def _record(self) -> int:
        """Bring what ended into the ledger; how many attempts."""
        if not self._ended:
            return 0
        now = self._clock.now()
        made = [
            result.task_key
            for report in self._ended.values()
            for result in report.results
            if result.state is TaskState.SUCCEEDED
        ]
        seen = look_up(self._storage, made)
        finished = [self._judge(report, now, seen) for report in self._ended.values()]
        kept = self._ledger.finish(self._owner, finished, now)
        for item in finished:
            del self._claims[item.report.attempt_id], self._ended[item.report.attempt_id]
        for item, ours in zip(finished, kept, strict=True):
            if not ours:
                log.warning("attempt was taken over", attempt=item.report.attempt_id)
                continue
            self._tell(item)
            self._observer.finished(item)
            self._watch.ended(item)
        return len(finished)

    def _judge(self, report: AttemptReport, now: datetime, seen: dict[str, LookedUp]) -> Finished:
        """What becomes of an attempt's tasks.

        Args:
            seen: what is committed under their keys. Once it cannot be followed for a while, nothing of it can.
        """
        claim = self._claims[report.attempt_id]
        rows: dict[str, list[dict[str, object]]] = {}
        results: list[TaskResult] = []
        for result in report.results:
            if result.state is TaskState.SUCCEEDED:
                try:
                    for table, items in self._rows_of(seen[result.task_key], claim, now).items():
                        rows.setdefault(table, []).extend(items)
                except HilumError as error:
                    result = _not_seen(result, error)
                    if passes(error):
                        seen.update(dict.fromkeys(seen, error))
            results.append(result)
        report = replace(report, results=tuple(results))
        return judge(claim, report, now, self._rng, memory_cap=self._memory_cap, rows=rows)

    def _rows_of(self, found: LookedUp, claim: Claim, now: datetime) -> Mapping[str, list[dict[str, object]]]:
        """What the warehouse is to learn of a task that succeeded; whoever follows results is told before."""
        if isinstance(found, HilumError):
            raise found
        if found is None:
            return {}
        self._committed(found, claim.run)
        return result_rows(found, claim.run, now)

    def _tell(self, item: Finished) -> None:
        run = item.claim.run
        about = log.bind(run=run.id, attempt=item.report.attempt_id, pipeline=run.pipeline)
        for change in item.changes:
            if change.state is TaskState.DEAD:
                about.error("task is dead", step=change.step, reason=change.reason)
            elif change.failed:
                about.warning("task will be tried again", step=change.step, reason=change.reason)

    def _beat(self) -> None:
        """Extend our leases, stop what was superseded, free what others lost; thrice a lease is often enough."""
        since = self._clock.monotonic() - self._last_heartbeat
        if since < (LEASE / 3 if self._claims else IDLE):
            return
        self._last_heartbeat = self._clock.monotonic()
        held = [claim.segment_id for claim in self._claims.values()]
        stale = set(self._ledger.heartbeat(self._owner, held, self._clock.now(), LEASE))
        for attempt_id, claim in self._claims.items():
            if claim.segment_id in stale:
                self._executor.cancel(attempt_id)
        owners = self._ledger.owners()
        gone = other_engines(owners, self._owner) if self.alone else dead_neighbours(owners, self._owner)
        if self._executor.adopts:
            self._adopt(gone)
        lost = self._ledger.reclaim(self._clock.now(), gone=gone)
        if lost:
            log.warning("attempts were lost and are tried again", count=lost)

    def _adopt(self, gone: Sequence[str]) -> None:
        """Go on with attempts that outlived their engine; what the executor does not find was lost with it."""
        now = self._clock.now()
        claims = {each.attempt_id: each for each in self._ledger.take_over(self._owner, now, LEASE, gone)}
        if not claims and self._adopted:
            return
        found = {spec.id for spec in self._executor.adopt(claims.keys())}
        self._adopted = True  # once in any case: it clears away what nobody wants
        self._claims.update(claims)
        if found:
            log.info("attempts were adopted", count=len(found))
        self._ended |= {each: self._lost(each, "engine-gone") for each in claims.keys() - found}
        self._record()


def _not_seen(result: TaskResult, error: HilumError) -> TaskResult:
    """A task that succeeded, and whose result cannot be looked at. What it made stays committed: where the fault may
    pass, the next attempt finds it, and looks at it again."""
    state = TaskState.WAITING if passes(error) else TaskState.DEAD
    return replace(result, state=state, reason=error.reason, detail=error.message)
