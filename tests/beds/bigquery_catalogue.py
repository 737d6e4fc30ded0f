"""Where requests go that make and widen tables of any width: a server that keeps tables, none of their rows.

BigQuery's emulator has a limit of 2,000 columns (SQLite's), BigQuery one of 10,000. This server takes tables.insert,
get, list and patch as Google documents them (insert: 409 for what is there; patch: parts that are named replace
those that are kept), and holds every request against :mod:`beds.bigquery_rules`. No fault is made by it, and nothing
is shown of BigQuery beyond those rules.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

from beds.bigquery_rules import Resource, broken_by, broken_by_change
from beds.serving import JsonHandler, serving


class Catalogue(ThreadingHTTPServer):
    """``host``: what BIGQUERY_EMULATOR_HOST takes; ``tables``: by name, as they were made and changed last;
    ``changes``: what tables were changed by; ``broken``: the rules that requests broke."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.host = f"http://127.0.0.1:{self.server_port}"
        self.tables: dict[str, Resource] = {}
        self.changes: list[Resource] = []
        self.broken: list[str] = []

    def insert(self, table: Resource) -> tuple[int, Any]:
        """tables.insert."""
        name = table["tableReference"]["tableId"]
        if name in self.tables:
            return 409, {"error": {"code": 409, "errors": [{"reason": "duplicate"}]}}
        self.broken += broken_by(table)
        self.tables[name] = table
        return 200, table

    def patch(self, name: str, change: Resource) -> tuple[int, Any]:
        """tables.patch."""
        self.broken += broken_by_change(self.tables[name], change)
        self.changes.append(change)
        self.tables[name] |= change
        return 200, self.tables[name]


class _Handler(JsonHandler):
    server: Catalogue

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].partition("/tables")[2].lstrip("/")
        if not name:
            self.say(200, {"tables": list(self.server.tables.values())})
        elif name in self.server.tables:
            self.say(200, self.server.tables[name])
        else:
            self.say(404, {"error": {"code": 404, "errors": [{"reason": "notFound"}]}})

    def do_POST(self) -> None:
        body = json.loads(self.body())
        path = self.path.partition("?")[0]
        self.say(*(self.server.insert(body) if path.endswith("/tables") else (200, body)))

    def do_PATCH(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        self.say(*self.server.patch(name, json.loads(self.body())))


@contextmanager
def catalogue() -> Iterator[Catalogue]:
    """A server that works until the block ends."""
    with serving(Catalogue()) as server:
        yield server
