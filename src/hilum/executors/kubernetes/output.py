"""What a pod's own container prints: while it runs, for the progress in it, and the last of it for people."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hilum.executors.kubernetes.manifests import STEP, WORK
from hilum.executors.kubernetes.streams import Streams

if TYPE_CHECKING:
    from lightkube.resources.core_v1 import Pod

LISTENED_TO = 16
"""Steps whose output is read while they run. Each costs a connection to the API server, which the node's kubelet
serves; that is no way to follow a thousand."""
AT_FIRST, AGAIN = 5.0, 0.25
"""Seconds for which a container that has no output yet is asked for it again, and how often."""
LONGEST_LOG = 1 << 20
LAST_LINES = 4096


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


def last_words(streams: Streams, pod: Pod) -> Iterator[bytes]:
    """The last that a pod's own container has printed, as it printed it."""
    assert pod.metadata is not None
    assert pod.spec is not None
    container = STEP if pod.spec.initContainers else WORK
    kept = b"".join(streams.printed(pod.metadata.name or "", container, lines=LAST_LINES))[-LONGEST_LOG:]
    if kept:
        yield kept
