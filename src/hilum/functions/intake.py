"""The function ``intake``: an object was finalized, so read its header where it lies and tell the engine of both in
one message. Headers are then read by as many instances as there is work for, and the engine opens no object.

It keeps nothing and decides nothing. The message follows from the object alone, so an event that comes twice gives it
twice, and the engine knows it by address and generation. What goes wrong goes one of three ways:

- It may pass (storage or Pub/Sub is away), or is no fault of the object (a missing role): it is raised, the request
  fails, and Eventarc delivers the event again.
- The object has no header that could be read: that is what the message says, and the engine quarantines it.
- The object is gone or was replaced: there is nothing to tell, and a newer generation has an event of its own.

What comes with other bytes than the event attests is left to the engine, which asks the bucket what is right; so is
what has no checksum in its event nor in its bucket.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from hilum.dicom.limits import changed
from hilum.engine.receive import GONE, received
from hilum.errors import HilumError, TerminalError, TransientError
from hilum.functions import environment
from hilum.kernel.clock import Clock, SystemClock
from hilum.kernel.logging import get_logger
from hilum.kernel.trace import Sampling, arrival_trace
from hilum.model.arrival import Arrival, Received
from hilum.sources.messages import Event, encode_arrival
from hilum.sources.notifications import FOLDER, MessageRefused, object_arrival
from hilum.sources.pubsub_client import Topic
from hilum.storage.archives import kind_of
from hilum.storage.gcs.objects import open_in_bucket
from hilum.storage.interface import ChecksumMismatch
from hilum.storage.listing import NOT_ITS_FAULT, entries_at

if TYPE_CHECKING:
    from hilum.ops.telemetry import SpanTeller
    from hilum.storage.objects import Opened

FINALIZED = "google.cloud.storage.object.v1.finalized"
SOURCE = "function"

log = get_logger(__name__)


class Intake:
    """The function in one instance, for any number of requests at once. Clients are made by the first of them, since
    the server forks after it has loaded the function."""

    def __init__(self, clock: Clock | None = None) -> None:
        environment.required(environment.ARRIVALS)
        self._clock = clock or SystemClock()

    def __call__(self, kind: str, data: Any, event: Event) -> str:
        """Handle an event; what became of it: ``sent``, ``gone``, ``refused`` or ``passed-over``.

        Args:
            kind: the event's type. data: its data, the object resource (google.events.cloud.storage.v1).

        Raises:
            TransientError: the event is to be delivered again.
        """
        if kind != FINALIZED:
            log.warning("an event of another kind was passed over")
            return "passed-over"
        try:
            arrival = object_arrival(data, self._clock.now(), SOURCE)
        except MessageRefused as error:
            self._refuse(data, error)
            return "refused"
        if arrival.uri.endswith("/"):
            log.info("an event was passed over", reason=FOLDER)
            return "passed-over"
        began = self._clock.now()
        item = arrival if kind_of(arrival.uri) else self._read(arrival)
        if isinstance(item, Received):
            self._tell(item, began)
        if isinstance(item, Received) and item.problem in GONE:
            log.info("the object is gone or was replaced", reason=item.problem)
            return "gone"
        if isinstance(item, Received) and item.problem in NOT_ITS_FAULT:
            raise TransientError(item.detail, reason=item.problem)
        if isinstance(item, Received) and item.problem == ChecksumMismatch.reason:
            item = arrival
        message = encode_arrival(item, event)
        self._arrivals.send(message.data, message.attributes)
        if isinstance(item, Received) and item.problem:
            log.info("no header", reason=item.problem)
        return "sent"

    @cached_property
    def _arrivals(self) -> Topic:
        topic = environment.topic(environment.ARRIVALS)
        assert topic is not None
        return topic

    @cached_property
    def _dead_letters(self) -> Topic | None:
        return environment.topic(environment.DEAD_LETTERS)

    @cached_property
    def _spans(self) -> tuple[SpanTeller, Sampling] | None:
        return environment.spans(self._clock)

    def _tell(self, item: Received, began: datetime) -> None:
        """The span of this reading, in the arrival's own trace: the engine's spans are beside it."""
        if self._spans is None:
            return
        from hilum.ops.spans import read_span

        teller, kept = self._spans
        arrival = item.arrival
        if kept.keeps(arrival_trace(arrival.uri, arrival.version)):
            teller.export([read_span(arrival.uri, arrival.version, began, self._clock.now(), item.problem)])

    def _read(self, arrival: Arrival) -> Arrival | Received:
        """The generation that the event tells of; what the event says of it need not be asked for. Where nobody says
        what its bytes are, it stays unread."""
        opened: Opened
        try:
            arrival = arrival if arrival.attested.crc32c else _attested(arrival)
            if not arrival.attested.crc32c:
                log.info("nobody says what the object's bytes are, so it is left to the engine")
                return arrival
            opened = open_in_bucket(arrival.uri, arrival)
        except TerminalError as error:
            opened = error
        return received(arrival, opened, digest=False)

    def _refuse(self, data: Any, error: MessageRefused) -> None:
        log.error("an event was refused", reason=error.reason)
        if self._dead_letters is not None:
            reasons = {"hilumReason": error.reason, "hilumDetail": error.message}
            self._dead_letters.send(json.dumps(data).encode(), reasons)


def _attested(arrival: Arrival) -> Arrival:
    """The same with what its bucket says of it now.

    Raises:
        UnreadableError: ``object-missing``, or ``changed-while-read``: another generation took its place.
        TransientError: as :func:`hilum.storage.listing.entries_at`.
    """
    [(_, entry)] = entries_at([arrival.uri])
    if isinstance(entry, TerminalError):
        raise entry
    if entry.version != arrival.version:
        raise changed()
    return replace(arrival, attested=entry.attested)


class CloudEvent(Protocol):
    """An event as functions-framework hands it over (CloudEvents 1.0)."""

    @property
    def data(self) -> Any: ...
    def get_attributes(self) -> Mapping[str, Any]: ...


def handler() -> Callable[[CloudEvent], None]:
    """What functions-framework calls with an event. Whatever takes time to import is imported when this returns."""
    environment.begin()
    for slow in ("google.cloud.storage", "google.cloud.pubsub_v1", "hilum.dicom.header"):
        import_module(slow)
    intake = Intake()

    def handle(event: CloudEvent) -> None:
        attributes = event.get_attributes()
        told = Event(attributes.get("time", ""), attributes.get("traceparent", ""))
        try:
            intake(attributes["type"], event.data, told)
        except HilumError as error:
            log.warning("the event is to be delivered again", reason=error.reason)
            raise

    return handle
