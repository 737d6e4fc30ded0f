"""One registry, spoken to over HTTP: manifests and blobs, each held against its digest, and the way to be let in."""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from http.client import HTTPException, HTTPResponse
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from hilum.errors import TransientError, UsageError
from hilum.executors.registry.credentials import Credentials
from hilum.executors.registry.reference import Reference
from hilum.kernel.retry import backoff_seconds

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
LARGEST_DOCUMENT = 4 << 20
"""Bytes of a manifest or configuration; what the specification asks registries to take at least."""

TIMEOUT = 30.0
TRIES = 4
FIRST_WAIT = 0.2
CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class RegistryClient:
    """The repository of one reference.

    Raises (all of its methods):
        UsageError: ``image-missing``, ``image-refused``, ``image-unreadable``.
        TransientError: ``registry-unreachable``.
    """

    def __init__(self, reference: Reference, credentials: Credentials | None) -> None:
        self._base = f"{reference.endpoint}/v2/{reference.repository}"
        self._credentials = credentials
        self._authorization = ""

    def digest(self, wanted: str) -> str:
        """The digest of the manifest that a tag names now."""
        with self._open(f"manifests/{wanted}", "HEAD") as answer:
            return answer.headers.get("Docker-Content-Digest") or self.manifest(wanted)[0]

    def manifest(self, wanted: str) -> tuple[str, dict[str, Any]]:
        """A manifest or index with its digest."""
        with self._open(f"manifests/{wanted}") as answer:
            data = _whole(answer)
        digest = f"sha256:{sha256(data).hexdigest()}"
        if wanted.startswith("sha256:") and wanted != digest:
            raise unreadable("the registry gave another manifest than was asked for")
        return digest, _document(data)

    def config(self, digest: str) -> dict[str, Any]:
        """The configuration of an image."""
        with self.blob(digest) as answer:
            data = _whole(answer)
        if digest != f"sha256:{sha256(data).hexdigest()}":
            raise unreadable("the registry gave another configuration than was asked for")
        return _document(data)

    def blob(self, digest: str) -> HTTPResponse:
        """A blob as it comes; whoever reads it checks its digest."""
        return self._open(f"blobs/{digest}")

    def _open(self, path: str, method: str = "GET") -> HTTPResponse:
        headers = {"Accept": ", ".join(INDEXES + MANIFESTS)} if path.startswith("manifests/") else {}
        request = Request(f"{self._base}/{path}", method=method, headers=headers)
        for _ in range(2):
            if self._authorization:
                # A blob may be elsewhere, and whoever has it is not to see this.
                request.add_unredirected_header("Authorization", self._authorization)
            try:
                return opened(request)
            except HTTPError as error:
                with error:
                    known = self._authorization
                    if error.code == 401:
                        self._authorization = self._let_in(error.headers.get_all("WWW-Authenticate") or [])
                    if error.code != 401 or self._authorization in ("", known):
                        raise _refused(error.code) from None
        raise _refused(401)

    def _let_in(self, challenges: list[str]) -> str:
        """The Authorization header that answers one of these; empty where there is none."""
        for challenge in challenges:
            kind, _, rest = challenge.partition(" ")
            if kind.lower() == "bearer":
                return f"Bearer {self._token(dict(CHALLENGE.findall(rest)))}"
            if kind.lower() == "basic" and self._credentials and self._credentials.user:
                return _basic(self._credentials)
        return ""

    def _token(self, challenge: Mapping[str, str]) -> str:
        realm = challenge.get("realm", "")
        if not realm.startswith("https://") and self._base.startswith("https://"):
            raise _refused(401)
        asked = {name: challenge[name] for name in ("service", "scope") if challenge.get(name)}
        known = self._credentials
        if known and known.identity_token:
            form = {**asked, "grant_type": "refresh_token", "refresh_token": known.identity_token}
            request = Request(realm, urlencode({**form, "client_id": "hilum"}).encode())
        else:
            request = Request(f"{realm}{'&' if '?' in realm else '?'}{urlencode(asked)}")
            if known:
                request.add_unredirected_header("Authorization", _basic(known))
        try:
            with opened(request) as answer:
                said = _document(_whole(answer))
        except HTTPError as error:
            with error:
                raise _refused(error.code) from None
        return str(said.get("token") or said.get("access_token") or "")


def opened(request: Request) -> HTTPResponse:
    """The answer to a request, tried a few times where the registry is busy or the network broken."""
    for attempt in range(1, TRIES + 1):
        try:
            return cast(HTTPResponse, urlopen(request, timeout=TIMEOUT))
        except HTTPError as error:
            if error.code < 500 and error.code != 429:
                raise
            error.close()
            why = f"answers {error.code}"
        except (OSError, HTTPException):
            why = "cannot be reached"
        if attempt < TRIES:
            time.sleep(backoff_seconds(attempt, base=FIRST_WAIT))
    raise unreachable(why)


def unreachable(why: str) -> TransientError:
    return TransientError(
        f"the registry {why}", reason="registry-unreachable", hint="check its name and the network"
    )


def unreadable(why: str, hint: str = "") -> UsageError:
    """An image that cannot be understood."""
    return UsageError(why, reason="image-unreadable", hint=hint)


def _refused(status: int) -> UsageError:
    if status in (401, 403):
        return UsageError(
            "the registry refuses access to the image", reason="image-refused", hint="see `docker login`"
        )
    if status == 404:
        return UsageError(
            "the registry has no such image", reason="image-missing", hint="check its name and tag"
        )
    return unreadable(f"the registry refuses the request ({status})")


def _basic(credentials: Credentials) -> str:
    return "Basic " + b64encode(f"{credentials.user}:{credentials.password}".encode()).decode()


def _whole(answer: HTTPResponse) -> bytes:
    data = answer.read(LARGEST_DOCUMENT)
    if answer.length and len(data) < LARGEST_DOCUMENT:
        raise unreachable("breaks off")
    return data


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise unreadable("what the registry gave is no JSON document")
    return document
