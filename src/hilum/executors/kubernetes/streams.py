"""Answers of the API server that go on for long, each read by a thread of its own: watches, and what containers
print.

A connection must not be closed under a thread that reads it. The number of its file descriptor is given away again
at once, and the thread goes on with whatever has got it: it takes bytes from another connection, and what OpenSSL
does not understand it answers with an alert, some binary bytes that then are in somebody's file. So streams are shut
down, which ends a read and gives no number away; their threads are waited for; only then connections are closed.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from hilum.errors import TransientError
from hilum.executors.kubernetes.client import PATIENCE, SERVED, SLACK

if TYPE_CHECKING:
    from lightkube import Client


class Streams:
    """The long answers of one client, and the threads that read them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self.closed = threading.Event()

    def watch(self, resource: Any, labels: Mapping[str, Any], version: str) -> Iterator[tuple[str, Any]]:
        """Changes of the objects with these labels since a version: ``ADDED``, ``MODIFIED`` or ``DELETED``, and the
        object; until the server ends it.

        Raises:
            ApiError: 410, the version is too old, or whatever else it says.
        """
        from lightkube import ApiError
        from lightkube.core.decoders import decode_object, decode_status, decode_watch_event
        from lightkube.core.selector import build_selector

        params = {
            "timeoutSeconds": SERVED,
            "resourceVersion": version,
            "labelSelector": build_selector(dict(labels)),
        }
        client: Any = self._client._client
        asked = client.prepare_request("list", res=resource, watch=True, params=params)
        with self._opened(asked, SERVED + SLACK) as response:
            if not response.is_success:
                response.read()
            client.raise_for_status(response)
            begun = b""
            for piece in response.iter_bytes():
                *lines, begun = (begun + piece).split(b"\n")
                for line in lines:
                    event = decode_watch_event(line)
                    if event.type == "ERROR":
                        raise ApiError(status=decode_status(event.object))
                    yield event.type, decode_object(event.object, resource)

    def printed(
        self, pod: str, container: str, *, follow: bool = False, lines: int | None = None
    ) -> Iterator[bytes]:
        """What a container has printed, in pieces, of which the first is empty; nothing where there is no such one.

        Args:
            follow: go on until it ends.
            lines: only the last so many.
        """
        from lightkube.resources.core_v1 import PodLog

        asked = self._client._client.prepare_request(
            "get", PodLog, name=pod, params={"container": container, "follow": follow, "tailLines": lines}
        )
        with self._opened(asked, None if follow else PATIENCE) as response:
            if response.is_success:
                yield b""
                yield from response.iter_bytes()

    def start(self, thread: threading.Thread) -> None:
        """Start a thread that reads streams; :meth:`close` waits for it."""
        with self._lock:
            self._threads = {each for each in self._threads if each.is_alive()} | {thread}
            thread.start()

    def close(self) -> None:
        """End all streams, wait for their threads, and close the client's connections. Should a thread not end in
        time, the connections are left open: that costs less than what they would do."""
        self.closed.set()
        end = time.monotonic() + 2 * PATIENCE
        while (waiting := self._alive()) and time.monotonic() < end:
            with self._lock:
                for each in self._sockets:
                    with suppress(OSError):
                        socket.socket.shutdown(each, socket.SHUT_RDWR)
            waiting[0].join(0.1)
        if not waiting:
            self._client.close()

    def _alive(self) -> list[threading.Thread]:
        with self._lock:
            return [each for each in self._threads if each.is_alive()]

    @contextmanager
    def _opened(self, asked: Any, patience: float | None) -> Iterator[Any]:
        """A request's answer, while it is read.

        Args:
            patience: seconds without a word after which it is dead; None: none.
        """
        import httpx2

        if self.closed.is_set():
            raise StreamsClosed("the watch on the cluster was closed")
        asked.timeout = httpx2.Timeout(PATIENCE, read=patience)
        response = self._client._client.send(self._client._client.build_adapter_request(asked), stream=True)
        found = response.extensions["network_stream"].get_extra_info("socket")
        with self._lock:
            self._sockets.add(found)
        try:
            yield response
        finally:
            with self._lock:
                self._sockets.discard(found)
            response.close()


class StreamsClosed(TransientError):
    """Nothing is read any more."""

    reason = "cluster-unreachable"
