"""A slot: a long-lived process that takes one attempt at a time, forks a worker for it, and is its only witness.

It runs no step, so nothing that a step does can reach it: it enforces the time limit even on a worker that blocks
every signal, measures the memory of the whole tree, ends what the worker left behind, commits what was made and
reports to the engine how it ended. When the engine goes away, the channel to it ends, and so does the slot with
everything below it.
"""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

from hilum.errors import HilumError, TransientError
from hilum.executors.attempt import output_folder
from hilum.executors.limits import adopt_orphans, kill_children, oom_kills, tree_memory
from hilum.executors.outputs import Made, commit
from hilum.executors.worker import work
from hilum.kernel.clock import SystemClock
from hilum.model.codec import from_json, to_json
from hilum.model.work import AttemptOutcome, AttemptReport, AttemptSpec, TaskResult, TaskState
from hilum.storage import Storage, open_storage

WATCH_EVERY = 0.25
TELL_EVERY = 0.1
LONGEST_LOG = 1 << 20
FINE = (TaskState.SUCCEEDED, TaskState.SKIPPED)

clock = SystemClock()
machine = platform.node()


class EngineGone(Exception):
    """The channel to the engine ended: nobody wants the result any more."""


def serve(engine: Connection) -> None:
    """Take attempts from the engine until it goes away."""
    adopt_orphans()
    storages: dict[str, Storage] = {}
    while True:
        try:
            message = json.loads(engine.recv_bytes())
        except (EOFError, OSError):
            return
        if "spec" not in message:
            continue  # a cancellation that came after its attempt had ended
        spec = from_json(AttemptSpec, message["spec"])
        started = clock.now()
        folder, log_file = Path(message["folder"]), Path(message["log"])
        try:
            if spec.store not in storages:
                storages[spec.store] = open_storage(spec.store)
            report = _Supervision(spec, folder, storages[spec.store], engine, started).run(log_file)
        except EngineGone:
            return
        except Exception as error:  # whatever it is, a report is owed
            kill_children()
            report = _not_run(spec, error, started)
        shutil.rmtree(folder, ignore_errors=True)
        _keep_or_drop(log_file, report)
        with suppress(OSError):
            engine.send_bytes(json.dumps({"report": to_json(report)}).encode())


def _not_run(spec: AttemptSpec, error: Exception, started: datetime) -> AttemptReport:
    """The report of an attempt that could not be run; its first step bears it, so that it is not tried for ever."""
    return AttemptReport(
        attempt_id=spec.id,
        outcome=AttemptOutcome.FAILED,
        failed_step=spec.steps[0].name,
        reason=error.reason if isinstance(error, HilumError) else "executor-failed",
        detail=str(error) if isinstance(error, HilumError) else type(error).__name__,
        machine=machine,
        executor="process",
        started_at=started,
        finished_at=clock.now(),
    )


def _keep_or_drop(log_file: Path, report: AttemptReport) -> None:
    """What steps printed may hold patient data: kept, in the home alone, only where it can explain a failure, and of
    what is long the end."""
    with suppress(OSError):
        size = log_file.stat().st_size
        if report.outcome is AttemptOutcome.SUCCEEDED or size == 0:
            log_file.unlink()
        elif size > LONGEST_LOG:
            with log_file.open("r+b") as stream:
                stream.seek(-LONGEST_LOG, os.SEEK_END)
                end = stream.read()
                stream.seek(0)
                stream.write(end)
                stream.truncate()


@dataclass
class _Supervision:
    """One attempt, from fork to report."""

    spec: AttemptSpec
    folder: Path
    storage: Storage
    engine: Connection
    started: datetime
    results: list[TaskResult] = field(default_factory=list)
    current: str = ""
    last: dict[str, Any] = field(default_factory=dict)
    peak: int = 0
    untold: list[Any] | None = None
    told: float = field(default_factory=time.monotonic)
    step_ends: float = math.inf

    def run(self, log_file: Path) -> AttemptReport:
        """Raises EngineGone, with no process left."""
        self.folder.mkdir(parents=True)
        log_file.parent.mkdir(parents=True, exist_ok=True)
        killed_before = oom_kills()
        worker, channel = self._fork(log_file)
        process = os.pidfd_open(worker)
        try:
            forced = self._watch(channel, process)
        finally:
            os.close(process)
            ended = kill_children()
        self._drain(channel)
        status, _ = ended[worker]
        outcome, reason, detail = forced or self._verdict(status, killed_before, log_file)
        usages = [usage for _, usage in ended.values()]
        return AttemptReport(
            attempt_id=self.spec.id,
            outcome=outcome,
            results=tuple(self.results),
            failed_step=self._failed_step(outcome),
            reason=reason,
            detail=detail,
            exit_code=0 if self.last else None if forced else os.waitstatus_to_exitcode(status),
            max_rss=max(self.peak, *(usage.ru_maxrss << 10 for usage in usages)),
            cpu_seconds=sum(usage.ru_utime + usage.ru_stime for usage in usages),
            machine=machine,
            executor="process",
            started_at=self.started,
            finished_at=clock.now(),
        )

    def _fork(self, log_file: Path) -> tuple[int, Connection]:
        ours, theirs = Pipe()
        output = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        parent = os.getpid()
        worker = os.fork()
        if worker == 0:
            try:
                ours.close()
                self.engine.close()
                work(self.spec, self.folder, output, theirs, parent)
            finally:
                os._exit(70)
        os.close(output)
        theirs.close()
        return worker, ours

    def _watch(self, channel: Connection, process: int) -> tuple[AttemptOutcome, str, str] | None:
        """Serve the worker until it ends; the outcome, if it had to be ended."""
        deadline = time.monotonic() + self.spec.timeout
        look = time.monotonic() + WATCH_EVERY
        enough = self.spec.memory + (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10)
        listened: list[Any] = [channel, process, self.engine]
        while not self.last:
            until = min(deadline, look, self.step_ends, self.told + TELL_EVERY if self.untold else deadline)
            ready = wait(listened, max(0.0, until - time.monotonic()))
            if self.engine in ready and self._cancelled():
                return AttemptOutcome.CANCELLED, "cancelled", ""
            if channel in ready and not self._receive(channel):
                listened.remove(channel)
            elif process in ready and channel not in ready:
                return None
            now = time.monotonic()
            if now >= min(deadline, self.step_ends):
                limit = self.spec.timeout if now >= deadline else self._limit(self.current)
                return AttemptOutcome.TIMEOUT, "timeout", f"took longer than {limit:g} s"
            if now >= look:
                look = now + WATCH_EVERY
                self.peak = max(self.peak, held := tree_memory(os.getpid(), enough))
                if held > enough:
                    return self._out_of_memory()
            self._tell(now)
        return None

    def _cancelled(self) -> bool:
        try:
            return bool(json.loads(self.engine.recv_bytes()).get("cancel") == self.spec.id)
        except (EOFError, OSError):
            kill_children()
            shutil.rmtree(self.folder, ignore_errors=True)
            raise EngineGone from None

    def _receive(self, channel: Connection, *, answer: bool = True) -> bool:
        """Take one message from the worker; False when its end is closed."""
        try:
            message = json.loads(channel.recv_bytes())
        except (EOFError, OSError, ValueError):  # ValueError: a step wrote into a channel that is not its own
            return False
        if "begins" in message:
            self.current = message["begins"]
            self.step_ends = time.monotonic() + self._limit(self.current)
            self.untold = [self.current, 0.0, ""]
        elif "progress" in message:
            self.untold = message["progress"]
        elif "ends" in message:
            self.results.append(from_json(TaskResult, message["ends"]))
            self.current, self.step_ends = "", math.inf
        elif "made" in message:
            if answer:
                channel.send_bytes(self._commit(from_json(Made, message["made"])))
        else:
            self.last = message
        return True

    def _limit(self, name: str) -> float:
        """Seconds that this step may take: what it was given, however long its neighbours may."""
        return next(step.timeout for step in self.spec.steps if step.name == name)

    def _commit(self, made: Made) -> bytes:
        """Commit for the worker; the answer is a manifest, or ``refused`` with why."""
        folder = output_folder(self.folder, made.step)
        try:
            return commit(self.storage, self.spec, made, folder, machine, clock)
        except HilumError as error:
            refused: HilumError = error
        except OSError as error:
            refused = TransientError(
                f"storing failed: {os.strerror(error.errno or 0)}", reason="storage-failed"
            )
        return json.dumps(
            {
                "refused": refused.message,
                "reason": refused.reason,
                "hint": refused.hint,
                "transient": refused.transient,
            }
        ).encode()

    def _tell(self, now: float) -> None:
        """Pass the newest progress on, rarely: short attempts say nothing until their report."""
        if self.untold and now - self.told >= TELL_EVERY:
            with suppress(OSError):
                self.engine.send_bytes(json.dumps({"progress": [self.spec.id, *self.untold]}).encode())
            self.untold, self.told = None, now

    def _drain(self, channel: Connection) -> None:
        """What a worker that is gone had still said; nobody holds its end any more."""
        while self._receive(channel, answer=False):
            pass
        channel.close()

    def _verdict(self, status: int, killed_before: int, log_file: Path) -> tuple[AttemptOutcome, str, str]:
        if "end" in self.last:
            failed = [result for result in self.results if result.state not in FINE]
            if len(self.results) == len(self.spec.steps) and not failed:
                return AttemptOutcome.SUCCEEDED, "", ""
            return AttemptOutcome.FAILED, failed[0].reason, failed[0].detail
        if "broken" in self.last:
            return AttemptOutcome.FAILED, self.last["broken"], self.last["detail"]
        code = os.waitstatus_to_exitcode(status)
        starved = code == -signal.SIGKILL and oom_kills() > killed_before
        if "out_of_memory" in self.last or starved or (code == -signal.SIGABRT and _bad_alloc(log_file)):
            return self._out_of_memory()
        if code < 0:
            name = signal.Signals(-code).name.removeprefix("SIG").lower()
            return AttemptOutcome.CRASHED, f"signal-{name}", "the process was ended by a signal"
        return AttemptOutcome.CRASHED, f"exit-{code}", "the process ended itself"

    def _failed_step(self, outcome: AttemptOutcome) -> str:
        """The step that failed, or was at work, or would have been next: somebody must bear it."""
        if outcome in (AttemptOutcome.SUCCEEDED, AttemptOutcome.CANCELLED):
            return ""
        failed = [result.step for result in self.results if result.state not in FINE]
        if outcome is AttemptOutcome.FAILED and failed:
            return failed[0]
        done = {result.step for result in self.results}
        return self.current or next((step.name for step in self.spec.steps if step.name not in done), "")

    def _out_of_memory(self) -> tuple[AttemptOutcome, str, str]:
        return AttemptOutcome.OUT_OF_MEMORY, "out-of-memory", f"needed more than {self.spec.memory >> 20} MiB"


def _bad_alloc(log_file: Path) -> bool:
    """Whether a C++ library's last words were that it got no memory."""
    with log_file.open("rb") as stream:
        stream.seek(max(0, log_file.stat().st_size - 8192))
        return b"bad_alloc" in stream.read()
