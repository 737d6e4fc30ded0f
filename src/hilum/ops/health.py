"""Probes and metrics over HTTP, for whoever watches a process: a kubelet, Prometheus, a load balancer.

/healthz   200 while the engine turns; 503 once it has not for a while: it hangs, so end it
/readyz    200 while the engine can do its work (its ledger answers); 503 before and when it cannot
/metrics   counts in Prometheus' text format
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hilum.errors import UsageError
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger

STALLED = 60.0
"""Seconds without a turn after which an engine counts as hanging: several times what a turn may take."""
TEXT = "text/plain; charset=utf-8"

log = get_logger(__name__)

Answer = tuple[int, str, bytes]


class Pulse:
    """What an engine says of itself once a turn, and others ask from other threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock.monotonic()
        self.ready = False

    def beat(self) -> None:
        """A turn is done, so the ledger has answered."""
        self._last = self._clock.monotonic()
        self.ready = True

    @property
    def alive(self) -> bool:
        """Whether the last turn is not long ago."""
        return self._clock.monotonic() - self._last < STALLED


class Health:
    """Serves the probes of a process until closed.

    Args:
        address: ``host:port`` or ``:port`` for every interface; port 0 takes any that is free.
        metrics: makes the text of ``/metrics``, with its media type.

    Raises:
        UsageError: ``bad-address``: nothing can listen there.
    """

    def __init__(self, address: str, pulse: Pulse, metrics: Callable[[], tuple[str, bytes]]) -> None:
        host, _, port = address.rpartition(":")

        def answer(path: str) -> Answer:
            if path == "/healthz":
                return (200, TEXT, b"ok\n") if pulse.alive else (503, TEXT, b"the engine does not turn\n")
            if path == "/readyz":
                return (200, TEXT, b"ok\n") if pulse.ready else (503, TEXT, b"the ledger has not answered\n")
            if path == "/metrics":
                return (200, *metrics())
            return 404, TEXT, b"/healthz, /readyz or /metrics\n"

        try:
            self._server = ThreadingHTTPServer((host, int(port)), _handler(answer))
        except (OSError, ValueError, OverflowError) as error:
            raise UsageError(
                f"nothing can listen at {address!r}: {error}", reason="bad-address", hint="write :8080"
            ) from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(answer: Callable[[str], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, began = self.path.partition("?")[0], time.monotonic()
            try:
                status, kind, body = answer(path)
            except Exception as error:  # a ledger that is away is not this server's end
                status, kind, body = 503, TEXT, f"{type(error).__name__}\n".encode()
                log.warning(
                    "a request was not answered",
                    http_method="GET",
                    http_path=path,
                    http_status=status,
                    seconds=time.monotonic() - began,
                    error=error,
                )
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes come every few seconds; the log is for other things."""

    return Handler
