"""Attempts on a Kubernetes cluster. This file is the book of what runs: it makes Jobs, reads what the feed tells of
their pods, and reports each attempt once. Nothing here asks the cluster again and again.

Jobs go on when the engine dies, and the next one finds them by their home's label: :meth:`KubernetesExecutor.adopt`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from queue import Empty
from typing import Any

from hilum.errors import HilumError
from hilum.executors.interface import Executor, Progress
from hilum.executors.kubernetes.book import Attempt, Book
from hilum.executors.kubernetes.client import connect
from hilum.executors.kubernetes.credentials import AGAIN, Tokens
from hilum.executors.kubernetes.endings import OVER, Ending, blocked, ending, running_container, times
from hilum.executors.kubernetes.feed import Changed, Event, Feed, Listed
from hilum.executors.kubernetes.jobs import ClusterGone, Jobs, index_of, over
from hilum.executors.kubernetes.output import LISTENED_TO, last_words, output
from hilum.executors.kubernetes.settings import DOWNSCOPED, KubernetesSettings
from hilum.executors.kubernetes.shards import forget, report_of, shard_over
from hilum.executors.kubernetes.streams import Streams
from hilum.executors.kubernetes.waiting import Waiting
from hilum.executors.listening import listen
from hilum.executors.staged import ImageStep, failed
from hilum.kernel.clock import Clock, SystemClock
from hilum.kernel.logging import get_logger
from hilum.kernel.retry import backoff_seconds
from hilum.model.work import AttemptOutcome, AttemptReport, AttemptSpec
from hilum.storage.gcs.credentials import Broker

log = get_logger(__name__)

CANCELLED = Ending(AttemptOutcome.CANCELLED, "cancelled")
JOB_GONE = Ending(AttemptOutcome.LOST, "job-deleted", "somebody deleted the attempt's Job")
POD_GONE = Ending(AttemptOutcome.LOST, "pod-deleted", "the attempt's pod is gone")
LONGEST_PAUSE = 15.0
GATHER = 1.0
"""Seconds between two rounds of new Jobs: what becomes ready meanwhile shares them."""


class KubernetesExecutor(Executor):
    """Runs attempts in pods, as many at once as its settings say and the cluster has room for.

    Jobs of a home that no engine wants any more are left to end by themselves, at their deadline: nothing on a
    cluster says whether the engine that made them lives. What they commit is used.

    Args:
        home: a short digest that names the home among others on the cluster.
        broker: makes credentials for attempts, where settings ask for them; by default of this process' own.
    """

    name = "kubernetes"
    adopts = True

    def __init__(
        self,
        settings: KubernetesSettings,
        home: str,
        *,
        clock: Clock | None = None,
        broker: Broker | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._client = connect(settings.kubeconfig, settings.namespace)
        self._tokens = _tokens(settings, broker, self._clock)
        self._jobs = Jobs(self._client, settings, home, self._tokens)
        self._streams = Streams(self._client)
        self._feed = Feed(self._client, self._streams, home, self._clock)
        self._waiting = Waiting(settings, self._jobs)
        self._book = Book(settings)
        self._to_stop: dict[str, Attempt] = {}
        self._told: list[AttemptReport | Progress] = []
        self._read: list[AttemptSpec] = []
        self._recorded: list[AttemptSpec] = []
        self._room = threading.BoundedSemaphore(LISTENED_TO)
        self._refusals = 0
        self._try_at = self._gathered_at = -math.inf

    def capacity(self) -> int:
        return self._waiting.offer(self._pods)

    @property
    def _pods(self) -> int:
        """Pods that there may yet be."""
        return self._settings.pods - self._book.pods

    def submit(self, spec: AttemptSpec) -> None:
        """It becomes part of a Job at the next :meth:`watch`, together with its like."""
        self._waiting.submit(spec)

    def watch(self, timeout: float) -> Sequence[AttemptReport | Progress]:
        """Whoever calls again has recorded what the last call told."""
        while self._recorded:
            forget(self._recorded.pop())
        if self._waiting.more_may_come(self._pods):
            return ()
        self._ask()
        for event in self._heard(0.0 if self._told else self._patience(timeout)):
            self._take(event)
        self._see_to_due()
        self._renew()
        self._ask()
        told, self._told = self._told, []
        self._recorded, self._read = self._read, []
        return told

    def adopt(self, attempt_ids: Collection[str] = ()) -> Sequence[AttemptSpec]:
        wanted = set(attempt_ids) - set(self._book)
        adopted = []
        for job, shards in self._jobs.found():
            self._enter(job, shards, wanted)
            adopted += [spec for shard in shards for spec in shard if spec.id in wanted]
        for spec in adopted:
            if self._tokens:  # how old its token is nobody knows
                self._tokens.renew_in(spec.id, timedelta())
        for job in {self._book[spec.id].job for spec in adopted}:
            self._look_at(job)
        return adopted

    def logs(self, attempt_id: str) -> Iterator[bytes]:
        place = self._book.place(attempt_id)
        for pod in self._jobs.pods(place.job) if place else []:
            if place and index_of(pod) == (place.job, place.index):
                yield from last_words(self._streams, pod, attempt_id if place.shared else "")

    def cancel(self, attempt_id: str) -> None:
        if spec := self._waiting.withdraw(attempt_id):
            self._told.append(self._report(spec, CANCELLED))
        attempt = self._book.get(attempt_id)
        if attempt and not attempt.stopping:
            if len(self._book.at(attempt.job, attempt.index)) > 1:
                self._end(attempt, CANCELLED)  # others go on in its pod; what it may yet commit harms nobody
                return
            self._stop(attempt, CANCELLED)
            self._ask()

    def close(self) -> None:
        self._streams.close()

    def _ask(self) -> None:
        """Have Jobs made of what was submitted, and taken away what is to stop; while the API server is away, it
        waits."""
        now = self._clock.monotonic()
        if now < self._try_at:
            return
        try:
            if self._waiting.can_go_on(self._pods) and now >= self._gathered_at:
                self._gathered_at = now + GATHER
                self._make_jobs()
            self._take_away()
            self._refusals = 0
        except ClusterGone:
            self._refusals += 1
            pause = backoff_seconds(self._refusals, base=0.5, cap=LONGEST_PAUSE)
            self._try_at = self._clock.monotonic() + pause

    def _make_jobs(self) -> None:
        for made in self._waiting.make(self._pods):
            if made.refusal:
                self._told += [self._refused(spec, made.refusal) for spec in made.batch.specs]
                continue
            self._enter(made.job, made.batch.shards, {spec.id for spec in made.batch.specs})
            for attempt_id in made.unwanted:
                self.cancel(attempt_id)
            if made.was_there:  # its pods may have ended while nobody knew whose they were
                self._look_at(made.job)

    def _enter(self, job: str, shards: Sequence[Sequence[AttemptSpec]], wanted: Collection[str]) -> None:
        """Take the wanted attempts of a Job into the book, if they are not in it."""
        now = self._clock.monotonic()
        for index, shard in enumerate(shards):
            for spec in shard:
                if spec.id in wanted and spec.id not in self._book:
                    self._book.add(Attempt(spec, job, index, len(shards), now, len(shard)))

    def _renew(self) -> None:
        """Give those that last younger credentials."""
        for attempt_id in self._tokens.due() if self._tokens else ():
            attempt = self._book.get(attempt_id)
            if attempt is None:
                continue
            try:
                self._jobs.renew(attempt.job, attempt.spec)
            except HilumError as error:
                log.warning("credentials not renewed", attempt=attempt_id, error=error)
                assert self._tokens is not None
                self._tokens.renew_in(attempt_id, AGAIN)

    def _take_away(self) -> None:
        """A pod of several in a Job is taken away alone, and one that is yet to be made, when it is."""
        doomed: dict[str, list[Attempt]] = {}
        for attempt in self._to_stop.values():
            if attempt.to_take_away:
                doomed.setdefault(attempt.job if attempt.companions == 1 else attempt.pod, []).append(attempt)
        for name, attempts in doomed.items():
            if attempts[0].companions == 1:
                self._jobs.delete_job(name)
            else:
                self._jobs.delete_pod(name)
            for attempt in attempts:
                attempt.taken_away = True
                del self._to_stop[attempt.spec.id]

    def _heard(self, timeout: float) -> Iterator[Event]:
        """What happened; waits for the first of it."""
        try:
            yield self._feed.events.get(timeout=timeout) if timeout else self._feed.events.get_nowait()
            while True:
                yield self._feed.events.get_nowait()
        except Empty:
            return

    def _patience(self, timeout: float) -> float:
        """Seconds until something has to be done even if nothing happens, at most ``timeout``."""
        due = self._book.soonest
        if self._waiting.can_go_on(self._pods):
            due = min(due, max(self._try_at, self._gathered_at))
        if any(attempt.to_take_away for attempt in self._to_stop.values()):
            due = min(due, self._try_at)
        return min(timeout, max(0.0, due - self._clock.monotonic()))

    def _take(self, event: Event) -> None:
        match event:
            case Progress():
                if event.attempt_id in self._book:
                    self._told.append(event)
            case Listed():
                for attempt in [each for each in self._book.values() if each.made < event.asked]:
                    if attempt.job not in event.names:
                        self._end(attempt, JOB_GONE)
            case Changed("Job"):
                self._job_changed(event.thing, gone=event.gone)
            case Changed():
                self._pod_changed(event.thing, gone=event.gone)

    def _pod_changed(self, pod: Any, *, gone: bool) -> None:
        for attempt in self._book.at(*index_of(pod)):
            attempt.pod = pod.metadata.name
            self._changed(attempt, pod, gone=gone)

    def _changed(self, attempt: Attempt, pod: Any, *, gone: bool) -> None:
        """An attempt's pod has changed."""
        shared = attempt.sharing > 1
        found = shard_over(pod, attempt.spec) if shared else ending(pod, attempt.spec)
        ended = gone or (pod.status and pod.status.phase in OVER)
        if attempt.stopping:
            if ended:
                self._end(attempt, attempt.stopping, pod)
            return
        if found or gone:
            self._end(attempt, found or POD_GONE, pod)
            return
        attempt.stands_still(blocked(pod), self._clock.monotonic())
        self._book.changed(attempt)
        container = running_container(pod)
        if container and attempt.began is None:
            attempt.began = self._clock.monotonic()
            self._book.changed(attempt)
            self._told.append(Progress(attempt.spec.id, attempt.spec.steps[0].name))
            self._listen(attempt.spec, pod.metadata.name, container)

    def _listen(self, spec: AttemptSpec, pod: str, container: str) -> None:
        if step := ImageStep.of(spec):
            pieces = partial(output, self._streams, pod, container)
            listen(step, spec.id, pieces, self._feed.events.put, self._room, self._streams.start)

    def _job_changed(self, job: Any, *, gone: bool) -> None:
        """What a Job says is over has told its end by its pod, or will in a moment: see :meth:`_miss`."""
        name = job.metadata.name
        if gone:
            for attempt in self._book.of(name):
                self._end(attempt, JOB_GONE)
        elif self._book.of(name):
            for attempt in self._book.of(name, over(job)):
                if attempt.missed is None:
                    attempt.missed = self._clock.monotonic()
                    self._book.changed(attempt)

    def _miss(self, job: str, attempts: Sequence[Attempt]) -> None:
        """Look for pods of which only their Job said that they ended; where there is none any more, it is lost."""
        try:
            self._look_at(job)
        except ClusterGone:
            for attempt in attempts:
                attempt.missed = self._clock.monotonic()
                self._book.changed(attempt)
            return
        for attempt in attempts:
            if attempt.spec.id in self._book:
                self._end(attempt, POD_GONE)

    def _look_at(self, job: str) -> None:
        """Take a Job's pods as they are now, without waiting for word of them."""
        for pod in self._jobs.pods(job):
            self._pod_changed(pod, gone=False)

    def _see_to_due(self) -> None:
        """Those that took too long or stood still for too long, and those that were not heard of."""
        missed: dict[str, list[Attempt]] = {}
        for attempt in self._book.due(self._clock.monotonic()):
            if attempt.missed is not None:
                missed.setdefault(attempt.job, []).append(attempt)
            else:
                self._stop(attempt, attempt.overdue(self._jobs, self._clock))
        for job, attempts in missed.items():
            self._miss(job, attempts)

    def _stop(self, attempt: Attempt, how: Ending) -> None:
        attempt.stopping = how
        self._to_stop[attempt.spec.id] = attempt

    def _end(self, attempt: Attempt, how: Ending, pod: Any = None) -> None:
        report = self._report(attempt.spec, attempt.stopping or how, pod)
        if attempt.sharing > 1 and how is not CANCELLED:
            report = self._own_report(attempt.spec, report)
        self._to_stop.pop(attempt.spec.id, None)
        self._book.remove(attempt, keep=report.outcome is not AttemptOutcome.SUCCEEDED)
        self._told.append(report)

    def _own_report(self, spec: AttemptSpec, otherwise: AttemptReport) -> AttemptReport:
        """What an attempt that shared its pod left of its end, which stays where it is until it is recorded."""
        try:
            own = report_of(spec)
        except (HilumError, OSError) as error:
            log.warning("report of an attempt could not be read", attempt=spec.id, error=error)
            own = None
        if own is None:
            return otherwise
        self._read.append(spec)
        return replace(own, executor=self.name, machine=otherwise.machine)

    def _refused(self, spec: AttemptSpec, error: HilumError) -> AttemptReport:
        plan, now = spec.steps[0], self._clock.now()
        result = failed(plan, now, self._clock, error)
        how = Ending(AttemptOutcome.FAILED, result.reason, result.detail, plan.name, results=(result,))
        return self._report(spec, how)

    def _report(self, spec: AttemptSpec, how: Ending, pod: Any = None) -> AttemptReport:
        started, finished = times(pod) if pod else (None, None)
        return AttemptReport(
            attempt_id=spec.id,
            outcome=how.outcome,
            results=how.results,
            failed_step=how.step,
            reason=how.reason,
            detail=how.detail,
            exit_code=how.exit_code,
            machine=pod.spec.node_name if pod else "",
            executor=self.name,
            started_at=started,
            finished_at=finished or self._clock.now(),
        )


def _tokens(settings: KubernetesSettings, broker: Broker | None, clock: Clock) -> Tokens | None:
    return Tokens(broker or Broker(), clock) if settings.credentials == DOWNSCOPED else None
