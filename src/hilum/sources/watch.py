"""A folder that is watched: files are arrivals once they have stopped changing.

The operating system's events say where to look soon; they may be lost, so a sweep looks everywhere now and then.
A file counts when its size and modification time have stood still for a while: half-written ones wait.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

from hilum.kernel.address import local_path
from hilum.kernel.clock import Clock
from hilum.model.arrival import Arrival
from hilum.sources.folder import FolderSource
from hilum.sources.interface import Source


class WatchedFolder(Source):
    """What appears below a folder.

    Args:
        root: made if it is not there.
        still: seconds without change after which a file is complete.
        sweep: seconds between two looks at everything.
        events: use the operating system's events; without them only sweeps find files.
    """

    name = "folder"

    def __init__(
        self,
        root: Path,
        clock: Clock,
        *,
        still: float = 2.0,
        sweep: float = 60.0,
        skip: tuple[Path, ...] = (),
        events: bool = True,
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._folder = FolderSource([root], clock, skip)
        self._skip = tuple(path.absolute() for path in skip)
        self._clock = clock
        self._still = still
        self._sweep = sweep
        self._next_sweep = float("-inf")
        self._waiting: dict[str, tuple[str, int, float]] = {}
        self._heard: set[str] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(root,), daemon=True) if events else None
        if self._thread is not None:
            self._thread.start()

    def scan(self) -> Iterator[Arrival]:
        """Arrivals that are complete by now; call it again and again."""
        now = self._clock.monotonic()
        with self._lock:
            heard, self._heard = self._heard, set()
        if now >= self._next_sweep:
            self._next_sweep = now + self._sweep
            for arrival in self._folder.scan():
                yield from self._look(arrival, now)
        for path in sorted(heard):
            if os.path.isdir(path):
                self._next_sweep = now
            elif os.path.lexists(path) and not self._skipped(path):
                yield from self._look(self._folder.arrival(path), now)
        for uri, (_version, _size, since) in sorted(self._waiting.items()):
            if now - since >= self._still:
                yield from self._ripe(uri, now)

    def close(self) -> None:
        """Stop listening."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    @property
    def waiting(self) -> int:
        """How many files are not yet known to be complete."""
        return len(self._waiting)

    def _look(self, arrival: Arrival, now: float) -> Iterator[Arrival]:
        """A file was seen: a long untouched one is complete, another one has to stand still first."""
        before = self._waiting.get(arrival.uri)
        if before is not None and before[:2] == (arrival.version, arrival.size):
            return
        if before is None and self._untouched(arrival):
            yield arrival
            return
        self._waiting[arrival.uri] = (arrival.version, arrival.size, now)

    def _ripe(self, uri: str, now: float) -> Iterator[Arrival]:
        version, size, _since = self._waiting.pop(uri)
        path = local_path(uri)
        if not os.path.lexists(path):
            return
        arrival = self._folder.arrival(path)
        if (arrival.version, arrival.size) == (version, size):
            yield arrival
        else:
            self._waiting[uri] = (arrival.version, arrival.size, now)

    def _untouched(self, arrival: Arrival) -> bool:
        modified = arrival.version.partition("-")[0]
        if not modified.isdigit():
            return True
        return self._clock.now().timestamp() - int(modified) / 1e9 >= self._still

    def _skipped(self, path: str) -> bool:
        return any(Path(path).is_relative_to(skip) for skip in self._skip)

    def _listen(self, root: Path) -> None:
        from watchfiles import watch

        for changes in watch(root, stop_event=self._closing, debounce=200, step=50, recursive=True):
            with self._lock:
                self._heard.update(path for _kind, path in changes)
