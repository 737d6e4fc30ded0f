"""Questions to Google's REST APIs, with the credentials that this process has. The one module of these checks that
knows Google's library; emulators are found by Google's own variables, and get no credentials.

What an answer says in words may hold names, so of a refusal only its status is told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from hilum.errors import TerminalError, TransientError, UsageError

if TYPE_CHECKING:
    from requests import Response, Session

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
EMULATORS = {
    "storage": "STORAGE_EMULATOR_HOST",
    "pubsub": "PUBSUB_EMULATOR_HOST",
    "bigquery": "BIGQUERY_EMULATOR_HOST",
}
TIMEOUT = (10.0, 30.0)
"""Seconds to connect, and between two signs of life of an answer."""
TOO_MANY, SERVERS_FAULT = 429, 500


class ResourceMissing(TerminalError):
    """What was asked for is not there."""

    reason = "google-missing"


class Google:
    """Google's APIs.

    Args:
        hosts: addresses of services by their names; those that are not named are Google's, or an emulator's.
    """

    def __init__(self, hosts: Mapping[str, str] | None = None) -> None:
        self._hosts = {
            name: _address(os.environ[each]) for name, each in EMULATORS.items() if each in os.environ
        }
        self._hosts |= hosts or {}

    def get(self, service: str, path: str, **parameters: Any) -> dict[str, Any]:
        """The answer's JSON. Errors are those of :meth:`post`."""
        return self._said(
            lambda session, to: session.get(to, params=parameters, timeout=TIMEOUT), service, path
        )

    def post(self, service: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer's JSON.

        Raises:
            ResourceMissing: 404. TerminalError: ``google-refused`` for 401 and 403, ``google-answer`` for others,
            ``google-credentials``. TransientError: ``google-unreachable``.
        """
        return self._said(lambda session, to: session.post(to, json=body, timeout=TIMEOUT), service, path)

    def time(self) -> datetime:
        """What time it is at Cloud Storage, in whole seconds: the header ``Date`` (RFC 9110) of any answer."""
        response = self._asked(lambda session, to: session.get(to, timeout=TIMEOUT), "storage", "/")
        return parsedate_to_datetime(response.headers["Date"])

    def _said(self, ask: Callable[[Session, str], Response], service: str, path: str) -> dict[str, Any]:
        response = self._asked(ask, service, path)
        status = response.status_code
        if status == 404:
            raise ResourceMissing("it is not there", hint="make it, or check its name")
        if status in (401, 403):
            raise TerminalError(
                "Google refuses to tell",
                reason="google-refused",
                hint="ask as somebody who may look, and see that the API is enabled in the project",
            )
        if status == TOO_MANY or status >= SERVERS_FAULT:
            raise _unreachable()
        if status >= 300:
            raise TerminalError(
                f"Google answers {status}", reason="google-answer", hint="check the addresses"
            )
        found: dict[str, Any] = response.json()
        return found

    def _asked(self, ask: Callable[[Session, str], Response], service: str, path: str) -> Response:
        try:
            import requests
            from google.auth.exceptions import GoogleAuthError
        except ImportError:
            raise UsageError(
                "a project of Google's is asked with Google's library",
                reason="extra-missing",
                hint="pip install 'hilum[google]'",
            ) from None

        emulated = service in self._hosts
        try:
            session = requests.Session() if emulated else _session()
            return ask(session, self._hosts.get(service, f"https://{service}.googleapis.com") + path)
        except requests.RequestException:
            raise _unreachable() from None
        except GoogleAuthError as error:
            if error.retryable:
                raise _unreachable() from None
            raise TerminalError(
                "there are no credentials that Google takes",
                reason="google-credentials",
                hint="run `gcloud auth application-default login`, or give the machine a service account",
            ) from None


@cache
def _session() -> Session:
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(scopes=[SCOPE])
    session: Session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
    return session


def _address(host: str) -> str:
    return host if "://" in host else f"http://{host}"


def _unreachable() -> TransientError:
    return TransientError(
        "Google cannot be reached, or does not answer now",
        reason="google-unreachable",
        hint="see the network; a private one needs Private Google Access",
    )
