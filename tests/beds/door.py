"""A server on a Unix socket made reachable by TCP, for clients elsewhere: in a pod, say."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer


@contextmanager
def door_to(path: Path, address: str) -> Iterator[int]:
    """The port at this address that leads to the socket, while the block runs."""

    class Visitor(BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as inside:
                inside.connect(str(path))
                back = threading.Thread(target=_pass_on, args=(inside, self.request), daemon=True)
                back.start()
                _pass_on(self.request, inside)
                back.join()

    class Door(ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Door((address, 0), Visitor) as door:
        threading.Thread(target=door.serve_forever, daemon=True).start()
        try:
            yield int(door.server_address[1])
        finally:
            door.shutdown()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
