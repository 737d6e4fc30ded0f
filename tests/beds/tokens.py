"""Stands in for two things of Google's that no server here has: the Security Token Service, which makes lesser tokens
of one's own, and Cloud Storage's obedience to them.

The token service is a server that takes the exchange as Google documents it and remembers the boundary of each token
that it gave. The gate is a rule for beds/faults.py's proxy before a storage server: it lets a request pass if the
boundary of its token allows it, with CEL evaluated by CEL's own package. What Google does beyond its documentation is
not shown by either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, unquote

from google.auth.transport.requests import Request as Asking
from google.oauth2.credentials import Credentials

from beds.faults import Refused, Request
from beds.serving import JsonHandler, serving
from hilum.pipeline.cel import Program
from hilum.storage.gcs.credentials import Broker

GOOGLES = "https://sts.googleapis.com"
OWN = "the-engines-own-token"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
PERMISSIONS = {
    "inRole:roles/storage.objectViewer": {"get"},
    "inRole:roles/storage.objectCreator": {"create"},
    "inRole:roles/storage.objectUser": {"get", "create", "delete"},
}


class TokenService(ThreadingHTTPServer):
    """The stand-in for sts.googleapis.com. ``given``: boundaries by token; ``status``: what it answers with.

    Args:
        lifetime: of the engine's own token, and so of those made of it.
    """

    def __init__(self, lifetime: timedelta = timedelta(hours=1)) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lifetime = lifetime
        self.status = 200
        self.asked: list[dict[str, str]] = []
        self.given: dict[str, list[dict[str, Any]]] = {}
        self.numbers = count(1)

    @property
    def host(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def broker(self) -> Broker:
        """A broker that asks here instead of at Google's."""
        return broker_at(self.host, self.lifetime)


def broker_at(host: str, lifetime: timedelta = timedelta(hours=1)) -> Broker:
    """A broker that asks a token service instead of Google's, also one of another process."""

    class There(Asking):
        def __call__(self, url: str, *arguments: Any, **named: Any) -> Any:
            return super().__call__(url.replace(GOOGLES, host), *arguments, **named)

    def own(request: object, scopes: object = None) -> tuple[str, datetime]:
        return OWN, (datetime.now(UTC) + lifetime).replace(tzinfo=None)

    return Broker(Credentials(token=None, refresh_handler=own), There())


class _Handler(JsonHandler):
    server: TokenService

    def do_POST(self) -> None:
        body = self.body().decode()
        asked = {name: values[0] for name, values in parse_qs(body).items()}
        self.server.asked.append({"path": self.path, **asked})
        answer: dict[str, Any] = {"error": "invalid_grant"}
        if self.server.status == 200:
            token = f"lesser-{next(self.server.numbers)}"
            options = json.loads(unquote(asked["options"]))
            self.server.given[token] = options["accessBoundary"]["accessBoundaryRules"]
            answer = {"access_token": token, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer"}
        self.say(self.server.status, answer)


@contextmanager
def token_service() -> Iterator[TokenService]:
    """A token service that works until the block ends."""
    with serving(TokenService()) as service:
        yield service


class Gate:
    """Refuses what a token's boundary does not allow; ``passed`` and ``refused`` hold what was asked."""

    def __init__(self, given: Mapping[str, list[dict[str, Any]]]) -> None:
        self._given = given
        self.passed: list[tuple[str, str]] = []
        self.refused: list[tuple[str, str]] = []

    def __call__(self, request: Request) -> Refused | None:
        token = {n.lower(): v for n, v in request.headers.items()}.get("authorization", "").removeprefix(
            "Bearer "
        )
        if token == OWN:
            return None
        action, bucket, name = _wanted(request)
        if any(_allows(rule, action, bucket, name) for rule in self._given.get(token, ())):
            self.passed.append((action, name))
            return None
        self.refused.append((action, name))
        return Refused(403 if token in self._given else 401)


def _wanted(request: Request) -> tuple[str, str, str]:
    """What is to be done with which object of which bucket."""
    found = re.fullmatch(r"/(?:upload|download)?/?storage/v1/b/([^/]+)/o(?:/(.+))?", request.path)
    if found is None:
        return "other", "", ""
    bucket, name = found[1], unquote(found[2] or "")
    if request.method == "GET":
        return ("get" if name else "list"), bucket, name
    if request.method == "DELETE":
        return "delete", bucket, name
    named = request.query.get("name") or re.findall(
        r'"name": ?"((?:[^"\\]|\\.)*)"', request.body.decode("latin-1")
    )
    return "create", bucket, named[0] if named else ""


def _allows(rule: Mapping[str, Any], action: str, bucket: str, name: str) -> bool:
    if rule["availableResource"] != f"//storage.googleapis.com/projects/_/buckets/{bucket}":
        return False
    if not any(action in PERMISSIONS[each] for each in rule["availablePermissions"]):
        return False
    text = rule["availabilityCondition"]["expression"].replace("resource.name", "resource_name")
    full = f"projects/_/buckets/{bucket}/objects/{name}"
    return Program(text, {"resource_name": "string"}).true({"resource_name": full})
