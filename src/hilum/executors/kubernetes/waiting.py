"""Attempts that were submitted and have no Job yet: how many more are taken on, and which of them become Jobs now.

A Job's name follows from its attempts, so that one whose making was interrupted can be asked for again without being
made twice. That holds while the same attempts are asked for together; so they stay together until there is an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hilum.errors import HilumError
from hilum.executors.kubernetes.jobs import ClusterGone, Jobs
from hilum.executors.kubernetes.manifests import Batch, batches, is_light
from hilum.executors.kubernetes.settings import KubernetesSettings
from hilum.model.work import AttemptSpec

MOST_ASKED_FOR = 1000
"""Light attempts that are asked for at once."""


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a batch: a Job of this name, or a refusal.

    Attributes:
        was_there: it had been made before, by us or by an engine that is gone.
        unwanted: ids of those that were cancelled meanwhile.
    """

    batch: Batch
    job: str = ""
    was_there: bool = False
    refusal: HilumError | None = None
    unwanted: frozenset[str] = frozenset()


class Waiting:
    """What has no Job yet."""

    def __init__(self, settings: KubernetesSettings, jobs: Jobs) -> None:
        self._settings = settings
        self._jobs = jobs
        self._specs: list[AttemptSpec] = []
        self._unsure: Batch | None = None
        self._unwanted: set[str] = set()
        self._offered = 0

    def offer(self, pods: int) -> int:
        """How many more attempts are taken on, where there may be so many more pods.

        Light attempts share pods, so while no others come there is room for more: at most for as many again as came,
        since the next ones may be others.
        """
        waiting, room = len(self._specs), self._room(pods)
        free = room - waiting
        if waiting and all(map(is_light, self._specs)):
            free = max(free, min(room * self._settings.sharing - waiting, waiting, MOST_ASKED_FOR))
        self._offered = max(0, free)
        return self._offered

    def submit(self, spec: AttemptSpec) -> None:
        """Take an attempt on."""
        self._specs.append(spec)
        self._offered -= 1

    def more_may_come(self, pods: int) -> bool:
        """Whether as many came as were offered, and there is room for more that could share pods with them."""
        return bool(self._specs and not self._offered and self.offer(pods))

    def withdraw(self, attempt_id: str) -> AttemptSpec | None:
        """Give up one that waits. None: it does not, or its Job may be there already; then it is told when it is
        known to be."""
        if self._unsure and attempt_id in {spec.id for spec in self._unsure.specs}:
            self._unwanted.add(attempt_id)
        found = next((spec for spec in self._specs if spec.id == attempt_id), None)
        if found:
            self._specs.remove(found)
        return found

    def can_go_on(self, pods: int) -> bool:
        """Whether there is anything to ask the cluster for."""
        return self._unsure is not None or bool(self._specs and self._room(pods))

    def make(self, pods: int) -> Iterator[Made]:
        """Have Jobs made, as far as there is room for their pods; each is told as soon as it is known.

        Raises:
            ClusterGone: of the last one it is not known what became of it. It comes first the next time.
        """
        room = self._room(pods)
        if self._unsure:
            yield self._make(self._unsure)
        for batch in batches(self._specs, self._settings, room):
            yield self._make(batch)

    def _room(self, pods: int) -> int:
        """Pods that those may have whose making has not begun."""
        return max(0, pods - (len(self._unsure.shards) if self._unsure else 0))

    def _make(self, batch: Batch) -> Made:
        ids = {spec.id for spec in batch.specs}
        self._specs = [spec for spec in self._specs if spec.id not in ids]
        self._unsure = batch
        try:
            job, was_there = self._jobs.make(batch.template, batch.specs, batch.per_pod)
        except ClusterGone:
            raise
        except HilumError as error:
            made = Made(batch, refusal=error)
        else:
            made = Made(batch, job, was_there, unwanted=frozenset(ids & self._unwanted))
        self._unsure = None
        self._unwanted -= ids
        return made
