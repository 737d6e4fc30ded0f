"""How a container's end reads as an attempt's outcome. What Docker says of it is an exit code and whether the kernel
killed for want of memory; the rest is what we did ourselves.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

from hilum.model.work import AttemptOutcome

SIGNALLED = 128
"""An init and every shell add this to the number of the signal that ended a process."""

MEANINGS = {
    126: "the container ended itself; mostly that means that its user may not run the command",
    127: "the container ended itself; mostly that means that the image has no such command",
}
"""What the init and every shell mean by these exit codes."""


class Ended(Exception):
    """An attempt came to an end, and this is how."""

    def __init__(
        self, outcome: AttemptOutcome, reason: str, detail: str = "", exit_code: int | None = None
    ) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.detail = detail
        self.exit_code = exit_code


def verdict(state: Mapping[str, Any], memory: int, *, interrupted: bool) -> Ended | None:
    """How a container that nobody of us stopped ended; None: well.

    Args:
        state: of the container, as the engine inspects it.
        memory: bytes that it was given.
        interrupted: the engine was away while it ran, and takes its containers along when it goes.
    """
    code: int = state["ExitCode"]
    if state["Status"] in ("removing", "dead"):
        return removed()
    if state["OOMKilled"]:  # also where only a child was killed: what such a step leaves may be half of it
        limit = f"needed more than {memory >> 20} MiB"
        return Ended(AttemptOutcome.OUT_OF_MEMORY, "out-of-memory", limit, code)
    if code == 0:
        return None
    if interrupted:
        return gone()
    try:
        name = signal.Signals(code - SIGNALLED).name.removeprefix("SIG").lower()
        return Ended(AttemptOutcome.CRASHED, f"signal-{name}", "the container was ended by a signal", code)
    except ValueError:
        detail = MEANINGS.get(code, "the container ended itself")
        return Ended(AttemptOutcome.CRASHED, f"exit-{code}", detail, code)


def gone() -> Ended:
    """The engine went away, and with it the attempt."""
    return Ended(AttemptOutcome.LOST, "engine-gone", "the Docker engine went away")


def removed() -> Ended:
    """Somebody removed the container."""
    return Ended(AttemptOutcome.LOST, "container-removed", "somebody removed its container")


def too_late(timeout: float) -> Ended:
    """Its time was up."""
    return Ended(AttemptOutcome.TIMEOUT, "timeout", f"took longer than {timeout:g} s")


def cancelled() -> Ended:
    """The engine wants it no more."""
    return Ended(AttemptOutcome.CANCELLED, "cancelled")
