"""Serving: an engine that goes on until it is told to stop, fed by watched sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hilum.engine.engine import Engine
from hilum.engine.intake import UNCHANGED
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.sources.interface import Source

LOOK_EVERY = 0.5
"""Seconds between two looks at the sources."""

log = get_logger(__name__)


def serve(
    engine: Engine,
    sources: Sequence[Source],
    clock: Clock,
    stop: Callable[[], bool],
    turn: Callable[[], None] = lambda: None,
) -> None:
    """Take in what arrives and do what follows, until ``stop``; then end what is at work, and nothing new.

    Args:
        turn: called once a turn, for whoever shows what happens.
    """
    log.info("serving", count=len(sources))
    looked = float("-inf")
    while not stop():
        taken = 0
        if clock.monotonic() - looked >= LOOK_EVERY:
            taken = _look(engine, sources, stop)
            looked = clock.monotonic()
        engine.advance(0.0 if taken else LOOK_EVERY / 2)
        turn()
    log.info("draining")
    engine.drain()
    log.info("stopped")


def _look(engine: Engine, sources: Sequence[Source], stop: Callable[[], bool]) -> int:
    """Take in what the sources have now, with a turn of the engine after each batch."""

    def turn() -> None:
        engine.advance(0.0)

    taken = 0
    for source in sources:
        counts = engine.intake.take(source, stop=stop, meanwhile=turn).counts
        taken += sum(number for name, number in counts.items() if name != UNCHANGED)
    return taken
