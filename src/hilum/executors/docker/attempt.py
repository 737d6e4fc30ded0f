"""One attempt in a container, from staging to its report, told in order in a thread of its own: most of its life it
waits for the engine to say that the container ended, so hundreds of them cost little, and none holds up another.
"""

from __future__ import annotations

import io
import math
import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hilum.executors.docker.container import configuration, open_folders, user_of
from hilum.executors.docker.ending import Ended, gone, removed, too_late, verdict
from hilum.executors.docker.engine import start_error
from hilum.executors.docker.home import Held, Home
from hilum.executors.docker.images import runnable
from hilum.executors.interface import Progress
from hilum.executors.listening import listen
from hilum.executors.staged import ImageStep, collect, failed, stage
from hilum.kernel.clock import Clock
from hilum.model.work import AttemptOutcome, AttemptReport, AttemptSpec, TaskResult, TaskState
from hilum.storage import open_storage

if TYPE_CHECKING:
    from docker import APIClient

FINE = (TaskState.SUCCEEDED, TaskState.SKIPPED)
PATIENCE = 30.0
"""Seconds for an engine that went away to come back, and for a killed container to end."""
LONGEST_LOG = 1 << 20
LAST_LINES = 4096
"""Of at most 16 KiB each, which is where the engine cuts them."""
NOBODYS = (AttemptOutcome.SUCCEEDED, AttemptOutcome.CANCELLED, AttemptOutcome.LOST)
"""Outcomes that no step bears."""


@dataclass
class ContainerAttempt:
    """An attempt that is at work.

    Args:
        held: its folder.
        tell: takes progress and, last, the report.
        container: its id, where one runs or ended already.
    """

    api: APIClient
    home: Home
    held: Held
    spec: AttemptSpec
    clock: Clock
    tell: Callable[[AttemptReport | Progress], None]
    container: str = ""
    started: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock.now()
        step = ImageStep.of(self.spec)
        assert step is not None
        self._step = step
        self._stopping: Ended | None = None
        self._adopted = bool(self.container)
        self._interrupted = False
        self._trace = io.StringIO()
        self._starting = threading.Lock()
        self._over = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"docker {self.spec.id}", daemon=True)
        self.thread.start()

    def stop(self, ended: Ended) -> None:
        """End it with this outcome, unless it is ending already; returns before it has."""
        threading.Thread(target=self._stop, args=(ended,), daemon=True).start()

    def printed(self) -> Iterator[bytes]:
        """What the container has printed so far, as far as the engine says."""
        with suppress(Exception):  # as in _ask
            yield from self.api.logs(self.container, stream=True, follow=False)

    def _stop(self, ended: Ended) -> None:
        with self._starting:
            self._stopping = self._stopping or ended
            self._over.set()
            if self.container:
                self._ask(lambda: self.api.kill(self.container))

    def _run(self) -> None:
        try:
            report = self._report_of(self._attempt())
        except Ended as ended:
            report = self._report(ended)
        except Exception as error:  # whatever it is, a report is owed
            report = self._report_of(failed(self._step.plan, self.started, self.clock, error, self._trace))
        if report.outcome is not AttemptOutcome.SUCCEEDED:
            self._keep_log()
        self.tell(report)
        if self.container:
            self._ask(lambda: self.api.remove_container(self.container, v=True, force=True))
        self.held.release()

    def _attempt(self) -> TaskResult:
        """Raises Ended."""
        storage, folder = open_storage(self.spec.store), self.held.folder
        if not self.container:
            known = stage(self.spec, storage, folder, self.clock, self._trace)
            if known is not None:
                return known
            self._start()
        self.tell(Progress(self.spec.id, self._step.plan.name))
        listen(self._step, self.spec.id, self._output, self.tell)
        state = self._wait()
        ended = self._stopping or verdict(state, self.spec.memory, interrupted=self._interrupted)
        if ended:
            raise ended
        self.held.begin_collecting()
        return collect(self.spec, storage, folder, platform.node(), self.clock, self._trace)

    def _output(self) -> Iterator[bytes]:
        pieces: Iterator[bytes] = self.api.logs(
            self.container, stdout=True, stderr=False, stream=True, follow=True
        )
        return pieces

    def _start(self) -> None:
        from docker.errors import APIError
        from requests.exceptions import RequestException

        open_folders(self.held.folder, self._step.invocation(), user_of(self._step.image.security))
        try:
            body = configuration(
                self.spec,
                self._step,
                runnable(self.api, self._step.image),
                self.held.folder,
                self.home.labels(self.spec),
            )
            with self._starting:
                if self._stopping:
                    raise self._stopping
                name = self.home.name(self.spec.id)
                made = self.api.create_container_from_config(body, name)  # type: ignore[no-untyped-call]
                self.container = made["Id"]
                self.api.start(self.container)
        except APIError as error:
            raise start_error(error) from None
        except RequestException:
            raise gone() from None

    def _wait(self) -> dict[str, Any]:
        """The container's state when it has ended."""
        from docker.errors import APIError, NotFound
        from requests.exceptions import RequestException

        deadline = math.inf if self._adopted else time.monotonic() + self.spec.timeout
        while True:
            try:
                if deadline == math.inf:
                    deadline = time.monotonic() + self._left()
                left = max(deadline - time.monotonic(), 0.001)
                self.api.wait(self.container, timeout=left)  # type: ignore[arg-type]  # takes fractions, too
                state: dict[str, Any] = self.api.inspect_container(self.container)["State"]
                return state
            except NotFound:
                raise self._stopping or removed() from None
            except APIError:
                raise self._stopping or gone() from None
            except RequestException:
                if time.monotonic() < deadline:
                    self._interrupted = True
                    self._await_engine()
                elif self._stopping:
                    raise self._stopping from None
                else:
                    self._stop(too_late(self.spec.timeout))
                    deadline = time.monotonic() + PATIENCE

    def _left(self) -> float:
        """Seconds that are left to a container that was adopted; by Docker's own clock, because ours may differ."""
        state = self.api.inspect_container(self.container)["State"]
        if not state["Running"]:
            return PATIENCE
        ran = _time(self.api.info()["SystemTime"]) - _time(state["StartedAt"])
        return self.spec.timeout - max(ran.total_seconds(), 0.0)

    def _await_engine(self) -> None:
        """Come back when the engine answers; Ended if it does not for long."""
        end, pause = time.monotonic() + PATIENCE, 0.1
        while time.monotonic() < end:
            if self._ask(self.api.ping):
                return
            self._over.wait(pause)
            if self._stopping:
                raise self._stopping
            pause = min(pause * 2, 2.0)
        raise gone()

    def _report_of(self, result: TaskResult) -> AttemptReport:
        outcome = AttemptOutcome.SUCCEEDED if result.state in FINE else AttemptOutcome.FAILED
        return replace(self._report(Ended(outcome, result.reason, result.detail)), results=(result,))

    def _report(self, ended: Ended) -> AttemptReport:
        return AttemptReport(
            attempt_id=self.spec.id,
            outcome=ended.outcome,
            failed_step="" if ended.outcome in NOBODYS else self._step.plan.name,
            reason=ended.reason,
            detail=ended.detail,
            exit_code=ended.exit_code,
            machine=platform.node(),
            executor="docker",
            started_at=self.started,
            finished_at=self.clock.now(),
        )

    def _keep_log(self) -> None:
        """What was printed may hold patient data: its end is kept, in the home alone, to explain a failure."""
        kept = (self.container and self._ask(self._last_printed)) or b""
        kept += self._trace.getvalue().encode()
        with suppress(OSError):
            if kept:
                handle = os.open(self.home.log(self.spec.id), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with os.fdopen(handle, "wb") as stream:
                    stream.write(kept[-LONGEST_LOG:])

    def _last_printed(self) -> bytes:
        last: deque[bytes] = deque()
        size = 0
        for piece in self.api.logs(self.container, stream=True, follow=False, tail=LAST_LINES):
            last.append(piece)
            size += len(piece)
            while size - len(last[0]) >= LONGEST_LOG:
                size -= len(last.popleft())
        return b"".join(last)

    def _ask(self, what: Callable[[], Any]) -> Any:
        """Something of the engine that may be refused or go unheard; None then."""
        with suppress(Exception):  # the library lets through those of requests, urllib3 and struct
            return what()
        return None


def _time(text: str) -> datetime:
    """Docker's time stamps, which have nanoseconds, to the second."""
    return datetime.fromisoformat(f"{text[:19]}+00:00")
