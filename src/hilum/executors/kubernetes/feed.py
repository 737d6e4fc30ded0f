"""The watch on the cluster: Jobs and pods of one home, each followed by a thread that puts what it hears in a queue.

Every interruption (the API server restarted, a version too old to go on from, a connection that went silent) ends
the same way: everything is listed anew and the watch goes on from there. A Job that such a list does not name is
gone; a pod that is gone shows in its Job.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from hilum.executors.interface import Progress
from hilum.executors.kubernetes.manifests import HOME
from hilum.executors.kubernetes.streams import Streams
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.kernel.retry import backoff_seconds

if TYPE_CHECKING:
    from lightkube import Client

LONGEST_PAUSE = 15.0
PAGE = 500
"""Objects that are asked for at once: ten thousand pods, most of which have ended, are 140 MB of JSON."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Changed:
    """A Job or pod is as it is now; ``gone``: and that was its last state."""

    kind: str
    thing: Any
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """All Jobs that there are, by name; ``asked``: when that was asked, on the clock that never goes back."""

    names: frozenset[str]
    asked: float


Event = Changed | Listed | Progress


class Feed:
    """Follows a home's Jobs and pods from the moment it is made until its streams are closed.

    Attributes:
        events: what was heard. Whoever listens to a step puts its progress here, too.
    """

    def __init__(self, client: Client, streams: Streams, home: str, clock: Clock) -> None:
        from hilum.executors.kubernetes.seen import SeenJob, SeenPod

        self.events: SimpleQueue[Event] = SimpleQueue()
        self._client = client
        self._streams = streams
        self._labels: dict[str, Any] = {HOME: home}
        self._clock = clock
        for kind, resource in (("Job", SeenJob), ("Pod", SeenPod)):
            name = f"kubernetes {kind}"
            thread = threading.Thread(target=self._follow, args=(kind, resource), name=name, daemon=True)
            streams.start(thread)

    def _follow(self, kind: str, resource: Any) -> None:
        failures, closed = 0, self._streams.closed
        while not closed.is_set():
            try:
                version = self._list(kind, resource)
                failures = 0
                for what, thing in self._streams.watch(resource, self._labels, version):
                    self.events.put(Changed(kind, thing, gone=what == "DELETED"))
            except Exception as error:  # whatever it is, the answer is to list anew
                if closed.is_set():
                    return
                failures += 1
                log.warning("watch on the cluster interrupted", error=error)
                closed.wait(backoff_seconds(failures, base=0.2, cap=LONGEST_PAUSE))

    def _list(self, kind: str, resource: Any) -> str:
        """Tell of everything that there is; the version that it was so in."""
        asked, names = self._clock.monotonic(), set[str]()
        listed = self._client.list(resource, labels=self._labels, chunk_size=PAGE)
        for thing in listed:
            names.add(thing.metadata.name)
            self.events.put(Changed(kind, thing))
        if kind == "Job":
            self.events.put(Listed(frozenset(names), asked))
        return listed.resourceVersion
