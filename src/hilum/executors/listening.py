"""Progress in what steps print, where their contract reads any. It is for people who watch: a thread beside the
attempt listens until the output ends, and whatever goes wrong with that is no matter of the attempt's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from hilum.executors.interface import Progress
from hilum.executors.staged import ImageStep
from hilum.steps.contracts import contract_of
from hilum.steps.contracts.interface import Contract

ENOUGH = 16 << 20
"""Bytes after which a step that prints so much is no longer listened to."""
LONGEST_LINE = 4096


def listen(
    step: ImageStep,
    attempt: str,
    output: Callable[[], Iterable[bytes]],
    tell: Callable[[Progress], None],
    room: threading.Semaphore | None = None,
    start: Callable[[threading.Thread], None] = threading.Thread.start,
) -> None:
    """Tell of a step's progress from now on until its output ends; returns at once.

    Args:
        output: what it prints, in pieces; called in the listening thread.
        room: how many may be listened to; where there is none left, this one is not.
        start: starts the thread, where somebody has to know of it.
    """
    contract = contract_of(step.image.contract)
    if type(contract).progress is Contract.progress:
        return
    if room and not room.acquire(blocking=False):
        return

    def work() -> None:
        try:
            with suppress(Exception):  # the engine or the cluster may go away at any time
                for line in lines(output()):
                    if told := contract.progress(line):
                        tell(Progress(attempt, step.plan.name, *told))
        finally:
            if room:
                room.release()

    start(threading.Thread(target=work, name=f"output of {attempt}", daemon=True))


def lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Lines in what comes in pieces, each cut where it gets too long; ends after :data:`ENOUGH` bytes."""
    begun, heard = b"", 0
    for piece in pieces:
        *complete, begun = (begun + piece).split(b"\n")
        for line in complete:
            yield line[:LONGEST_LINE].decode(errors="replace")
        begun = begun[:LONGEST_LINE]
        heard += len(piece)
        if heard > ENOUGH:
            return
