"""The process that runs an attempt's steps: forked for it, limited, confined to its folder, and gone afterwards.

Whatever a step does to it (a leak, a crash, a changed directory) ends with it. It can commit nothing itself: it asks
the slot that forked it (slot.py) over a channel of JSON messages, which is all that the two share.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from hilum.errors import HilumError, TerminalError, TransientError
from hilum.executors.attempt import Attempt
from hilum.executors.limits import THREADS, die_with_parent, limit_self
from hilum.executors.outputs import Made
from hilum.executors.sandbox import confine
from hilum.kernel import logging
from hilum.model.codec import from_json, to_json
from hilum.model.work import AttemptSpec, Manifest, TaskResult
from hilum.steps.registry import StepRegistry
from hilum.storage import open_storage

THROTTLE = 0.1

registry = StepRegistry()
"""Made before any fork, so that installed steps are looked up once and not by every worker."""


def work(spec: AttemptSpec, folder: Path, log_file: int, channel: Connection, parent: int) -> NoReturn:
    """Run an attempt in this freshly forked process and end it."""
    die_with_parent(parent)
    host = _ChannelHost(channel)
    try:
        _settle_in(folder, log_file, spec.cpu)
        storage = open_storage(spec.store)
        limit_self(spec.memory)
        confine([folder, Path(os.path.realpath(f"/proc/self/fd/{log_file}"))])
        Attempt(spec, folder, storage, host, registry=registry).run()
        last: dict[str, Any] = {"end": True}
    except MemoryError:
        _print_traceback()
        last = {"out_of_memory": True}
    except BaseException as error:
        _print_traceback()
        known = isinstance(error, HilumError)
        last = {
            "broken": error.reason if isinstance(error, HilumError) else "attempt-broken",
            "detail": str(error) if known else type(error).__name__,
        }
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    with suppress(OSError):
        host.send(last)
    os._exit(0)


def _print_traceback() -> None:
    with suppress(OSError, MemoryError):  # what is to be told may be that disk or memory is full
        traceback.print_exc()


def _settle_in(folder: Path, log_file: int, cpu: float) -> None:
    """A session of its own, output into the log, temporary files in the attempt's folder, threads for its cores."""
    os.setsid()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log_file, 1), (log_file, 2)):
        os.dup2(source, target)
    os.close(nothing)
    logging.configure("json", "debug")
    temporary = folder / "tmp"
    temporary.mkdir()
    os.chdir(temporary)
    os.environ["TMPDIR"] = tempfile.tempdir = str(temporary)
    os.environ.update(dict.fromkeys(THREADS, str(max(1, int(cpu)))))


class _ChannelHost:
    """The slot, as the attempt sees it. Steps may report progress from several threads."""

    def __init__(self, channel: Connection) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._told = 0.0

    def send(self, message: dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        with self._lock:
            self._channel.send_bytes(data)

    def begins(self, step: str) -> None:
        self.send({"begins": step})

    def progress(self, step: str, fraction: float, message: str) -> None:
        now = time.monotonic()
        if now - self._told >= THROTTLE:
            self._told = now
            self.send({"progress": [step, fraction, message[:200]]})

    def ends(self, result: TaskResult) -> None:
        self.send({"ends": to_json(result)})

    def commit(self, made: Made) -> Manifest:
        self.send({"made": to_json(made)})
        answer = json.loads(self._channel.recv_bytes())
        if "refused" not in answer:
            return from_json(Manifest, answer)
        kind = TransientError if answer["transient"] else TerminalError
        raise kind(answer["refused"], reason=answer["reason"], hint=answer["hint"])
