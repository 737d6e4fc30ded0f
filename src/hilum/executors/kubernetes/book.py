"""The attempts that an executor has on the cluster, found by their ids and by their places: Job and index."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from hilum.errors import StepError, TransientError
from hilum.executors.kubernetes.endings import Blocked, Ending
from hilum.executors.kubernetes.jobs import Jobs
from hilum.executors.kubernetes.settings import KubernetesSettings
from hilum.executors.staged import failed
from hilum.kernel.clock import Clock
from hilum.model.work import AttemptOutcome, AttemptSpec

REMEMBERED = 10_000
"""Attempts that ended ill whose places are still known, for their logs."""
UNHEARD = 3.0
"""Seconds within which a pod's end is heard of after its Job's word of it; they come by different watches."""


@dataclass(frozen=True, slots=True)
class Place:
    """A pod, and whether it has or had more than one attempt."""

    job: str
    index: int
    shared: bool


@dataclass
class Attempt:
    """An attempt as the book has it.

    Attributes:
        index: of its pod.
        companions: how many pods its Job has. sharing: how many attempts its pod has.
        made: when its Job was made or found, on the clock that never goes back.
        since: when it came to stand still; at first it has no pod.
        began: when its step was first seen at work.
        missed: when its Job said that it had ended, where its pod had not.
        stopping: it is to be taken away, and this will be its end. taken_away: the cluster was asked to.
    """

    spec: AttemptSpec
    job: str
    index: int
    companions: int
    made: float
    sharing: int = 1
    since: float = field(init=False)
    pod: str = ""
    began: float | None = None
    missed: float | None = None
    blocked: Blocked | None = None
    stopping: Ending | None = None
    taken_away: bool = False

    def __post_init__(self) -> None:
        self.since = self.made

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(self.job, self.index, self.sharing > 1)

    @property
    def to_take_away(self) -> bool:
        """Whether the cluster has to be asked to end it, and can be."""
        return self.stopping is not None and not self.taken_away and bool(self.pod or self.companions == 1)

    def stands_still(self, blocked: Blocked | None, now: float) -> None:
        """Take note of why its pod does not go on, if it does not."""
        if (self.blocked and self.blocked.reason) != (blocked and blocked.reason):
            self.since = now
        self.blocked = blocked

    def due(self, settings: KubernetesSettings) -> float:
        """When it has taken too long, stood still for too long, or should have been heard of."""
        if self.missed is not None:
            return self.missed + UNHEARD
        if self.stopping:
            return math.inf
        if self.began is not None:
            return self.began + self.spec.timeout * self.sharing
        if self.blocked:
            if self.blocked.hopeless:
                return self.since
            return self.since + (settings.pending if self.blocked.pending else settings.blocked)
        if not self.pod and not settings.queue:
            return self.since + settings.pending
        return math.inf

    def overdue(self, jobs: Jobs, clock: Clock) -> Ending:
        """How it ends when it is :meth:`due`."""
        plan, now = self.spec.steps[0], clock.now()
        if self.began is not None:
            return too_late(self.spec, plan.name)
        if self.blocked and self.blocked.hopeless:
            result = failed(plan, now, clock, StepError(self.blocked.detail, reason=self.blocked.reason))
        elif self.blocked:
            error = TransientError(self.blocked.detail, reason=self.blocked.reason)
            result = failed(plan, now, clock, error)
        else:
            said = jobs.why_no_pod(self.job) or "the cluster made no pod for it"
            result = failed(plan, now, clock, TransientError(said, reason="pod-refused"))
        return Ending(AttemptOutcome.FAILED, result.reason, result.detail, plan.name, results=(result,))


def too_late(spec: AttemptSpec, step: str) -> Ending:
    """Its time was up."""
    return Ending(AttemptOutcome.TIMEOUT, "timeout", f"took longer than {spec.timeout:g} s", step)


class Book(dict[str, Attempt]):
    """Attempts under way, by id.

    A thousand of them change many times a second, so nothing here looks at all of them for a change of one.

    Attributes:
        soonest: when the first of them may be due; never too late.
    """

    def __init__(self, settings: KubernetesSettings) -> None:
        super().__init__()
        self._settings = settings
        self.soonest = math.inf
        self._jobs: dict[str, dict[int, list[Attempt]]] = {}
        self._ended: OrderedDict[str, Place] = OrderedDict()

    def add(self, attempt: Attempt) -> None:
        """Take an attempt into the book."""
        self[attempt.spec.id] = attempt
        self._jobs.setdefault(attempt.job, {}).setdefault(attempt.index, []).append(attempt)
        self.changed(attempt)

    @property
    def pods(self) -> int:
        """How many pods these attempts have, or will."""
        return sum(map(len, self._jobs.values()))

    def changed(self, attempt: Attempt) -> None:
        """Take note that it may be due at another time than before."""
        self.soonest = min(self.soonest, attempt.due(self._settings))

    def due(self, now: float) -> list[Attempt]:
        """Those that are due."""
        if now < self.soonest:
            return []
        times = [(attempt.due(self._settings), attempt) for attempt in self.values()]
        self.soonest = min((due for due, _ in times if due > now), default=math.inf)
        return [attempt for due, attempt in times if due <= now]

    def remove(self, attempt: Attempt, *, keep: bool) -> None:
        """It has ended; ``keep``: its place is still asked for."""
        del self[attempt.spec.id]
        pods = self._jobs[attempt.job]
        pods[attempt.index].remove(attempt)
        if not pods[attempt.index]:
            del pods[attempt.index]
        if not pods:
            del self._jobs[attempt.job]
        if keep:
            self._ended[attempt.spec.id] = attempt.place
            while len(self._ended) > REMEMBERED:
                self._ended.popitem(last=False)

    def at(self, job: str, index: int) -> list[Attempt]:
        """The attempts of a pod."""
        return list(self._jobs.get(job, {}).get(index, ()))

    def of(self, job: str, indexes: Iterable[int] | None = None) -> list[Attempt]:
        """The attempts of a Job that are under way; of its pods with these indexes."""
        pods = self._jobs.get(job, {})
        return [
            attempt for index in (pods if indexes is None else indexes) for attempt in pods.get(index, ())
        ]

    def place(self, attempt_id: str) -> Place | None:
        """Where an attempt is or was; None if that is not known."""
        return self[attempt_id].place if attempt_id in self else self._ended.get(attempt_id)
