"""Credentials that are less than one's own: a token good for named objects of named buckets, for as long as an hour.

It is made by Google's Security Token Service from one's own token and a Credential Access Boundary (Google's
documentation: "Downscope credentials to restrict access to Cloud Storage"), and travels as a small file of JSON. Only
Cloud Storage knows such boundaries, and only buckets with uniform access.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hilum.errors import TerminalError, TransientError

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.downscoped import CredentialAccessBoundary
    from google.auth.transport import Request

TOKEN_FILE = "HILUM_GCS_TOKEN"
"""Variable that names a token's file; without it credentials are Application Default Credentials."""
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
MOST_RULES = 10
"""Rules that Google takes in a boundary."""
TOO_MANY, SERVERS_FAULT = 429, 500
MOST_NAMES = 10
"""Alternatives in a condition; IAM's conditions take twelve logical operators."""

READ, CREATE, WRITE = "roles/storage.objectViewer", "roles/storage.objectCreator", "roles/storage.objectUser"


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be done with some objects of a bucket.

    Attributes:
        role: at most its permissions, and of them those that one has oneself.
        names: of objects, whole.
        prefixes: that objects' names begin with; an empty one is every object of the bucket.
    """

    bucket: str
    role: str
    names: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()

    @property
    def condition(self) -> str:
        """CEL over ``resource.name``. Where the names are too many, what they begin with stands for all of them."""
        names, prefixes = self.names, self.prefixes
        if len(names) + len(prefixes) > MOST_NAMES:
            # Letter by letter, for names of objects are no paths.
            names, prefixes = (), (os.path.commonprefix([*names, *prefixes]),)  # noqa: RUF071
        objects = f"projects/_/buckets/{self.bucket}/objects/"
        return " || ".join(
            [f"resource.name == {_quoted(objects + name)}" for name in names]
            + [f"resource.name.startsWith({_quoted(objects + prefix)})" for prefix in prefixes]
        )


def boundary(rules: Sequence[Rule]) -> CredentialAccessBoundary:
    """The rules as Google has them: what any of them allows is allowed.

    Raises:
        TerminalError: ``too-many-buckets``.
    """
    from google.auth.downscoped import AccessBoundaryRule, AvailabilityCondition, CredentialAccessBoundary

    if len(rules) > MOST_RULES:
        raise TerminalError(
            f"an attempt needs {len(rules)} rules for its credentials, and Google takes {MOST_RULES}",
            reason="too-many-buckets",
            hint="keep the instances of a series in fewer buckets",
        )
    return CredentialAccessBoundary(
        [
            AccessBoundaryRule(  # type: ignore[no-untyped-call]
                available_resource=f"//storage.googleapis.com/projects/_/buckets/{rule.bucket}",
                available_permissions=[f"inRole:{rule.role}"],
                availability_condition=AvailabilityCondition(rule.condition),  # type: ignore[no-untyped-call]
            )
            for rule in rules
        ]
    )


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; its text is in no representation."""

    text: str
    expires: datetime

    def __repr__(self) -> str:
        return f"Token(expires={self.expires.isoformat()})"

    def data(self) -> bytes:
        """As it travels."""
        return json.dumps({"token": self.text, "expires": self.expires.isoformat()}).encode()


class Broker:
    """Makes lesser tokens of the credentials that this process has.

    Args:
        source: one's own credentials; by default Application Default Credentials.
        request: how Google is asked; by default over the network.
    """

    def __init__(self, source: Credentials | None = None, request: Request | None = None) -> None:
        self._source = source
        self._request = request

    def mint(self, rules: Iterable[Rule]) -> Token:
        """A token for what the rules allow. It lives as long as the token that it was made of.

        Raises:
            TransientError: ``credentials-unavailable``: Google does not answer now. TerminalError:
            ``storage-credentials``: there is nothing to make it of, or Google refuses.
        """
        from google.auth.downscoped import Credentials
        from google.auth.exceptions import GoogleAuthError, TransportError

        within = boundary(tuple(rules))
        try:
            found: Any = Credentials(self._own(), within)  # type: ignore[no-untyped-call]
            found.refresh(_or_passing(self._asked()))
        except TransportError:
            raise _unavailable() from None
        except GoogleAuthError as error:
            if error.retryable:
                raise _unavailable() from None
            raise TerminalError(
                "no credentials for an attempt can be made of the engine's own",
                reason="storage-credentials",
                hint="the engine acts as a service account, by Workload Identity or its machine",
            ) from None
        return Token(found.token, found.expiry.replace(tzinfo=UTC))

    def _own(self) -> Any:
        import google.auth

        if self._source is None:
            self._source, _ = google.auth.default(scopes=[SCOPE])
        return self._source

    def _asked(self) -> Request:
        from google.auth.transport.requests import Request

        if self._request is None:
            self._request = Request()
        return self._request


def from_file(path: Path) -> Credentials:
    """Credentials that are what a token's file says whenever they are needed: somebody renews the file."""
    from google.oauth2.credentials import Credentials

    def handler(request: object, scopes: object = None) -> tuple[str, datetime]:
        found = json.loads(path.read_text())
        expires = datetime.fromisoformat(found["expires"])
        if expires <= datetime.now(UTC):
            raise TransientError(
                "the attempt's credentials have run out",
                reason="credentials-expired",
                hint="the engine renews them; was it away for long?",
            )
        return found["token"], expires.replace(tzinfo=None)

    return Credentials(token=None, refresh_handler=handler)  # type: ignore[no-untyped-call]


def _or_passing(request: Request) -> Request:
    """The same, but an answer that may be another one later is an error of transport; Google's library tells the two
    apart for the metadata server alone."""

    def ask(*arguments: Any, **named: Any) -> Any:
        from google.auth.exceptions import TransportError

        response = request(*arguments, **named)
        if response.status == TOO_MANY or response.status >= SERVERS_FAULT:
            raise TransportError("busy")  # type: ignore[no-untyped-call]
        return response

    return cast("Request", ask)


def _unavailable() -> TransientError:
    return TransientError(
        "credentials for an attempt cannot be made now",
        reason="credentials-unavailable",
        hint="if it lasts, see the way to sts.googleapis.com and to the metadata server",
    )


def _quoted(text: str) -> str:
    """A text as CEL writes it, which takes JSON's escapes."""
    return json.dumps(text, ensure_ascii=False)
