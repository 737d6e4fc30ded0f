"""Addresses as people name them, looked at before anything is made or asked. What is mistyped is told at once: else
it becomes a folder of that name, or an object that is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from hilum.errors import UsageError
from hilum.kernel.address import BUCKET_SCHEME, SCHEME, archive_of, is_in_bucket
from hilum.kernel.clock import Clock
from hilum.sources.bucket import Sweep, regex_of
from hilum.sources.inputs import ADDRESS, Inputs, named
from hilum.sources.interface import SUBSCRIPTION, Source
from hilum.storage.gcs.location import BUCKET

INPUTS = (SCHEME, BUCKET_SCHEME)
WATCHED = (*INPUTS, SUBSCRIPTION)


def inputs(paths: Sequence[str | Path], manifests: Iterable[str | Path], clock: Clock, home: Path) -> Source:
    """What is at these paths and in these lists; the home itself is left out."""
    check_inputs(paths)
    return Inputs(paths, clock, manifests=manifests, skip=[home])


def swept(addresses: Sequence[str], clock: Clock) -> Source:
    """What is in buckets at these addresses."""
    check_swept(addresses)
    return Sweep(named(addresses), clock)


def check_inputs(given: Iterable[str | Path]) -> None:
    """Paths, patterns and addresses that can be taken in.

    Raises:
        UsageError: ``unknown-scheme``, ``bad-bucket-address``.
    """
    _check(given, INPUTS)


def check_watched(given: Iterable[str | Path]) -> None:
    """Folders and addresses that can be watched; raises as :func:`check_inputs`."""
    _check(given, WATCHED)


def check_swept(addresses: Sequence[str]) -> None:
    """Addresses of buckets, and of what is in them.

    Raises:
        UsageError: ``not-in-a-bucket``, ``bad-bucket-address``.
    """
    for each in addresses:
        if not is_in_bucket(each):
            raise UsageError(
                f"a sweep looks at buckets, and {each} is none",
                reason="not-in-a-bucket",
                hint="write gs://BUCKET or gs://BUCKET/PREFIX; for a folder there is `hilum run`",
            )
        if archive := archive_of(each):
            raise UsageError(
                f"a sweep looks at objects, and {each} is a member of one",
                reason="not-in-a-bucket",
                hint=f"name the archive: {archive}",
            )
    _check(addresses, (BUCKET_SCHEME,))


def _check(given: Iterable[str | Path], schemes: tuple[str, ...]) -> None:
    for each in map(str, given):
        scheme = ADDRESS.match(each)
        if scheme and scheme[0] not in schemes:
            raise UsageError(
                f"{scheme[0]} addresses cannot be read here: {each}",
                reason="unknown-scheme",
                hint=f"there are {', '.join(schemes)} and paths",
            )
        if is_in_bucket(each):
            _check_bucket(each)


def _check_bucket(address: str) -> None:
    bucket, _, name = address.removeprefix(BUCKET_SCHEME).partition("/")
    if not BUCKET.fullmatch(bucket):
        raise UsageError(
            f"{address} names no bucket",
            reason="bad-bucket-address",
            hint="write gs://BUCKET or gs://BUCKET/PREFIX",
        )
    try:
        re.compile(regex_of(name))
    except re.error:
        raise UsageError(
            f"the pattern {address} cannot be read",
            reason="bad-bucket-address",
            hint="in brackets the smaller character comes first, as in [0-9]",
        ) from None
