"""The function ``sweep``: events get lost, so now and then somebody tells of all objects that a bucket has.

It lists, and publishes a notification as the bucket would have for each object that is old enough to have been told
of and young enough to matter. It does not know which of them the engine knows, and need not: for the engine a known
version is a look-up in the ledger and nothing more, and what it did not know comes in with the source ``sweep``, by
which losses are counted. So the function needs no way to the ledger, no secret and no version in common with it.
``hilum sweep`` compares with the ledger instead, where there is a machine that reaches it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from importlib import import_module
from typing import Any, Protocol

from hilum.errors import HilumError, UsageError
from hilum.functions import environment
from hilum.kernel.address import bucket_object
from hilum.kernel.clock import Clock, SystemClock
from hilum.kernel.logging import get_logger
from hilum.sources.messages import ORIGIN, Message
from hilum.sources.notifications import ARRIVED, PAYLOAD
from hilum.sources.pubsub_client import Topic
from hilum.storage.gcs.location import GcsLocation
from hilum.storage.listing import Entry, entries

BUCKET, WINDOW, GRACE = "HILUM_BUCKET", "HILUM_WINDOW", "HILUM_GRACE"
ALL = "all"
ORIGIN_NAME = "sweep"

log = get_logger(__name__)


@dataclass
class Swept:
    """What a sweep did: objects that were listed, and those that it told of."""

    listed: int = 0
    published: int = 0


class Sweep:
    """The function in one instance.

    Args:
        address: what is swept, ``gs://bucket/prefix``.
        window: seconds; objects that are older are left out. None: none are.
        grace: seconds; objects that are younger are left out, since their event may be under way.
    """

    def __init__(
        self, address: str, window: float | None, grace: float, topic: Topic, clock: Clock | None = None
    ) -> None:
        self._location = GcsLocation.of(address)
        self._window, self._grace = window, grace
        self._topic = topic
        self._clock = clock or SystemClock()

    def __call__(self) -> Swept:
        """Tell of what is there.

        Raises:
            TransientError: ``storage-unavailable``, ``pubsub-unavailable``. TerminalError: what else refuses.
        """
        swept = Swept()
        swept.published = self._topic.send_all(self._notifications(swept))
        log.info("swept", total=swept.listed, count=swept.published)
        return swept

    def _notifications(self, swept: Swept) -> Iterator[Message]:
        now = self._clock.now()
        before = now - timedelta(seconds=self._grace)
        after = None if self._window is None else now - timedelta(seconds=self._window)
        where = self._location
        for entry in entries(where.bucket, where.prefix, where.options.user_project):
            swept.listed += 1
            if entry.created <= before and (after is None or entry.created >= after):
                yield notification(entry)


def notification(entry: Entry) -> Message:
    """What the bucket would have said when it got this object."""
    bucket, name = bucket_object(entry.uri)
    resource = {
        "bucket": bucket,
        "name": name,
        "generation": entry.version,
        "size": str(entry.size),
        "md5Hash": entry.attested.md5,
        "crc32c": entry.attested.crc32c,
        "timeCreated": entry.created.isoformat(),
    }
    attributes = {
        "eventType": ARRIVED,
        "payloadFormat": PAYLOAD,
        "bucketId": bucket,
        "objectId": name,
        "objectGeneration": entry.version,
        "eventTime": entry.created.isoformat(),
        ORIGIN: ORIGIN_NAME,
    }
    return Message(json.dumps(resource).encode(), attributes)


class Request(Protocol):
    """A request as functions-framework hands it over."""

    def get_json(self, *, silent: bool) -> Any: ...


class Handler:
    """What functions-framework calls with a request: ``{"window": "26h"}`` or ``{"window": "all"}`` in its body is
    taken instead of the variable's."""

    def __init__(self) -> None:
        self._address = environment.required(BUCKET)
        GcsLocation.of(self._address)
        environment.required(environment.ARRIVALS)
        self._window = window_of(environment.optional(WINDOW, "26h"))
        self._grace = environment.seconds(environment.optional(GRACE, "10m"))

    def __call__(self, request: Request) -> tuple[Mapping[str, Any], int]:
        asked = request.get_json(silent=True)
        try:
            asks = isinstance(asked, Mapping) and "window" in asked
            window = window_of(str(asked["window"])) if asks else self._window
        except UsageError as error:
            return {"error": error.reason}, 400
        try:
            swept = Sweep(self._address, window, self._grace, self._topic)()
        except HilumError as error:
            log.error("the sweep ended early", reason=error.reason)
            return {"error": error.reason}, 503 if error.transient else 500
        return {"listed": swept.listed, "published": swept.published}, 200

    @cached_property
    def _topic(self) -> Topic:
        topic = environment.topic(environment.ARRIVALS)
        assert topic is not None
        return topic


def window_of(text: str) -> float | None:
    """A duration in seconds; None for ``all``."""
    return None if text == ALL else environment.seconds(text)


def handler() -> Callable[[Request], tuple[Mapping[str, Any], int]]:
    """What functions-framework calls with a request."""
    environment.begin()
    for slow in ("google.cloud.storage", "google.cloud.pubsub_v1"):
        import_module(slow)
    return Handler()
