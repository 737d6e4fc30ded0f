"""What a function is told by its environment, and how it writes logs and tells spans."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from hilum.errors import UsageError
from hilum.kernel.clock import Clock
from hilum.kernel.logging import configure
from hilum.kernel.trace import Sampling, sampling
from hilum.sources.pubsub_client import TOPIC, Topic

if TYPE_CHECKING:
    from hilum.ops.telemetry import SpanTeller

ARRIVALS, DEAD_LETTERS, TELEMETRY = "HILUM_ARRIVALS", "HILUM_DEAD_LETTERS", "HILUM_TELEMETRY"
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def begin() -> None:
    """Write logs from here on: lines of JSON as Cloud Logging takes them."""
    configure("google", "info", sys.stdout, sampling(os.environ.get(TELEMETRY, ""), os.environ))


def spans(clock: Clock) -> tuple[SpanTeller, Sampling] | None:
    """Who tells this instance's spans, where the environment wants them told."""
    if not (kind := os.environ.get(TELEMETRY, "")):
        return None
    from hilum.ops.telemetry import open_spans

    return open_spans(kind, clock, f"{os.environ.get('K_REVISION', 'function')}/{os.getpid()}")


def topic(variable: str) -> Topic | None:
    """The topic that a variable names; None where it is empty.

    Raises:
        UsageError: ``bad-settings``.
    """
    name = os.environ.get(variable, "")
    if not name:
        return None
    if not TOPIC.fullmatch(name):
        raise UsageError(
            f"{variable} must be the full name of a topic",
            reason="bad-settings",
            hint="write projects/PROJECT/topics/TOPIC",
        )
    return Topic(name)


def required(variable: str) -> str:
    """What a variable says that has to be there; UsageError ``bad-settings``."""
    if not (value := os.environ.get(variable, "")):
        raise UsageError(f"the variable {variable} is not set", reason="bad-settings")
    return value


def optional(variable: str, default: str) -> str:
    """What a variable says, if it says anything."""
    return os.environ.get(variable, "") or default


def seconds(text: str) -> float:
    """``90s``, ``10m``, ``26h`` or ``7d`` in seconds; UsageError ``bad-settings``."""
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS or not (number.isascii() and number.isdigit()):
        raise UsageError(f"{text!r} is no duration", reason="bad-settings", hint="write 90s, 10m, 26h or 7d")
    return int(number) * UNITS[unit]
