"""Credentials of one attempt, which its own containers get and its step does not: see docs/adr/0012.

    instances and revision     read
    results of needed steps    read
    its own result             create the manifest; read it; write files below the attempt's own folder

They are in a Secret of the attempt's Job that ``stage`` and ``collect`` mount. The engine renews it while the attempt
lasts, since Google's tokens live for an hour at most.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from datetime import timedelta

from hilum.executors.staged import ImageStep
from hilum.executors.tasks import Tasks
from hilum.kernel.address import archive_of, bucket_object, is_in_bucket
from hilum.kernel.clock import Clock
from hilum.model.keys import manifest_object, revision_object
from hilum.model.work import AttemptSpec
from hilum.storage import Storage, open_storage
from hilum.storage.gcs.credentials import CREATE, READ, WRITE, Broker, Rule, Token
from hilum.storage.gcs.location import GcsLocation

EARLY = timedelta(minutes=10)
"""Before it runs out a token is renewed: a kubelet takes up to two minutes to bring a changed Secret into a pod."""
AGAIN = timedelta(minutes=1)
"""Until it is tried again, where no younger token could be had: metadata servers keep one until it is nearly old."""


class Tokens:
    """Makes the tokens of attempts, and knows when they are to be renewed."""

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._broker = broker
        self._clock = clock
        self._due: list[tuple[float, str]] = []
        self._newest: dict[str, float] = {}

    def mint(self, spec: AttemptSpec) -> Token:
        """A token for what this attempt reads and writes.

        Raises:
            HilumError: its rules cannot be known, or Google gives none.
        """
        token = self._broker.mint(rules(spec, open_storage(spec.store), self._clock))
        left = token.expires - EARLY - self._clock.now()
        self.renew_in(spec.id, max(left, AGAIN))
        return token

    def renew_in(self, attempt_id: str, wait: timedelta) -> None:
        """An attempt's token is due after this time, and no more when it was due before: it may be a second one,
        since making a Job is tried again where an answer was lost."""
        when = self._newest[attempt_id] = self._clock.monotonic() + wait.total_seconds()
        heapq.heappush(self._due, (when, attempt_id))

    def due(self) -> Iterator[str]:
        """The attempts whose tokens are to be renewed now, each named once."""
        now = self._clock.monotonic()
        while self._due and self._due[0][0] <= now:
            when, attempt_id = heapq.heappop(self._due)
            if self._newest.get(attempt_id) == when:
                del self._newest[attempt_id]
                yield attempt_id


def rules(spec: AttemptSpec, storage: Storage, clock: Clock) -> list[Rule]:
    """What an attempt may do with which objects.

    A Python step's key follows from what the steps before it in the same attempt make, so such an attempt may write
    below ``tasks/`` as a whole; its steps run in the container that holds the token anyway.
    """
    found = _of_the_store(spec, storage, clock) if is_in_bucket(spec.store) else []
    read: dict[str, set[str]] = {}
    for line in storage.read(revision_object(spec.revision)).splitlines():
        uri = str(json.loads(line)["uri"])
        if is_in_bucket(uri):
            bucket, name = bucket_object(archive_of(uri) or uri)
            read.setdefault(bucket, set()).add(name)
    return found + [Rule(bucket, READ, names=tuple(sorted(names))) for bucket, names in sorted(read.items())]


def _of_the_store(spec: AttemptSpec, storage: Storage, clock: Clock) -> list[Rule]:
    place = GcsLocation.of(spec.store)
    revision = place.prefix + revision_object(spec.revision)
    needed = {place.prefix + _folder(key) for key in spec.done.values() if key}
    step = ImageStep.of(spec)
    if step is None:
        tasks = f"{place.prefix}tasks/"
        return [
            Rule(place.bucket, READ, names=(revision,)),
            Rule(place.bucket, WRITE, prefixes=(tasks,)),
        ]
    if any(spec.done.get(need) is None for need in step.plan.needs):  # it is not going to run
        return [Rule(place.bucket, READ, names=(revision,), prefixes=tuple(sorted(needed)))]
    key = Tasks(spec, storage, clock).key(step.plan)
    own = place.prefix + _folder(key)
    return [
        Rule(place.bucket, READ, names=(revision,), prefixes=tuple(sorted(needed | {own}))),
        Rule(place.bucket, CREATE, names=(place.prefix + manifest_object(key),)),
        Rule(place.bucket, WRITE, prefixes=(f"{own}{spec.id}/",)),
    ]


def _folder(key: str) -> str:
    """The folder of a task's objects."""
    return manifest_object(key).removesuffix("manifest.json")
