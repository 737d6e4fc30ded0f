"""What a pod's own container prints: while it runs, for the progress in it, and the last of it for people."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hilum.executors.kubernetes.manifests import STEP, WORK
from hilum.executors.kubernetes.streams import Streams

if TYPE_CHECKING:
    from hilum.executors.kubernetes.seen import SeenPod

LISTENED_TO = 16
"""Steps whose output is read while they run. Each costs a connection to the API server, which the node's kubelet
serves; that is no way to follow a thousand."""
AT_FIRST, AGAIN = 5.0, 0.25
"""Seconds for which a container that has no output yet is asked for it again, and how often."""
LONGEST_LOG = 1 << 20
LAST_LINES = 4096
LONGEST_OF_EACH = 32 << 10
"""Bytes of each of the attempts that share a pod: two hundred of them, and a node still keeps all of it."""


def output(streams: Streams, pod: str, container: str) -> Iterator[bytes]:
    """What a container prints from its beginning until it ends; it may run before its output can be had."""
    until = time.monotonic() + AT_FIRST
    while time.monotonic() < until and not streams.closed.is_set():
        opened = False
        for piece in streams.printed(pod, container, follow=True):
            opened = True
            yield piece
        if opened:
            return
        streams.closed.wait(AGAIN)


def last_words(streams: Streams, pod: SeenPod, whose: str = "") -> Iterator[bytes]:
    """The last that a pod's own container has printed, as it printed it.

    Args:
        whose: of the attempts that share the pod, the one whose words are wanted.
    """
    name, container = pod.metadata.name, STEP if pod.spec.init_containers else WORK
    if whose:
        said = unmarked(whose, streams.printed(name, container))
    else:
        said = streams.printed(name, container, lines=LAST_LINES)
    kept = b"".join(said)[-LONGEST_LOG:]
    if kept:
        yield kept


def marked(attempt: str, pieces: Iterable[bytes]) -> bytes:
    """The last of what one of several attempts in a pod has printed, each line after its id."""
    lines = b"".join(pieces)[-LONGEST_OF_EACH:].removesuffix(b"\n").split(b"\n")
    return b"".join(b"%s %s\n" % (attempt.encode(), line) for line in lines) if lines != [b""] else b""


def unmarked(attempt: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """What an attempt has printed among the marked lines of others."""
    mark, begun = attempt.encode() + b" ", b""
    for piece in pieces:
        *lines, begun = (begun + piece).split(b"\n")
        yield from (line.removeprefix(mark) + b"\n" for line in lines if line.startswith(mark))
