"""Reading many objects with many processes: Python reads headers on one core at a time, so each reader is a process.

A reader is told what to do with a batch and sends back what came of it; batches come back in the order in which they
went out, and only a few are ever under way, so memory does not grow with their number. A reader that dies takes
nothing along: its batch is read again object by object, and the object that kills a reader is found out.

Readers come out of a zygote, a process that has imported what they need and forks: it has no threads, which whoever
asks for readers may have. So imports are paid for once, and their memory is shared.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

from hilum.errors import TransientError

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 2
"""Batches that a reader has before it, so that it never waits for the next one."""
BORN = b"born"
"""The first word of a reader: until then it may never have come to be, since whoever was to fork it died."""
BIRTHS = 5
"""Readers in a row that may fail to come to be."""
GRACE = 5.0
"""Seconds that a reader has to end after its channel was closed."""


class _Zygote:
    """The process that readers come from.

    Args:
        modules: names of what it imports beforehand.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._asking, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hilum.engine.readers", str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # or numpy starts threads that nobody needs
            )

    def channel(self) -> Connection:
        """The channel of a new reader; OSError if the zygote is gone."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            socket.send_fds(self._asking, [b"+"], [theirs.fileno()])
            return Connection(ours.detach())

    def close(self) -> None:
        """Wait until its readers have ended, and end it."""
        self._asking.close()
        try:
            self._process.wait(timeout=2 * GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass
class _Reader:
    """One process's channel, whether it has said its first word, and the batches that it was sent, oldest first."""

    channel: Connection
    batches: deque[Any] = field(default_factory=deque)
    born: bool = False

    def result(self) -> Any:
        """What became of the oldest batch; EOFError or OSError if the process died."""
        if not self.born:
            self.born = self.channel.recv() == BORN
        return self.channel.recv()


class Readers(Generic[Item, Result]):
    """Processes that do ``work`` on batches; with one worker, this process does it. A context manager.

    Args:
        work: a function of a module, from a list of items to a result; it and its arguments are pickled.
        lost: the result for one item that kills whoever reads it.
        merged: one result from several.
        modules: names of those that ``work`` needs.
    """

    def __init__(
        self,
        workers: int,
        work: Callable[[Sequence[Item]], Result],
        lost: Callable[[Item], Result],
        merged: Callable[[Sequence[Result]], Result],
        modules: Sequence[str] = (),
    ) -> None:
        self._workers, self._work, self._lost, self._merged = workers, work, lost, merged
        self._modules = modules
        self._zygote: _Zygote | None = None
        self._readers: list[_Reader] = []

    def __enter__(self) -> Readers[Item, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        for reader in self._readers:
            reader.channel.close()
        self._readers.clear()
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None

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
            self._readers.append(_Reader(self._channel()))
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
            result = reader.result()
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
        results = [self._read_alone(reader, item) for item in batch]
        for later in reader.batches:
            self._send(reader, later)
        return self._merged(results)

    def _read_alone(self, reader: _Reader, item: Item) -> Any:
        """An item is to blame for the death of whoever was reading it, and not for that of one who was never born."""
        for _ in range(BIRTHS):
            self._send(reader, [item])
            try:
                return reader.result()
            except (EOFError, OSError):
                born = reader.born
                self._replace(reader)
                if born:
                    return self._lost(item)
        raise TransientError("no process can be started to read objects", reason="no-readers")

    def _replace(self, reader: _Reader) -> None:
        reader.channel.close()
        reader.channel, reader.born = self._channel(), False

    def _channel(self) -> Connection:
        """The channel of a new reader, should the zygote be gone from another one."""
        if self._zygote is not None:
            try:
                return self._zygote.channel()
            except OSError:
                self._zygote.close()
        self._zygote = _Zygote(self._modules)
        return self._zygote.channel()


def main() -> None:
    """Be a zygote: the arguments are the number of the socket that asks for readers, and modules' names."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)  # whoever started us drains; its going away is what ends us
    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.freeze()  # so that collecting garbage does not touch, and copy, what is shared
    readers: list[int] = []
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        while (told := socket.recv_fds(asked, 1, 1))[0]:
            [channel] = told[1]
            if (reader := os.fork()) == 0:
                asked.close()
                try:
                    _read(Connection(channel))
                finally:
                    os._exit(0)
            os.close(channel)
            readers = [each for each in [*readers, reader] if not _ended(each)]
    until = time.monotonic() + GRACE
    while readers := [each for each in readers if not _ended(each)]:
        if time.monotonic() > until:
            for each in readers:
                os.kill(each, signal.SIGKILL)
        time.sleep(0.005)


def _ended(process: int) -> bool:
    return os.waitpid(process, os.WNOHANG)[0] != 0


def _read(channel: Connection) -> None:
    """Do what comes through the channel until it is closed."""
    channel.send(BORN)
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
