"""Engines as people start them, `hilum run` in a process of its own, and means to kill them with all they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hilum.executors.limits import descendants

PATIENCE = 120.0
MARK = "CHAOS_BED"
"""Variable that every process of a test's engines inherits: what a step left behind can be found by it."""


@dataclass
class Engine:
    """One `hilum` command at work."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def below(self) -> list[int]:
        """Zygote, slots and workers, in this order."""
        return descendants(self.process.pid)

    def kill(self) -> None:
        """kill -9, of the engine alone."""
        self.process.kill()
        self.process.wait()
        self.said.close()

    def kill_all(self) -> None:
        """kill -9 of the engine and of all that it started, as good as at once."""
        self.freeze()
        signal_all(self.below(), signal.SIGKILL)
        self.kill()

    def freeze(self) -> None:
        """Stop the engine and all that it started where they are."""
        frozen: set[int] = set()
        while fresh := {self.process.pid, *self.below()} - frozen:
            signal_all(sorted(fresh), signal.SIGSTOP)
            frozen |= fresh

    def thaw(self) -> None:
        """Let them go on."""
        signal_all([self.process.pid, *self.below()], signal.SIGCONT)

    def finish(self) -> tuple[int, str]:
        """Wait for its end: exit code (negative for a signal), and what it said on both streams."""
        with self.said:
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                said = self._read()
                self.kill_all()
                raise AssertionError(f"no end after {PATIENCE:g} s; it said: {said}") from None
            return self.process.returncode, self._read()

    def _read(self) -> str:
        self.said.seek(0)
        return self.said.read().decode(errors="replace")


@dataclass
class Yard:
    """Where a test's engines run: a home, what they process, and a mark by which their processes are known."""

    home: Path
    arguments: Sequence[str | Path] = ()
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> Engine:
        """`hilum run` with the yard's arguments."""
        return self.command("run", *self.arguments)

    def command(self, *arguments: str | Path) -> Engine:
        """Any `hilum` command on the home."""
        command = [Path(sys.executable).with_name("hilum"), "--home", self.home, *arguments]
        environment = {**os.environ, **self.environment, MARK: self.mark}
        # not a pipe, whose other end whoever outlives the engine would hold
        said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the engine)
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env=environment,
        )
        return Engine(process, said)

    def processes(self) -> list[int]:
        """Everything alive that an engine of this yard started, however far it ran away."""
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    def quiet(self) -> list[int]:
        """Wait until no process is left; those that are when patience ends."""
        wait_until(lambda: not self.processes(), 30.0)
        return self.processes()


def signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    """Send a signal to each that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_until(condition: Callable[[], bool], patience: float = PATIENCE, every: float = 0.005) -> bool:
    """Ask again and again; whether it became true in time."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(every)
    return True
