"""Progress that a container reports in lines of its standard output, where its contract reads any."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from hilum.executors.interface import Progress
from hilum.executors.staged import ImageStep
from hilum.steps.contracts import contract_of
from hilum.steps.contracts.interface import Contract

if TYPE_CHECKING:
    from docker import APIClient

ENOUGH = 16 << 20
"""Bytes after which a step that prints so much is no longer listened to."""
LONGEST_LINE = 4096


def follow(
    api: APIClient, container: str, step: ImageStep, attempt: str, tell: Callable[[Progress], None]
) -> None:
    """Tell of a container's progress from now on until it ends; returns at once."""
    contract = contract_of(step.image.contract)
    if type(contract).progress is Contract.progress:
        return

    def listen() -> None:
        with suppress(
            Exception
        ):  # progress is no matter of life and death, and the engine may go away any time
            pieces = api.logs(container, stdout=True, stderr=False, stream=True, follow=True)
            for line in lines(pieces):
                if told := contract.progress(line):
                    tell(Progress(attempt, step.plan.name, *told))

    threading.Thread(target=listen, name=f"docker {attempt} output", daemon=True).start()


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
