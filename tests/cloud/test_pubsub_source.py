"""Messages of a real Pub/Sub emulator as arrivals: acknowledged once the ledger has them, and never lost before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hilum
from beds.engines import wait_until
from beds.pubsub import Lane
from hilum.app.home import Home
from hilum.engine.intake import IntakeReport
from hilum.errors import TerminalError, UsageError
from hilum.kernel.clock import SystemClock
from hilum.model.arrival import Arrival, Received
from hilum.model.content import Attested
from hilum.sources.messages import encode_arrival
from hilum.sources.pubsub import PubSubSource

MakeLane = Callable[..., Lane]
NOW = SystemClock().now()
HELD = 12.0
"""Seconds after which a message that nobody answers for comes again; the subscriptions here say 10."""


def resource(name: str, generation: int, size: int = 10) -> dict[str, str]:
    crc32c = f"AAAAA{generation % 10}=="
    return {
        "bucket": "inbox",
        "name": name,
        "generation": str(generation),
        "size": str(size),
        "crc32c": crc32c,
    }


def notify(lane: Lane, name: str, generation: int, event: str = "OBJECT_FINALIZE") -> None:
    attributes = {"eventType": event, "bucketId": "inbox", "payloadFormat": "JSON_API_V1"}
    lane.publish(json.dumps(resource(name, generation)).encode(), attributes)


def problem(name: str, generation: int = 1) -> Received:
    """An arrival that somebody has read in vain: the engine need not open it."""
    arrival = Arrival(f"gs://inbox/{name}", 10, str(generation), NOW, "pubsub", Attested("AAAAAA=="))
    return Received(arrival, problem="truncated", detail="the object ends early")


def tell(lane: Lane, item: Received) -> None:
    message = encode_arrival(item)
    lane.publish(message.data, message.attributes)


@pytest.fixture
def source_of(pubsub: MakeLane) -> Iterator[Callable[..., PubSubSource]]:
    made: list[PubSubSource] = []

    def make(lane: Lane, dead_letters: str = "") -> PubSubSource:
        made.append(PubSubSource(lane.address, SystemClock(), dead_letters))
        return made[-1]

    yield make
    for source in made:
        source.close()


def looked(source: PubSubSource, wanted: int, patience: float = 20.0) -> list[Arrival | Received]:
    """What a source has, until it is as much as wanted or the patience is over."""
    found: list[Arrival | Received] = []
    end = time.monotonic() + patience
    while len(found) < wanted and time.monotonic() < end:
        found += source.scan()
        time.sleep(0.02)
    return found


COMES_AGAIN = 300.0
"""Seconds: what a dead stream held, the emulator gives once more when a lease is over, and sometimes when two are."""


def taken_in(home: Home, source: PubSubSource, wanted: int) -> IntakeReport:
    """Let an engine's intake look until it has taken in so many."""
    engine = home.engine()
    total = IntakeReport()

    def look() -> bool:
        report = engine.intake.take(source)
        total.counts.update(report.counts)
        return sum(total.counts.values()) >= wanted

    assert wait_until(look, COMES_AGAIN, every=0.05)
    engine.close()
    return total


class TestWhatComes:
    def test_a_notification_is_an_arrival(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource]
    ) -> None:
        lane = pubsub()
        notify(lane, "a b.dcm", 5)
        [arrival] = looked(source_of(lane), 1)
        assert isinstance(arrival, Arrival)
        assert (arrival.uri, arrival.version, arrival.size) == ("gs://inbox/a%20b.dcm", "5", 10)
        assert (arrival.source, arrival.attested.crc32c) == ("pubsub", "AAAAA5==")

    def test_of_an_object_the_newest_generation_counts_in_whatever_order_they_come(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource]
    ) -> None:
        lane = pubsub()
        for generation in (2, 5, 3, 5, 1):
            notify(lane, "a.dcm", generation)
        source = source_of(lane)
        wait_until(lambda: bool(source._subscription._stream()) or len(source._subscription._came) == 5)
        [arrival] = source.scan()
        assert isinstance(arrival, Arrival)
        assert arrival.version == "5"
        source.recorded([arrival])
        source.close()
        assert lane.rest(HELD) == []

    def test_what_brings_no_bytes_is_counted_and_acknowledged(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource]
    ) -> None:
        lane = pubsub()
        for event in ("DELETE", "ARCHIVE", "METADATA_UPDATE", "METADATA_UPDATE"):
            notify(lane, "a.dcm", 1, f"OBJECT_{event}")
        notify(lane, "b.dcm", 1)
        source = source_of(lane)
        [arrival] = looked(source, 1)
        source.recorded([arrival])  # type: ignore[list-item]
        expected = {"object-deleted": 1, "object-archived": 1, "object-metadata": 2}
        assert wait_until(lambda: list(source.scan()) == [] and source.passed_over == expected)
        source.close()
        assert lane.rest(HELD) == []

    def test_a_header_that_a_function_read_counts_more_than_the_bare_news_of_its_object(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource]
    ) -> None:
        lane = pubsub()
        tell(lane, problem("a.dcm"))
        notify(lane, "a.dcm", 1)
        source = source_of(lane)
        wait_until(lambda: bool(source._subscription._stream()) or len(source._subscription._came) == 2)
        [item] = source.scan()
        assert isinstance(item, Received)


class TestAcknowledging:
    def test_a_message_comes_again_if_the_engine_is_killed_between_ledger_and_acknowledgement(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource], tmp_path: Path
    ) -> None:
        """The moment is too short to be hit from outside, so the engine kills itself in it."""
        lane = pubsub()
        for number in range(30):
            tell(lane, problem(f"{number}.dcm"))
        script = f"""
import os, signal, time, hilum
from hilum.kernel.clock import SystemClock
from hilum.sources.pubsub import PubSubSource

class Doomed(PubSubSource):
    def recorded(self, arrivals):
        if arrivals:
            os.kill(os.getpid(), signal.SIGKILL)

with hilum.open({os.fspath(tmp_path / "home")!r}) as home:
    source = Doomed({lane.address!r}, SystemClock())
    engine = home.engine()
    while True:
        engine.intake.take(source)
        time.sleep(0.1)
"""
        killed = subprocess.run([sys.executable, "-c", script], check=False, timeout=120)
        assert killed.returncode == -signal.SIGKILL
        with hilum.open(tmp_path / "home") as home:
            known = home.status().arrivals["quarantined"]
            assert known > 0
            report = taken_in(home, source_of(lane), 30)
            assert report.counts["quarantined"] == 30 - known
            assert report.counts["unchanged"] >= known  # a message may come once too often
            assert home.status().arrivals == {"quarantined": 30}
            assert len(home.quarantine()) == 30

    def test_what_a_killed_engine_had_not_recorded_comes_to_the_next(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource], tmp_path: Path
    ) -> None:
        lane = pubsub()
        for number in range(30):
            tell(lane, problem(f"{number}.dcm"))
        script = f"""
import time
from hilum.kernel.clock import SystemClock
from hilum.sources.pubsub import PubSubSource
source = PubSubSource({lane.address!r}, SystemClock())
found = 0
while found < 30:
    found += len(list(source.scan()))
    time.sleep(0.05)
print("has all", flush=True)
time.sleep(600)
"""
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"has all\n"
            holder.kill()
        with hilum.open(tmp_path / "home") as home:
            assert taken_in(home, source_of(lane), 30).counts == {"quarantined": 30}

    def test_what_a_look_left_that_broke_off_comes_again_at_once(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource]
    ) -> None:
        lane = pubsub(ack_deadline_seconds=600)
        tell(lane, problem("a.dcm"))
        source = source_of(lane)
        for _ in range(3):
            [item] = looked(source, 1)
            assert isinstance(item, Received)
        source.recorded([item.arrival])
        source.close()
        assert lane.rest() == []


class TestNewsThatComesLate:
    def test_an_older_generation_than_the_ledger_knows_is_no_news(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource], tmp_path: Path
    ) -> None:
        lane = pubsub()
        source = source_of(lane)
        with hilum.open(tmp_path / "home") as home:
            tell(lane, problem("a.dcm", 7))
            taken_in(home, source, 1)
            tell(lane, problem("a.dcm", 6))
            assert taken_in(home, source, 1).counts["stale"] >= 1
            notify(lane, "a.dcm", 5)
            assert taken_in(home, source, 1).counts["stale"] >= 1
            assert home.status().arrivals == {"quarantined": 1}
        source.close()
        assert lane.rest(HELD) == []

    def test_the_same_message_many_times_is_one_arrival(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource], tmp_path: Path
    ) -> None:
        lane = pubsub()
        source = source_of(lane)
        for _ in range(3):
            for number in range(20):
                tell(lane, problem(f"{number}.dcm"))
        with hilum.open(tmp_path / "home") as home:
            total = taken_in(home, source, 20)
            engine = home.engine()
            assert wait_until(lambda: not engine.intake.take(source).counts)
            engine.close()
            assert total.counts["quarantined"] == 20
            assert home.status().arrivals == {"quarantined": 20}
        source.close()
        assert lane.rest(HELD) == []


class TestWhatCannotBeUnderstood:
    def bad(self, lane: Lane) -> None:
        lane.publish(b"\xff\x00", {"eventType": "OBJECT_FINALIZE", "bucketId": "inbox", "googclient_x": "1"})
        lane.publish(b"hello", {"of": "somebody else"})
        lane.publish(b"{}", {"hilumMessage": "arrival", "hilumSchema": "99"})

    def test_it_goes_to_its_own_topic_whole_and_with_the_reason(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource]
    ) -> None:
        lane, dead = pubsub(), pubsub()
        self.bad(lane)
        notify(lane, "good.dcm", 1)
        source = source_of(lane, dead.topic)
        [arrival] = looked(source, 1)
        source.recorded([arrival])  # type: ignore[list-item]
        assert wait_until(lambda: list(source.scan()) == [] and source.passed_over.total() == 3)
        letters = {letter.data: dict(letter.attributes) for letter in dead.take(3)}
        assert {data: found["hilumReason"] for data, found in letters.items()} == {
            b"\xff\x00": "message-malformed",
            b"hello": "message-foreign",
            b"{}": "message-foreign",
        }
        assert letters[b"hello"]["of"] == "somebody else"
        assert letters[b"hello"]["hilumSubscription"] == lane.subscription
        source.close()
        assert lane.rest(HELD) == []

    def test_its_attributes_may_have_any_name(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource]
    ) -> None:
        from google.pubsub_v1 import PublisherClient

        lane, dead = pubsub(), pubsub()
        message = {"data": b"hello", "attributes": {"topic": "a", "ordering_key": "b", "of": "c"}}
        PublisherClient.publish(lane.publisher, request={"topic": lane.topic, "messages": [message]})
        source = source_of(lane, dead.topic)
        assert wait_until(lambda: list(source.scan()) == [] and source.passed_over["message-foreign"] == 1)
        [letter] = dead.take(1)
        told = {value: name for name, value in letter.attributes.items()}
        assert (told["a"], told["b"], told["c"]) == ("message-topic", "message-ordering_key", "of")

    def test_without_such_a_topic_it_is_counted_and_acknowledged(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource]
    ) -> None:
        lane = pubsub()
        self.bad(lane)
        source = source_of(lane)
        expected = {"message-malformed": 1, "message-foreign": 2}
        assert wait_until(lambda: list(source.scan()) == [] and source.passed_over == expected)
        source.close()
        assert lane.rest(HELD) == []

    def test_it_holds_up_nothing_while_its_topic_does_not_take_it(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource]
    ) -> None:
        lane = pubsub()
        lane.publish(b"hello", {})
        notify(lane, "good.dcm", 1)
        source = source_of(lane, f"{lane.topic}-nowhere")
        assert len(looked(source, 1)) == 1
        assert wait_until(lambda: list(source.scan()) == [] and source.passed_over["message-foreign"] >= 1)
        source.close()


class TestWhatIsWrongWithTheSubscription:
    @pytest.mark.parametrize("address", ["pubsub://", "pubsub://p", "pubsub://proj/", "pubsub://pr oj/sub"])
    def test_an_address_that_names_none_is_refused(self, address: str) -> None:
        with pytest.raises(UsageError) as caught:
            PubSubSource(address, SystemClock())
        assert caught.value.reason == "bad-subscription"

    def test_a_topic_without_its_project_is_refused(self) -> None:
        with pytest.raises(UsageError, match="dead_letters"):
            PubSubSource("pubsub://project/lane", SystemClock(), "dead")

    def test_one_that_does_not_exist_is_said(
        self, pubsub: MakeLane, source_of: Callable[..., PubSubSource]
    ) -> None:
        lane = pubsub()
        lane.address += "-nowhere"
        source = source_of(lane)
        errors: list[Any] = []

        def fails() -> bool:
            try:
                list(source.scan())
            except TerminalError as error:
                errors.append(error)
            return bool(errors)

        assert wait_until(fails)
        assert errors[0].reason == "subscription-missing"


def test_no_more_waits_here_than_memory_is_meant_for(
    pubsub: MakeLane, source_of: Callable[..., PubSubSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hilum.sources.pubsub_client.WAITING", 200)
    lane = pubsub()
    for number in range(1000):
        lane.publisher.publish(
            lane.topic, encode_arrival(problem(f"{number}.dcm")).data, hilumMessage="arrival", hilumSchema="1"
        )
    source = source_of(lane)
    came = source._subscription._came
    source._subscription._stream()
    assert wait_until(lambda: len(came) >= 200)
    wait_until(lambda: len(came) > 400, 2.0)
    assert len(came) <= 400  # a response that is under way may go beyond the limit of its stream
    found = list(source.scan())
    seen: set[str] = set()
    while len(seen) < 1000:
        arrivals = [item.arrival for item in found if isinstance(item, Received)]
        seen.update(arrival.uri for arrival in arrivals)
        source.recorded(arrivals)
        found = looked(source, 1, 5.0)
        assert found or len(seen) == 1000
