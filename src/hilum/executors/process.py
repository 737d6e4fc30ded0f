"""Attempts in local processes. What runs them is four processes deep, each there for one reason:

engine -> zygote (loaded once) -> slot (witness of one attempt at a time) -> worker (runs the steps, disposable).

This file is the engine's side: it starts the zygote at the first attempt, gives work to free slots, and waits on
their channels. When this process ends, however it ends, the channels end, and everything below follows.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

from hilum.errors import TerminalError
from hilum.executors.interface import Executor, Progress
from hilum.executors.limits import THREADS
from hilum.kernel.clock import Clock, SystemClock
from hilum.model.codec import from_json, to_json
from hilum.model.work import AttemptOutcome, AttemptReport, AttemptSpec

CLOSING = 10.0
PIECE = 1 << 16
STILLBORN = 3
"""Zygotes in a row that may die before any attempt was heard of; then something is wrong with this machine."""


@dataclass
class _Slot:
    """A slot as the engine knows it: its channel, and the attempt that it has."""

    channel: Connection
    spec: AttemptSpec | None = None
    started: datetime | None = None


@dataclass
class _Zygote:
    process: subprocess.Popen[bytes]
    control: socket.socket
    slots: list[_Slot] = field(default_factory=list)
    proved: bool = False


class ProcessExecutor(Executor):
    """Runs attempts in processes of this machine, as many at once as it has cores.

    Limits time and memory, confines writing to the attempt's folder where the kernel can (see
    :func:`hilum.executors.sandbox.abi`); restricts neither reading nor the network.

    Args:
        work: scratch; a folder of its own below it, removed at the end. What failed attempts printed stays in
            ``work/logs/<attempt>.log``; it may hold patient data.
        slots: cores to use; by default all that this process may use.
        kept_logs: how many of those logs are kept, newest first.
    """

    name = "process"

    def __init__(
        self, work: Path, slots: int | None = None, *, kept_logs: int = 200, clock: Clock | None = None
    ) -> None:
        self._cores = slots or len(os.sched_getaffinity(0))
        self._clock = clock or SystemClock()
        self._logs = work.absolute() / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)
        _forget_logs(self._logs, kept_logs)
        self._folder, self._lock = _claim(work.absolute())
        self._zygote: _Zygote | None = None
        self._queue: deque[AttemptSpec] = deque()
        self._events: list[AttemptReport | Progress] = []
        self._stillborn = 0

    def capacity(self) -> int:
        used = sum(spec.cpu for spec in (*self._running(), *self._queue))
        return max(int(self._cores - used), 0 if used else 1)

    def submit(self, spec: AttemptSpec) -> None:
        self._queue.append(spec)
        self._start()

    def watch(self, timeout: float) -> Sequence[AttemptReport | Progress]:
        zygote = self._zygote
        slots = {slot.channel: slot for slot in zygote.slots} if zygote else {}
        ready = wait(self.waitables(), 0 if self._events else timeout)
        for channel in ready:
            if zygote and isinstance(channel, Connection):
                self._receive(zygote, slots[channel])
        if zygote and zygote.control in ready:
            self._zygote_died(zygote)
        self._start()
        events, self._events = self._events, []
        return events

    def waitables(self) -> Sequence[Any]:
        zygote = self._zygote
        return [*(slot.channel for slot in zygote.slots), zygote.control] if zygote else []

    def logs(self, attempt_id: str) -> Iterator[bytes]:
        with suppress(FileNotFoundError), (self._logs / f"{attempt_id}.log").open("rb") as stream:
            yield from iter(partial(stream.read, PIECE), b"")

    def cancel(self, attempt_id: str) -> None:
        for spec in [spec for spec in self._queue if spec.id == attempt_id]:
            self._queue.remove(spec)
            self._report(spec, AttemptOutcome.CANCELLED, "cancelled", None)
        for slot in self._zygote.slots if self._zygote else []:
            if slot.spec and slot.spec.id == attempt_id:
                self._send(slot, {"cancel": attempt_id})

    def close(self) -> None:
        self._queue.clear()
        self._events.clear()
        if self._zygote:
            self._end(self._zygote)
            self._zygote = None
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
            # what a killed engine's workers still wrote to when this one began
            with suppress(OSError), _guarded(self._folder.parent):
                _reap(self._folder.parent)

    def _running(self) -> list[AttemptSpec]:
        return [slot.spec for slot in self._zygote.slots if slot.spec] if self._zygote else []

    def _start(self) -> None:
        """Give waiting attempts to slots, in order, as far as cores go; one that wants more than all gets all."""
        while self._queue:
            used = sum(spec.cpu for spec in self._running())
            if used and used + self._queue[0].cpu > self._cores:
                return
            self._zygote = self._zygote or _begin()
            slot = next((slot for slot in self._zygote.slots if not slot.spec), None) or _add(self._zygote)
            slot.spec, slot.started = self._queue.popleft(), self._clock.now()
            self._send(
                slot,
                {
                    "spec": to_json(slot.spec),
                    "folder": str(self._folder / slot.spec.id),
                    "log": str(self._logs / f"{slot.spec.id}.log"),
                },
            )

    def _send(self, slot: _Slot, message: dict[str, Any]) -> None:
        with suppress(OSError):  # a slot that is gone is found by watch
            slot.channel.send_bytes(json.dumps(message).encode())

    def _receive(self, zygote: _Zygote, slot: _Slot) -> None:
        """Take what a slot says; a slot that is gone loses its attempt."""
        try:
            while slot.channel.poll():
                message = json.loads(slot.channel.recv_bytes())
                zygote.proved = True
                if "progress" in message:
                    self._events.append(Progress(*message["progress"]))
                else:
                    self._events.append(from_json(AttemptReport, message["report"]))
                    slot.spec = None
        except (EOFError, OSError):
            zygote.slots.remove(slot)
            slot.channel.close()
            if slot.spec:
                self._report(slot.spec, AttemptOutcome.LOST, "slot-died", slot.started)

    def _zygote_died(self, zygote: _Zygote) -> None:
        """Without it no slot can be forked; what its slots have not reported is lost, the next one begins anew."""
        self._zygote = None
        for slot in list(zygote.slots):
            self._receive(zygote, slot)
        lost = [slot for slot in zygote.slots if slot.spec]
        self._end(zygote)
        for slot in lost:
            if slot.spec:
                self._report(slot.spec, AttemptOutcome.LOST, "zygote-died", slot.started)
        self._stillborn = 0 if zygote.proved else self._stillborn + 1
        if self._stillborn >= STILLBORN:
            raise TerminalError(
                "the process that runs attempts does not start",
                reason="executor-broken",
                hint="see what it wrote on standard error, and hilum doctor",
            )

    def _report(
        self, spec: AttemptSpec, outcome: AttemptOutcome, reason: str, started: datetime | None
    ) -> None:
        shutil.rmtree(self._folder / spec.id, ignore_errors=True)
        self._events.append(
            AttemptReport(
                attempt_id=spec.id,
                outcome=outcome,
                reason=reason,
                machine=os.uname().nodename,
                executor=self.name,
                started_at=started,
                finished_at=self._clock.now(),
            )
        )

    def _end(self, zygote: _Zygote) -> None:
        for slot in zygote.slots:
            slot.channel.close()
        zygote.control.close()
        try:
            zygote.process.wait(CLOSING)
        except subprocess.TimeoutExpired:
            zygote.process.kill()
            zygote.process.wait()


def _begin() -> _Zygote:
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "hilum.executors.zygote", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env={**dict.fromkeys(THREADS, "1"), **os.environ},
        )
    return _Zygote(process, ours)


def _add(zygote: _Zygote) -> _Slot:
    ours, theirs = Pipe()
    with theirs, suppress(OSError):
        socket.send_fds(zygote.control, [b"s"], [theirs.fileno()])
    zygote.slots.append(_Slot(ours))
    return zygote.slots[-1]


def _claim(work: Path) -> tuple[Path, int]:
    """A new folder that is this process' own while the returned lock is open; those of dead processes are removed."""
    with _guarded(work):
        _reap(work)
        folder = work / f"{os.getpid()}-{secrets.token_hex(4)}"
        folder.mkdir()
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        return folder, handle


def _reap(work: Path) -> None:
    """Remove the folders of processes that are dead; one without a lock was left while it was made or removed."""
    for folder in work.glob("*-*"):
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(handle)


@contextmanager
def _guarded(work: Path) -> Iterator[None]:
    """While no other process claims or reaps."""
    guard = os.open(work / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        yield
    finally:
        os.close(guard)


def _forget_logs(folder: Path, kept: int) -> None:
    logs = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in logs[kept:]:
        path.unlink(missing_ok=True)
