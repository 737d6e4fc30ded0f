"""Traces to Cloud Trace without a collector: Google's Telemetry API takes OTLP over HTTP from whoever shows a token.

Nobody else is shown one, so a collector of one's own is spoken to as ever.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from requests import PreparedRequest, Session

HOST = "telemetry.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/trace.append"
"""What Google's reference of ``v1.traces`` asks for."""


def session(endpoint: str) -> Session | None:
    """What a request to Google's Telemetry API goes through; None where the endpoint is somebody else's."""
    if (urlsplit(endpoint).scheme, urlsplit(endpoint).hostname) != ("https", HOST):
        return None
    import requests

    made = requests.Session()
    made.auth = _Token()
    return made


class _Token:
    """Puts a token of the environment's own credentials on a request. What it raises where there are none is for the
    exporter, to which it is a request that failed."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        from google.auth.transport.requests import Request

        self._credentials.before_request(Request(), request.method, request.url, request.headers)
        return request

    @cached_property
    def _credentials(self) -> Any:
        import google.auth

        credentials, _ = google.auth.default(scopes=[SCOPE])
        return credentials
