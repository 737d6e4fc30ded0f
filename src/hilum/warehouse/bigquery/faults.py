"""What errors of Google's BigQuery clients mean: what may pass, by itself or by somebody's doing, and what will not.

What a server says in an error may quote a value, so only its kind is passed on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hilum.errors import UsageError
from hilum.warehouse.interface import WarehouseUnavailable

EMULATOR = "BIGQUERY_EMULATOR_HOST"
BUSY = frozenset(("quotaExceeded", "rateLimitExceeded", "backendError", "jobRateLimitExceeded"))
"""Reasons of BigQuery's error table that go by themselves."""
EXHAUSTED, REFUSED = 8, 3
"""google.rpc.Code: resource exhausted, invalid argument."""
DENIED = frozenset((7, 16))
"""google.rpc.Code: permission denied, unauthenticated."""
PASSING = frozenset((1, 2, 4, 10, 13, 14))
"""google.rpc.Code: cancelled, unknown, deadline exceeded, aborted, internal, unavailable."""
FROM_HTTP = {401: 16, 403: 7, 408: 4, 429: 8, 499: 1, 500: 13, 502: 14, 503: 14, 504: 4}
"""The google.rpc.Code of a status of HTTP; all others are about the request."""


class RequestRefused(Exception):
    """BigQuery does not take a request; it will not take it again either.

    Attributes:
        told: the kind of the error, as a message may have it. reason, message: Google's own.
    """

    def __init__(self, told: str, reason: str, message: str) -> None:
        super().__init__(told)
        self.told, self.reason, self.message = told, reason, message


@contextmanager
def meaning() -> Iterator[None]:
    """Google's errors as ours.

    Raises:
        WarehouseUnavailable: for what may pass: an outage, a quota, rights that somebody has to give.
        RequestRefused: for what will not.
    """
    try:
        import requests
        from google.api_core.exceptions import GoogleAPICallError, RetryError
        from google.auth.exceptions import GoogleAuthError
    except ImportError:
        raise missing() from None

    try:
        yield
    except RetryError as error:
        cause = error.cause if isinstance(error.cause, Exception) else ConnectionError()
        with meaning():
            raise cause from None
    except GoogleAPICallError as error:
        reason, rpc = _reason(error), error.grpc_status_code
        told = reason or (rpc.name if rpc else str(error.code))
        code = int(rpc.value[0]) if rpc else FROM_HTTP.get(error.code or 0, REFUSED)
        if reason in BUSY:
            code = EXHAUSTED
        if not is_about_the_request(error) and (outage := unavailable(code, told)):
            raise outage from None
        raise RequestRefused(told, reason, error.message or "") from None
    except (requests.RequestException, ConnectionError, TimeoutError, GoogleAuthError) as error:
        raise WarehouseUnavailable(f"BigQuery is not reached: {type(error).__name__}") from None


def unavailable(code: int, told: str) -> WarehouseUnavailable | None:
    """What an error means that may pass; None for one that will not.

    Args:
        code: a google.rpc.Code. told: what it is called in a message.
    """
    if code == EXHAUSTED:
        return WarehouseUnavailable(f"BigQuery takes no more for now: {told}", reason="warehouse-quota")
    if code in DENIED:
        return WarehouseUnavailable(
            f"BigQuery does not let us: {told}",
            reason="warehouse-denied",
            hint="docs/how-to/bigquery-warehouse.md says which roles are needed",
        )
    return WarehouseUnavailable(f"BigQuery answers {told}") if code in PASSING else None


def is_about_the_request(error: Any) -> bool:
    """What the emulator answers with 500 and BigQuery with 400: a mistake in SQL."""
    return (
        error.code == 500
        and _reason(error) in ("invalidQuery", "jobInternalError")
        and bool(os.environ.get(EMULATOR))
    )


def _reason(error: Any) -> str:
    return (
        str(error.errors[0].get("reason", "")) if error.errors and isinstance(error.errors[0], dict) else ""
    )


def missing() -> UsageError:
    """The error where Google's client is not installed."""
    return UsageError(
        "this home's warehouse is in BigQuery, and its client is not installed",
        reason="extra-missing",
        hint="install hilum[bigquery]",
    )
