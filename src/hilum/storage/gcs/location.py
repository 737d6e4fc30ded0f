"""What an address of a bucket says: where its objects are, and how they are to be asked for and kept.

    gs://bucket/prefix?user_project=billed&kms_key=projects/P/locations/L/keyRings/R/cryptoKeys/K

In the prefix, ``?``, ``#`` and ``%`` are percent-encoded.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from urllib.parse import parse_qsl, quote, unquote, urlencode

from hilum.errors import UsageError
from hilum.kernel.address import BUCKET_SCHEME
from hilum.kernel.nearest import did_you_mean

BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
KMS_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")


@dataclass(frozen=True, slots=True)
class GcsOptions:
    """How a bucket is used.

    Attributes:
        user_project: the project that pays, where a bucket makes the requester pay.
        kms_key: the customer-managed key that objects are encrypted with; empty: the bucket's own choice.
    """

    user_project: str = ""
    kms_key: str = ""


@dataclass(frozen=True, slots=True)
class GcsLocation:
    """Objects of a bucket whose names begin with ``prefix``, which is empty or ends with a slash."""

    bucket: str
    prefix: str = ""
    options: GcsOptions = GcsOptions()

    @classmethod
    def of(cls, uri: str) -> GcsLocation:
        """The location of this address; UsageError ``bad-bucket-address``."""
        place, _, query = uri.removeprefix(BUCKET_SCHEME).partition("?")
        bucket, _, path = place.partition("/")
        if not BUCKET.fullmatch(bucket):
            raise _bad("it names no bucket")
        prefix = unquote(path).strip("/")
        if not {"", ".", ".."}.isdisjoint(prefix.split("/")) and prefix:
            raise _bad("a part of its path is empty, '.' or '..'")
        return cls(bucket, f"{prefix}/" if prefix else "", _options(query))

    @property
    def uri(self) -> str:
        """The address, written as :meth:`of` reads it."""
        query = urlencode({key: value for key, value in asdict(self.options).items() if value}, safe="/")
        path = quote(self.prefix.rstrip("/"))
        return f"{BUCKET_SCHEME}{self.bucket}" + (f"/{path}" if path else "") + (f"?{query}" if query else "")


def _options(query: str) -> GcsOptions:
    known = [field.name for field in fields(GcsOptions)]
    given = dict(parse_qsl(query, keep_blank_values=True))
    for key in given:
        if key not in known:
            raise _bad(f"{key!r} is no option of a bucket", did_you_mean(key, known))
    options = GcsOptions(**given)
    if options.kms_key and not KMS_KEY.fullmatch(options.kms_key):
        hint = "write projects/P/locations/L/keyRings/R/cryptoKeys/K"
        raise _bad("its kms_key is no name of a key", hint)
    return options


def _bad(why: str, hint: str = "write gs://bucket/prefix") -> UsageError:
    return UsageError(
        f"the address of a bucket cannot be read: {why}", reason="bad-bucket-address", hint=hint
    )
