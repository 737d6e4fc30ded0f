"""A proxy in front of a real HTTP server that does to chosen requests what networks and busy servers do.

Each request is shown to a rule, which may name a fault; what came by is kept, so that a test can see what was asked.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock
from urllib.parse import parse_qs, urlsplit

from beds.serving import serving

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
PATIENCE = 60.0
BEGINNING = 4096


@dataclass(frozen=True)
class Refused:
    """Answered with this status; the server learns nothing of it."""

    status: int = 503


@dataclass(frozen=True)
class Lost:
    """Done by the server, but its answer is lost: another status comes, or the connection breaks."""

    status: int | None = None


@dataclass(frozen=True)
class Cut:
    """The connection breaks after so many bytes of the answer's body."""

    after: int


@dataclass(frozen=True)
class Changed:
    """Bytes become others on their way to the server, or back."""

    replaced: Mapping[bytes, bytes]
    on_the_way_back: bool = False

    def of(self, body: bytes) -> bytes:
        for old, new in self.replaced.items():
            body = body.replace(old, new)
        return body


@dataclass(frozen=True)
class Held:
    """Done by the server, which is told by ``done``; the answer waits for ``go``."""

    done: Event = field(default_factory=Event)
    go: Event = field(default_factory=Event)


Fault = Refused | Lost | Cut | Changed | Held


@dataclass(frozen=True)
class Request:
    """What came by; ``number`` counts from 1, ``body`` is how its body begins."""

    number: int
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    answered: int = 0
    body: bytes = b""


Rule = Callable[[Request], Fault | None]


def every(nth: int, *faults: Fault) -> Rule:
    """One request in ``nth`` gets one of these, in turn."""
    return lambda request: None if request.number % nth else faults[request.number // nth % len(faults)]


def first(fault: Fault, method: str, times: int = 1) -> Rule:
    """The first so many requests of this method get it."""
    seen: list[int] = []

    def rule(request: Request) -> Fault | None:
        if request.method != method or len(seen) >= times:
            return None
        seen.append(request.number)
        return fault

    return rule


class Proxy(ThreadingHTTPServer):
    """Stands before the server at ``upstream``, a URL without a path. ``host`` is its own."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str, address: str = "127.0.0.1") -> None:
        super().__init__((address, 0), _Handler)
        self.upstream = upstream
        self.host = f"http://{address}:{self.server_port}"
        self.rule: Rule = lambda request: None
        self.seen: list[Request] = []
        self.faulted = 0
        self.lock = Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what these tests are about."""


@contextmanager
def faulty(upstream: str, address: str = "127.0.0.1") -> Iterator[Proxy]:
    """A proxy at an address of this machine that works until the block ends."""
    with serving(Proxy(upstream, address)) as proxy:
        yield proxy


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return None
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request, fault = self._looked_at(body)
        if isinstance(fault, Refused):
            return self._answer(fault.status, {}, b"")
        if isinstance(fault, Changed) and not fault.on_the_way_back:
            body = fault.of(body)
        status, headers, answer = self._forward(body)
        request.__dict__["answered"] = len(answer)
        if isinstance(fault, Held):
            fault.done.set()
            fault.go.wait(PATIENCE)
        if isinstance(fault, Lost) and fault.status is not None:
            return self._answer(fault.status, {}, b"")
        if isinstance(fault, Changed) and fault.on_the_way_back:
            answer = fault.of(answer)
        if isinstance(fault, Lost | Cut):
            if isinstance(fault, Cut):
                self._answer(status, headers, answer, fault.after)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self._answer(status, headers, answer)

    def _looked_at(self, body: bytes) -> tuple[Request, Fault | None]:
        at = urlsplit(self.path)
        with self.server.lock:
            number = len(self.server.seen) + 1
            query, headers = parse_qs(at.query), dict(self.headers)
            request = Request(number, self.command, at.path, query, headers, body=body[:BEGINNING])
            self.server.seen.append(request)
            fault = self.server.rule(request)
            self.server.faulted += fault is not None
        return request, fault

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """What the server says; where it tells its own address, ours takes its place."""
        upstream = http.client.HTTPConnection(urlsplit(self.server.upstream).netloc, timeout=PATIENCE)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            upstream.request(self.command, self.path, body, kept)
            answer = upstream.getresponse()
            headers = {
                name: value.replace(self.server.upstream, self.server.host)
                for name, value in answer.getheaders()
                if name.lower() not in HOP_BY_HOP
            }
            return answer.status, headers, answer.read()
        finally:
            upstream.close()

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes, sent: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])
