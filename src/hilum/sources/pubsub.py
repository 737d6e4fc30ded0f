"""Pub/Sub as a source: what buckets say of their objects, or what functions say that have read them.

A message is acknowledged once the ledger has what came of it, and no sooner; until then the client keeps its lease.
Work on it begins only afterwards. So an engine that is killed loses nothing: what it had not acknowledged comes
again, and what it had recorded of that is news to nobody. Memory is bounded by the messages that wait
(``pubsub_client``).

What cannot be understood never holds others up. It goes to a topic of its own, whole and with the reason, or is
acknowledged with a line in the log where there is no such topic.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from hilum.errors import UsageError
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.model.arrival import Arrival, Received
from hilum.sources.interface import SUBSCRIPTION, Source
from hilum.sources.messages import Message, decode
from hilum.sources.notifications import MessageRefused
from hilum.sources.pubsub_client import TAKEN, TOPIC, MessageTooLarge, Pulled, Subscription, Topic

ADDRESS = re.compile(SUBSCRIPTION + r"([a-z][a-z0-9:.-]{1,62}[a-z0-9])/([A-Za-z][A-Za-z0-9._~+%-]{2,254})")
SLICE = 2048
"""Messages in one look."""
ATTRIBUTES = 96
"""Of a refused message, that go along; Pub/Sub takes 100."""
SUPERSEDED = "superseded"
"""Why a message is passed over of which the object was replaced before anybody looked."""

log = get_logger(__name__)


class PubSubSource(Source):
    """What comes through a subscription.

    Args:
        address: ``pubsub://PROJECT/SUBSCRIPTION``.
        dead_letters: ``projects/P/topics/T`` for messages that cannot be understood; empty: they are only logged.

    Attributes:
        passed_over: how many messages brought no arrival, by code.

    Raises:
        UsageError: ``bad-subscription``.
    """

    name = "pubsub"

    def __init__(self, address: str, clock: Clock, dead_letters: str = "") -> None:
        found = ADDRESS.fullmatch(address)
        if found is None:
            raise UsageError(
                "the address of a subscription cannot be read",
                reason="bad-subscription",
                hint="write pubsub://PROJECT/SUBSCRIPTION",
            )
        if dead_letters and not TOPIC.fullmatch(dead_letters):
            raise UsageError(
                "dead_letters must be the full name of a topic",
                reason="bad-settings",
                hint="write projects/PROJECT/topics/TOPIC",
            )
        self._clock = clock
        self._name = f"projects/{found[1]}/subscriptions/{found[2]}"
        self._subscription = Subscription(self._name)
        self._dead_letters = dead_letters
        self._topic: Topic | None = None
        self._waiting: dict[tuple[str, str], list[Pulled]] = {}
        self.passed_over: Counter[str] = Counter()

    def scan(self) -> Iterator[Arrival | Received]:
        """What came since the last look, of each object its newest version; call it again and again. What is left of
        a look that broke off is given back before, and comes again."""
        self._give_back()
        if self._dead_letters and self._topic is None:
            self._topic = Topic(self._dead_letters)
        newest: dict[str, Arrival | Received] = {}
        before = self.passed_over.copy()
        for pulled in self._subscription.take(SLICE):
            if (item := self._understood(pulled)) is not None:
                self._put_in(newest, item, pulled)
        for code, number in (self.passed_over - before).items():
            log.info("messages passed over", reason=code, count=number)
        yield from newest.values()

    def recorded(self, arrivals: Sequence[Arrival]) -> None:
        """Acknowledge the messages that told of these."""
        for arrival in arrivals:
            for pulled in self._waiting.pop((arrival.uri, arrival.version), ()):
                pulled.ack()

    def close(self) -> None:
        """Give back what was not recorded, so that it comes to the next engine soon: when its lease is over at the
        latest, since what is given back may come to a stream of ours that is about to end."""
        if self._topic is not None:
            self._topic.close()
            self._topic = None
        self._give_back()
        self._subscription.close()

    def _give_back(self) -> None:
        for pulled in chain.from_iterable(self._waiting.values()):
            pulled.nack()
        self._waiting.clear()

    def _understood(self, pulled: Pulled) -> Arrival | Received | None:
        try:
            item = decode(Message(pulled.data, pulled.attributes), self._clock.now(), self.name)
        except MessageRefused as error:
            self._refuse(pulled, error)
            return None
        if isinstance(item, str):
            self.passed_over[item] += 1
            pulled.ack()
            return None
        return item

    def _put_in(
        self, newest: dict[str, Arrival | Received], item: Arrival | Received, pulled: Pulled
    ) -> None:
        """Versions of an object only grow, so the older one of two is past; of two that tell of the same version, the
        one with the header counts."""
        arrival = _arrival(item)
        other = newest.get(arrival.uri)
        if other is not None and int(_arrival(other).version) > int(arrival.version):
            self.passed_over[SUPERSEDED] += 1
            pulled.ack()
            return
        if other is not None and _arrival(other).version != arrival.version:
            self.passed_over[SUPERSEDED] += 1
            self.recorded([_arrival(other)])
        self._waiting.setdefault((arrival.uri, arrival.version), []).append(pulled)
        if other is None or _arrival(other).version != arrival.version or isinstance(item, Received):
            newest[arrival.uri] = item

    def _refuse(self, pulled: Pulled, error: MessageRefused) -> None:
        self.passed_over[error.reason] += 1
        if self._topic is None:
            log.warning("a message was refused", reason=error.reason, bytes=len(pulled.data))
            pulled.ack()
            return
        attributes = dead_letter_attributes(pulled.attributes, error, self._name, pulled.message_id)
        try:
            self._topic.publish(
                pulled.data, attributes, lambda there: pulled.ack() if there else pulled.nack()
            )
        except MessageTooLarge as too_large:
            log.error("a message was refused and lost", reason=too_large.reason, bytes=len(pulled.data))
            pulled.ack()


def dead_letter_attributes(
    attributes: Mapping[str, str], error: MessageRefused, subscription: str, message_id: str
) -> dict[str, str]:
    """Those of a refused message, as far as somebody else may set them, and why it was refused."""
    kept = [
        (f"message-{key}" if key in TAKEN else key, value)
        for key, value in attributes.items()
        if key and not key.startswith("goog")
    ]
    reasons = {
        "hilumReason": error.reason,
        "hilumDetail": error.message,
        "hilumSubscription": subscription,
        "hilumMessageId": message_id,
    }
    return dict(kept[:ATTRIBUTES]) | reasons


def _arrival(item: Arrival | Received) -> Arrival:
    return item.arrival if isinstance(item, Received) else item
