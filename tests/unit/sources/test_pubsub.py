"""Messages of any kind, as Google's client hands them over: none ends whoever looks, and none is left unanswered.

What stands in for the client's messages here is needed because no emulator takes thousands of them in a moment.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hilum.engine.intake import Intake
from hilum.kernel.clock import ManualClock
from hilum.ledger import open_ledger
from hilum.ledger.interface import Ledger
from hilum.model.arrival import Arrival, Received
from hilum.model.content import Attested
from hilum.sources.messages import encode_arrival
from hilum.sources.notifications import MessageRefused
from hilum.sources.pubsub import PubSubSource, dead_letter_attributes
from hilum.sources.pubsub_client import TAKEN, Subscription

NOW = ManualClock().now()


@dataclass
class Told:
    """A message, and how often it was answered for."""

    data: bytes
    attributes: Mapping[str, str]
    message_id: str = "1"
    answers: Counter[str] = field(default_factory=Counter)

    def ack(self) -> None:
        self.answers["ack"] += 1

    def nack(self) -> None:
        self.answers["nack"] += 1


class Handed(Subscription):
    """A subscription to which messages are handed, rather than pulled by its client."""

    def _stream(self) -> None:
        return


def source_of(*messages: Told) -> PubSubSource:
    source = PubSubSource("pubsub://project/lane", ManualClock())
    source._subscription = Handed("projects/project/subscriptions/lane")
    source._subscription._came.extend(messages)
    return source


any_text = some.text(some.characters(), max_size=8)  # lone surrogates too, which JSON can write
leaves = (
    some.none()
    | some.booleans()
    | some.integers()
    | some.sampled_from([1 << 63, -1, 10**30, float("nan"), float("inf"), "9" * 19, "\u00b2", "\ud800", "\0"])
    | any_text
)
anything = some.recursive(
    leaves,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(any_text, inner, max_size=3),
    max_leaves=5,
)
RESOURCE = {"bucket": "inbox", "name": "a", "generation": "1", "size": "1", "crc32c": "AAAAAA=="}
NOTIFIED = {"eventType": "OBJECT_FINALIZE", "bucketId": "inbox"}
ARRIVED = json.loads(encode_arrival(Arrival("gs://inbox/a", 1, "1", NOW, "x", Attested("AAAAAA=="))).data)
PROBLEM = {"problem": {"reason": "truncated", "ignored": False, "detail": ""}}
OURS = {"hilumMessage": "arrival", "hilumSchema": "1"}


def told(document: Any, attributes: Mapping[str, str]) -> Told:
    return Told(json.dumps(document).encode(), attributes)


notifications = some.builds(
    lambda name, value: told(RESOURCE | {name: value}, NOTIFIED),
    some.sampled_from([*RESOURCE, "md5Hash"]),
    anything,
)
arrivals = some.builds(
    lambda name, value, more: told(ARRIVED | more | {name: value}, OURS),
    some.sampled_from([*ARRIVED, "header"]),
    anything,
    some.sampled_from([{}, PROBLEM]),
)
problems = some.builds(
    lambda name, value: told(ARRIVED | {"problem": PROBLEM["problem"] | {name: value}}, OURS),
    some.sampled_from(["reason", "ignored", "detail"]),
    anything,
)
bytes_and_all = some.builds(
    Told,
    some.binary(max_size=100) | some.integers(1, 20_000).map(lambda deep: b"[" * deep),
    some.dictionaries(
        some.sampled_from([*NOTIFIED, *OURS, "hilumEncoding", "hilumOrigin", "payloadFormat", "topic"]),
        some.sampled_from([*NOTIFIED.values(), *OURS.values(), "zlib", "\0", "\ud800"]),
    ),
)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = open_ledger(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.sqlite'}")
    yield ledger
    ledger.close()


@given(some.lists(notifications | arrivals | problems | bytes_and_all, max_size=8))
def test_no_message_whatever_ends_a_look_and_what_comes_of_it_the_ledger_takes(
    ledger: Ledger, messages: list[Told]
) -> None:
    source = source_of(*messages)
    found = list(source.scan())
    read = [
        item if isinstance(item, Received) else Received(item, problem="truncated", detail="")
        for item in found
    ]
    Intake(ledger, ManualClock()).take_read(read)
    source.recorded([item.arrival for item in read])
    assert all(message.answers == {"ack": 1} for message in messages)


def test_what_a_look_left_that_broke_off_is_given_back_once_and_what_was_recorded_is_not() -> None:
    messages = [told(RESOURCE | {"name": name}, NOTIFIED) for name in "ab"]
    source = source_of(*messages)
    first, _ = source.scan()
    assert isinstance(first, Arrival)
    source.recorded([first])
    for _ in range(2):
        assert list(source.scan()) == []
    assert [dict(message.answers) for message in messages] == [{"ack": 1}, {"nack": 1}]


def test_one_that_its_topic_can_never_take_is_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    """That it is too large Google's client finds out by itself, so nobody need listen at that address."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")
    message = Told(bytes(9_999_850), {})
    source = source_of(message)
    source._dead_letters = "projects/project/topics/dead"
    assert list(source.scan()) == []
    assert message.answers == {"ack": 1}
    source.close()


def test_a_dead_letter_keeps_attributes_that_the_client_has_a_name_for() -> None:
    given = dict.fromkeys(TAKEN, "theirs") | {"of": "theirs", "googclient_x": "1", "": "x"}
    kept = dead_letter_attributes(given, MessageRefused("no"), "lane", "1")
    assert {name for name, value in kept.items() if value == "theirs"} == {
        "of", *(f"message-{name}" for name in TAKEN)
    }  # fmt: skip
