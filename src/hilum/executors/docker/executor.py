"""Attempts in containers of a Docker engine. This file is the queue and the book of what runs; what becomes of one
attempt is told in attempt.py, and what outlives this process in home.py.

Containers go on when the engine process of ours dies, and the next one takes them over: :meth:`DockerExecutor.adopt`.
"""

from __future__ import annotations

import os
import platform
import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from hilum.executors.docker.attempt import ContainerAttempt
from hilum.executors.docker.ending import cancelled
from hilum.executors.docker.engine import connect
from hilum.executors.docker.home import ATTEMPT, HOME, Held, Home
from hilum.executors.events import Event, Events
from hilum.executors.interface import Executor, Progress
from hilum.kernel.clock import Clock, SystemClock
from hilum.kernel.logging import get_logger
from hilum.model.work import AttemptOutcome, AttemptReport, AttemptSpec

if TYPE_CHECKING:
    from docker import APIClient

CLOSING = 30.0
PIECE = 1 << 16

log = get_logger(__name__)


class DockerExecutor(Executor):
    """Runs image steps in containers of this machine's Docker engine, as many at once as there are cores.

    Args:
        work: scratch, which the engine must see under the same path; see home.py for what is kept below it.
        slots: cores to use; by default all that this process may use.
        kept_logs: how many logs of failed attempts are kept, newest first.
        host: as ``DOCKER_HOST``; empty: as the environment says.

    Raises:
        EngineGone: no engine answers.
    """

    name = "docker"
    adopts = True

    def __init__(
        self,
        work: Path,
        slots: int | None = None,
        *,
        kept_logs: int = 200,
        host: str = "",
        clock: Clock | None = None,
    ) -> None:
        self._cores = slots or len(os.sched_getaffinity(0))
        self._clock = clock or SystemClock()
        self._api: APIClient = connect(host)
        self._home = Home(work)
        self._home.forget_logs(kept_logs)
        self._queue: deque[AttemptSpec] = deque()
        self._running: dict[str, ContainerAttempt] = {}
        self._leaving: list[ContainerAttempt] = []
        self._events = Events()
        self._telling = Lock()
        self._closed = False

    def capacity(self) -> int:
        used = self._used() + sum(spec.cpu for spec in self._queue)
        return max(int(self._cores - used), 0 if used else 1)

    def submit(self, spec: AttemptSpec) -> None:
        self._queue.append(spec)
        self._start()

    def watch(self, timeout: float) -> Sequence[AttemptReport | Progress]:
        reports: list[AttemptReport] = []
        newest: dict[str, Progress] = {}
        for event in self._events.take(timeout):
            if isinstance(event, Progress):
                newest[event.attempt_id] = event
            else:
                self._leaving = [each for each in self._leaving if each.thread.is_alive()]
                if event.attempt_id in self._running:
                    self._leaving.append(self._running.pop(event.attempt_id))
                reports.append(event)
        self._start()
        return [*(each for each in newest.values() if each.attempt_id in self._running), *reports]

    def waitables(self) -> Sequence[Any]:
        return [self._events]

    def adopt(self, attempt_ids: Collection[str] = ()) -> Sequence[AttemptSpec]:
        containers = self._containers()
        if containers is None:
            return ()
        adopted = []
        for held in self._home.orphans(containers.keys()):
            container, spec = containers.get(held.attempt), held.spec()
            goes_on = container is not None and container["State"] != "created" and not held.collecting
            if container and spec and goes_on and held.attempt in attempt_ids:
                self._begin(spec, held, container["Id"])
                adopted.append(spec)
                continue
            if container:
                self._remove(container["Id"])
            held.release()
        return adopted

    def logs(self, attempt_id: str) -> Iterator[bytes]:
        running = self._running.get(attempt_id)
        if running and running.container and not self._home.log(attempt_id).exists():
            yield from running.printed()
            return
        with suppress(FileNotFoundError), self._home.log(attempt_id).open("rb") as stream:
            while piece := stream.read(PIECE):
                yield piece

    def cancel(self, attempt_id: str) -> None:
        for spec in [spec for spec in self._queue if spec.id == attempt_id]:
            self._queue.remove(spec)
            self._tell(self._not_begun(spec, AttemptOutcome.CANCELLED, cancelled().reason))
        if attempt_id in self._running:
            self._running[attempt_id].stop(cancelled())

    def close(self) -> None:
        self._queue.clear()
        for attempt in self._running.values():
            attempt.stop(cancelled())
        end = time.monotonic() + CLOSING
        for attempt in (*self._running.values(), *self._leaving):
            attempt.thread.join(max(0.0, end - time.monotonic()))
        with self._telling:
            if not self._closed:
                self._closed = True
                self._events.close()
        self._running.clear()
        self._leaving.clear()
        self._api.close()

    def _tell(self, event: Event) -> None:
        """Take an event from a thread; one that comes too late is nobody's."""
        with self._telling:
            if not self._closed:
                self._events.put(event)

    def _used(self) -> float:
        return sum(attempt.spec.cpu for attempt in self._running.values())

    def _start(self) -> None:
        """Begin waiting attempts, in order, as far as cores go; one that wants more than all gets all."""
        while self._queue:
            used = self._used()
            if used and used + self._queue[0].cpu > self._cores:
                return
            spec = self._queue.popleft()
            try:
                held = self._home.make(spec)
            except OSError:  # mostly a full disk, which may have room later
                self._tell(self._not_begun(spec, AttemptOutcome.LOST, "no-folder"))
                continue
            self._begin(spec, held)

    def _not_begun(self, spec: AttemptSpec, outcome: AttemptOutcome, reason: str) -> AttemptReport:
        """The report of an attempt that nothing was done for."""
        return AttemptReport(
            spec.id,
            outcome,
            reason=reason,
            machine=platform.node(),
            executor=self.name,
            finished_at=self._clock.now(),
        )

    def _begin(self, spec: AttemptSpec, held: Held, container: str = "") -> None:
        self._running[spec.id] = ContainerAttempt(
            self._api, self._home, held, spec, self._clock, self._tell, container
        )

    def _containers(self) -> dict[str, Mapping[str, Any]] | None:
        """This home's containers by attempt; None if the engine does not say."""
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        try:
            found = self._api.containers(all=True, filters={"label": f"{HOME}={self._home.digest}"})
        except (DockerException, RequestException) as error:
            log.warning("no docker engine to adopt attempts from", error=error)
            return None
        return {each["Labels"][ATTEMPT]: each for each in found}

    def _remove(self, container: str) -> None:
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        with suppress(DockerException, RequestException):  # who comes next tries again
            self._api.remove_container(container, v=True, force=True)
