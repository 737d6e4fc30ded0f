"""Serving: an engine that goes on until it is told to stop, fed by watched sources."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext

from hilum.engine.engine import Engine
from hilum.engine.intake import UNCHANGED
from hilum.engine.lead import Leadership
from hilum.errors import TransientError
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.sources.interface import Source

LOOK_EVERY = 0.5
"""Seconds between two looks at sources that had nothing; where something was, more may be."""
REST = 2.0
"""Seconds before the next look after one that broke off: what was away may be back."""

log = get_logger(__name__)


def serve(
    engine: Engine,
    sources: Sequence[Source],
    clock: Clock,
    stop: Callable[[], bool],
    turn: Callable[[], None] = lambda: None,
    leadership: Leadership | None = None,
) -> None:
    """Take in what arrives and do what follows, until ``stop``; then end what is at work, and nothing new.

    What is away for a while (a bucket, the ledger's database) is waited for: nothing is lost over it, since whoever
    looks again finds what was not recorded, and attempts go on meanwhile.

    Args:
        turn: called once a turn, for whoever shows what happens.
        leadership: where several engines serve one home, of which one leads. The one that stops then hands its
            attempts over, if they go on without it.

    Raises:
        LeadershipLost: another engine took over.
    """
    log.info("serving", count=len(sources))
    with leadership or nullcontext():
        _turn_until(engine, sources, clock, stop, turn, leadership)
        if leadership and engine.outlived:
            engine.hand_over()
        else:
            log.info("draining")
            engine.drain()
    log.info("stopped")


def _turn_until(
    engine: Engine,
    sources: Sequence[Source],
    clock: Clock,
    stop: Callable[[], bool],
    turn: Callable[[], None],
    leadership: Leadership | None,
) -> None:
    next_look, taken = float("-inf"), 0
    while not stop():
        if leadership:
            engine.alone = leadership.check()
            if not engine.alone:
                time.sleep(LOOK_EVERY)
                turn()
                continue
        if taken or clock.monotonic() >= next_look:
            taken, whole = _look(engine, sources, stop, turn)
            next_look = clock.monotonic() + (LOOK_EVERY if whole else REST)
        if not _advance(engine, 0.0 if taken else LOOK_EVERY / 2):
            time.sleep(LOOK_EVERY)
        turn()


def _look(
    engine: Engine, sources: Sequence[Source], stop: Callable[[], bool], turn: Callable[[], None]
) -> tuple[int, bool]:
    """Take in what the sources have now, with a turn of the engine after each batch: how much that was, and whether
    no look broke off."""

    def meanwhile() -> None:
        _advance(engine, 0.0)
        turn()

    taken, whole = 0, True
    for source in sources:
        try:
            counts = engine.intake.take(source, stop=stop, meanwhile=meanwhile).counts
        except TransientError as error:
            log.warning("a look at a source broke off", source=source.name, reason=error.reason)
            whole = False
            continue
        taken += sum(number for name, number in counts.items() if name != UNCHANGED)
    return taken, whole


def _advance(engine: Engine, timeout: float) -> bool:
    """A turn of the engine; whether it came to its end."""
    try:
        engine.advance(timeout)
    except TransientError as error:
        log.warning("a turn broke off", reason=error.reason)
        return False
    return True
