"""A server that answers as Google documents its REST APIs, for what no emulator here has: testIamPermissions and
Cloud Monitoring. What Google does beyond its documentation is not shown by it.

It obeys three rules of theirs: permissions are told of those that were asked for and are had, a time series is of the
metric and interval that were asked for, and lists come in pages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from beds.serving import JsonHandler, serving

SERVICES = ("storage", "pubsub", "bigquery", "cloudresourcemanager", "monitoring")


class Answers(ThreadingHTTPServer):
    """``had``: permissions of whoever asks; ``series``: of Cloud Monitoring, a page each; ``status``: of every
    answer; ``asked``: method, path and what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.had: set[str] = set()
        self.series: list[list[dict[str, Any]]] = [[]]
        self.status = 200
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    @property
    def hosts(self) -> dict[str, str]:
        """Where each of Google's services is."""
        return dict.fromkeys(SERVICES, f"http://127.0.0.1:{self.server_port}")


class _Handler(JsonHandler):
    server: Answers

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        self.server.asked.append(("GET", url.path, query))
        if url.path.endswith("/testPermissions"):
            self._say(self._permissions(query["permissions"]))
        elif url.path.endswith("/timeSeries") and {"filter", "interval.endTime"} <= query.keys():
            page = int(query.get("pageToken", ["0"])[0])
            more = page + 1 < len(self.server.series)
            self._say(
                {"timeSeries": self.server.series[page], **({"nextPageToken": str(page + 1)} if more else {})}
            )
        else:
            self._say({}, 404)

    def do_POST(self) -> None:
        body = json.loads(self.body())
        self.server.asked.append(("POST", self.path, body))
        self._say(self._permissions(body["permissions"]), 200 if ":testIamPermissions" in self.path else 404)

    def _permissions(self, asked: list[str]) -> dict[str, Any]:
        had = [each for each in asked if each in self.server.had]
        return {"permissions": had} if had else {}  # Google leaves empty lists out

    def _say(self, answer: dict[str, Any], status: int = 200) -> None:
        self.say(self.server.status if self.server.status != 200 else status, answer)


@contextmanager
def google_answers() -> Iterator[Answers]:
    """A server that works until the block ends."""
    with serving(Answers()) as server:
        yield server
