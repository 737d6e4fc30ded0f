"""Reading many objects with many processes: Python reads headers on one core at a time, so each reader is a process.

A reader is told what to do with a batch and sends back what came of it; batches come back in the order in which they
went out, and only a few are ever under way, so memory does not grow with their number. A reader that dies takes
nothing along: its batch is read again object by object, and the object that kills a reader is found out.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2
"""Batches that a reader has before it, so that it never waits for the next one."""


@dataclass
class _Reader:
    """One process, and the batches that it was sent, oldest first."""

    process: subprocess.Popen[bytes]
    channel: Connection
    batches: deque[Any] = field(default_factory=deque)

    def close(self) -> None:
        self.channel.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Readers(Generic[Item, Result]):
    """Processes that do ``work`` on batches; with one worker, this process does it. A context manager.

    Args:
        work: a function of a module, from a list of items to a result; it and its arguments are pickled.
        lost: the result for one item that kills whoever reads it.
        merged: one result from several.
    """

    def __init__(
        self,
        workers: int,
        work: Callable[[Sequence[Item]], Result],
        lost: Callable[[Item], Result],
        merged: Callable[[Sequence[Result]], Result],
    ) -> None:
        self._workers, self._work, self._lost, self._merged = workers, work, lost, merged
        self._readers: list[_Reader] = []

    def __enter__(self) -> Readers[Item, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers:
            reader.close()
        self._readers.clear()

    def map(self, batches: Iterable[list[Item]]) -> Iterator[tuple[list[Item], Result]]:
        """Each batch with its result. Processes are started once there is a second batch."""
        if self._workers < 2:
            for batch in batches:
                yield batch, self._work(batch)
            return
        waiting: deque[tuple[_Reader, list[Item]]] = deque()
        first: list[Item] | None = None
        for batch in batches:
            if first is None and not self._readers:
                first = batch
                continue
            for each in [batch] if first is None else [first, batch]:
                while len(waiting) >= AHEAD * self._workers:
                    yield self._received(waiting)
                waiting.append(self._sent(each))
            first = None
        if first is not None:
            yield first, self._work(first)
        while waiting:
            yield self._received(waiting)

    def _sent(self, batch: list[Item]) -> tuple[_Reader, list[Item]]:
        if len(self._readers) < self._workers:
            self._readers.append(self._started())
        reader = min(self._readers, key=lambda each: len(each.batches))
        reader.batches.append(batch)
        self._send(reader, batch)
        return reader, batch

    def _send(self, reader: _Reader, batch: Sequence[Item]) -> None:
        try:
            reader.channel.send((self._work, batch))
        except OSError:  # it died; whoever waits for it will see
            return

    def _received(self, waiting: deque[tuple[_Reader, list[Item]]]) -> tuple[list[Item], Result]:
        reader, batch = waiting.popleft()
        try:
            result = reader.channel.recv()
            reader.batches.popleft()
        except (EOFError, OSError):
            result = self._survived(reader, batch)
        if isinstance(result, BaseException):
            raise result
        return batch, result

    def _survived(self, reader: _Reader, batch: list[Item]) -> Any:
        """A reader died over a batch: another takes its place, and the batch is read one by one."""
        reader.batches.popleft()
        self._replace(reader)
        results = []
        for item in batch:
            self._send(reader, [item])
            try:
                results.append(reader.channel.recv())
            except (EOFError, OSError):
                results.append(self._lost(item))
                self._replace(reader)
        for later in reader.batches:
            self._send(reader, later)
        return self._merged(results)

    def _replace(self, reader: _Reader) -> None:
        reader.close()
        fresh = self._started()
        reader.process, reader.channel = fresh.process, fresh.channel

    def _started(self) -> _Reader:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "hilum.engine.readers", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        return _Reader(process, Connection(ours.detach()))


def main() -> None:
    """Do what comes through the channel whose number is the first argument, until it is closed."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)  # whoever started us drains; its going away is what ends us
    channel = Connection(int(sys.argv[1]))
    came: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(channel, came), daemon=True).start()
    while (told := came.get()) is not None:
        work, batch = told
        try:
            result: Any = work(batch)
        except Exception as error:
            result = error if _can_travel(error) else RuntimeError(type(error).__name__)
        try:
            channel.send(result)
        except OSError:
            return


def _listen(channel: Connection, came: queue.SimpleQueue[Any]) -> None:
    """Take in what comes while a batch is being read, so that never both sides wait for the other to read."""
    try:
        while True:
            came.put(channel.recv())
    except (EOFError, OSError):
        came.put(None)


def _can_travel(error: Exception) -> bool:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return False
    return True


def default_workers() -> int:
    """As many as there are cores to run on, up to 8: then disks are the limit."""
    return min(len(os.sched_getaffinity(0)), 8)


if __name__ == "__main__":
    main()
