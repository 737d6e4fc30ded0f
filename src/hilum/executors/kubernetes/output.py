"""What a pod's own container prints: progress while it runs, where its contract reads any, and the last of it for
people."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from hilum.executors.interface import Progress
from hilum.executors.kubernetes.client import printed
from hilum.executors.kubernetes.manifests import STEP, WORK
from hilum.executors.staged import ImageStep
from hilum.model.work import AttemptSpec
from hilum.steps.contracts import contract_of
from hilum.steps.contracts.interface import Contract

if TYPE_CHECKING:
    from lightkube import Client
    from lightkube.resources.core_v1 import Pod

ENOUGH = 16 << 20
"""Bytes after which a step that prints so much is no longer listened to."""
LONGEST_LINE = 4096
AT_FIRST, AGAIN = 5.0, 0.25
"""Seconds for which output that is not there yet is asked for again, and how often."""
LONGEST_LOG = 1 << 20
LAST_LINES = 4096


def follow(
    client: Client, pod: str, container: str, spec: AttemptSpec, tell: Callable[[Progress], None]
) -> None:
    """Tell of a step's progress from now on until it ends; returns at once."""
    step = ImageStep.of(spec)
    if step is None or container != STEP:
        return
    contract = contract_of(step.image.contract)
    if type(contract).progress is Contract.progress:
        return

    def listen() -> None:
        from httpx2 import HTTPError

        heard, until = False, time.monotonic() + AT_FIRST
        with suppress(HTTPError, RuntimeError):  # RuntimeError: the client was closed
            while not heard and time.monotonic() < until:  # a container may run before its output can be had
                for line in _lines(printed(client, pod, container, follow=True)):
                    heard = True
                    if told := contract.progress(line):
                        tell(Progress(spec.id, step.plan.name, *told))
                time.sleep(AGAIN)

    threading.Thread(target=listen, name=f"kubernetes {spec.id} output", daemon=True).start()


def last_words(client: Client, pod: Pod) -> Iterator[bytes]:
    """The last that a pod's own container has printed, as it printed it."""
    assert pod.metadata is not None
    assert pod.spec is not None
    container = STEP if pod.spec.initContainers else WORK
    kept = b"".join(printed(client, pod.metadata.name or "", container, lines=LAST_LINES))[-LONGEST_LOG:]
    if kept:
        yield kept


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
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
