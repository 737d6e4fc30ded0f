"""A queue of events from threads that can be waited for together with others of its kind, as files can."""

from __future__ import annotations

import os
from collections.abc import Sequence
from multiprocessing.connection import wait
from queue import Empty, SimpleQueue

from hilum.executors.interface import Progress
from hilum.model.work import AttemptReport

Event = AttemptReport | Progress


class Events:
    """What threads tell an executor."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Event] = SimpleQueue()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """Readable while there is something."""
        return self._bell

    def put(self, event: Event) -> None:
        """Tell something; from any thread."""
        self._queue.put(event)
        os.eventfd_write(self._bell, 1)

    def take(self, timeout: float) -> Sequence[Event]:
        """All that was told, waiting up to ``timeout`` seconds for the first."""
        if wait([self._bell], timeout):
            os.eventfd_read(self._bell)
        found: list[Event] = []
        try:
            while True:
                found.append(self._queue.get_nowait())
        except Empty:
            return found

    def close(self) -> None:
        """Give the file descriptor back; nobody may put any more."""
        os.close(self._bell)
