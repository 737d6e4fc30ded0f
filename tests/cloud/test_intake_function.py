"""The function ``intake`` as it is deployed: one message for an object's event, or the event comes again."""

from __future__ import annotations

import json
import os
import signal
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hilum
from beds.engines import wait_until
from beds.faults import Changed, Held, Proxy, Refused, faulty, first
from beds.functions import CloudEvent, Eventarc, Function
from beds.gcs import CloudStorage
from beds.inbox import Inbox, resources
from beds.otlp import collecting
from beds.pubsub import Lane
from beds.real import real_file
from hilum.dicom.phantom import chest_ct
from hilum.engine.receive import received
from hilum.engine.serve import serve
from hilum.kernel.clock import SystemClock
from hilum.kernel.trace import arrival_trace
from hilum.model.arrival import Arrival, Received
from hilum.model.content import NOTHING, attested_digest
from hilum.sources.messages import ENCODING, Message, decode
from hilum.sources.pubsub import PubSubSource

Start = Callable[..., Function]
MakeLane = Callable[..., Lane]


def told(message: Any) -> Arrival | Received:
    item = decode(Message(message.data, dict(message.attributes)), SystemClock().now(), "pubsub")
    assert not isinstance(item, str)
    return item


def told_of(lane: Lane, wanted: int = 1) -> list[Received]:
    items = [told(message) for message in lane.take(wanted)]
    assert all(isinstance(item, Received) for item in items)
    return items  # type: ignore[return-value]


@pytest.fixture
def arrivals(pubsub: MakeLane) -> Lane:
    return pubsub()


@pytest.fixture
def proxy(inbox: Inbox, talking_storage: CloudStorage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with faulty(talking_storage.host) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        yield proxy


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return chest_ct(tmp_path / "ct", slices=1, rows=64, columns=64).paths[0]


class TestWhatItTells:
    def test_it_tells_the_header_that_an_engine_would_have_read(
        self, inbox: Inbox, arrivals: Lane, serve_function: Start, scan: Path
    ) -> None:
        for path in (scan, real_file("CT_small.dcm"), real_file("MR_small_RLE.dcm")):
            resource = inbox.put(path.name, path)
            function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
            assert CloudEvent(resource).binary(function)[0] == 200
            [item] = told_of(arrivals)
            with path.open("rb") as stream:
                read = received(item.arrival, stream, digest=False)
            assert item.instance is not None
            assert (item.row, item.facts) == (read.row, read.facts)
            digest = attested_digest(
                item.instance.sop_instance_uid, path.stat().st_size, md5=resource["md5Hash"]
            )
            assert read.instance is not None
            assert item.instance == replace(read.instance, digest=digest)

    def test_an_event_may_come_in_either_form_and_any_number_of_times(
        self, inbox: Inbox, arrivals: Lane, serve_function: Start, scan: Path
    ) -> None:
        event = CloudEvent(inbox.put("a.dcm", scan))
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
        assert [event.binary(function)[0], event.structured(function)[0], event.binary(function)[0]] == [
            200
        ] * 3
        assert len({message.data for message in arrivals.take(3)}) == 1

    def test_the_time_and_trace_of_the_event_go_along(
        self, inbox: Inbox, arrivals: Lane, serve_function: Start, scan: Path
    ) -> None:
        event = CloudEvent(inbox.put("a.dcm", scan))
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
        headers = {f"ce-{name}": value for name, value in event.attributes.items()}
        function.call(json.dumps(event.data).encode(), headers | {"ce-traceparent": trace})
        [message] = arrivals.take(1)
        packed = ENCODING in message.attributes
        document = json.loads(zlib.decompress(message.data) if packed else message.data)
        assert (document["eventTime"], document["traceparent"]) == (event.attributes["time"], trace)

    def test_an_object_without_a_header_is_told_of_with_the_reason(
        self, inbox: Inbox, arrivals: Lane, serve_function: Start, scan: Path
    ) -> None:
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
        for name, content in (("cut", scan.read_bytes()[:600]), ("text", b"words" * 50), ("none", b"")):
            assert CloudEvent(inbox.put(name, content)).binary(function)[0] == 200
        found = {item.arrival.uri.rpartition("/")[2]: item for item in told_of(arrivals, 3)}
        assert found["cut"].problem == "truncated"
        assert (found["text"].problem, found["text"].ignored) == ("not-dicom", True)
        assert found["none"].problem == "empty"

    def test_of_an_event_without_checksums_the_bucket_is_asked_for_them(
        self, inbox: Inbox, arrivals: Lane, serve_function: Start, scan: Path
    ) -> None:
        resource = inbox.put("a.dcm", scan)
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
        for absent in ((), ("crc32c",), ("crc32c", "md5Hash")):
            kept = {key: value for key, value in resource.items() if key not in absent}
            assert CloudEvent(kept).binary(function)[0] == 200
        first, *others = told_of(arrivals, 3)
        assert first.instance is not None
        assert [(each.instance, each.arrival.attested) for each in others] == [
            (first.instance, first.arrival.attested)
        ] * 2

    @pytest.mark.parametrize("size", [0, 1 << 17])
    def test_an_object_of_which_nobody_says_a_checksum_is_left_to_the_engine(
        self,
        inbox: Inbox,
        proxy: Proxy,
        arrivals: Lane,
        serve_function: Start,
        scan: Path,
        size: int,
    ) -> None:
        resource = inbox.put("a.dcm", scan.read_bytes() + bytes(size))
        proxy.rule = lambda request: Changed(
            {b'"crc32c"': b'"other"', b'"md5Hash"': b'"another"'}, on_the_way_back=True
        )
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
        bare = {key: value for key, value in resource.items() if key not in ("crc32c", "md5Hash")}
        assert CloudEvent(bare).binary(function)[0] == 200
        [message] = arrivals.take(1)
        found = told(message)
        assert isinstance(found, Arrival)
        assert (found.version, found.attested) == (resource["generation"], NOTHING)
        assert function.events[-1]["message"].startswith("nobody says what the object's bytes are")

    def test_an_archive_is_left_to_the_engine(
        self, inbox: Inbox, arrivals: Lane, serve_function: Start, scan: Path
    ) -> None:
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
        CloudEvent(inbox.put("a.zip", b"PK")).binary(function)
        [message] = arrivals.take(1)
        assert isinstance(told(message), Arrival)

    def test_of_a_large_object_it_asks_for_the_first_64_kib_once(
        self, inbox: Inbox, proxy: Proxy, arrivals: Lane, serve_function: Start, tmp_path: Path
    ) -> None:
        large = chest_ct(tmp_path / "large", slices=1, rows=4096, columns=4096).paths[0]
        resource = inbox.put("large.dcm", large)
        assert int(resource["size"]) > 32 << 20
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
        assert CloudEvent(resource).binary(function)[0] == 200
        assert [(request.method, request.answered) for request in proxy.seen] == [("GET", 1 << 16)]


class TestWhatGoesWrong:
    def test_an_object_that_is_gone_or_was_replaced_is_no_message(
        self, inbox: Inbox, arrivals: Lane, serve_function: Start, scan: Path
    ) -> None:
        gone, old = inbox.put("gone.dcm", scan), inbox.put("replaced.dcm", scan)
        inbox.delete("gone.dcm")
        new = inbox.put("replaced.dcm", scan)
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
        assert [CloudEvent(each).binary(function)[0] for each in (gone, old, new)] == [200] * 3
        assert [item.arrival.version for item in told_of(arrivals)] == [new["generation"]]
        assert arrivals.rest() == []
        assert [event["message"] for event in function.events] == ["the object is gone or was replaced"] * 2

    @pytest.mark.parametrize("replaced", [False, True])
    def test_without_a_checksum_in_its_event_an_object_that_is_gone_is_no_message_either(
        self, inbox: Inbox, arrivals: Lane, serve_function: Start, scan: Path, replaced: bool
    ) -> None:
        resource = inbox.put("gone.dcm", scan)
        inbox.put("gone.dcm", b"words") if replaced else inbox.delete("gone.dcm")
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
        bare = {key: value for key, value in resource.items() if key not in ("crc32c", "md5Hash")}
        assert CloudEvent(bare).binary(function)[0] == 200
        last = function.events[-1]
        assert last["message"] == "the object is gone or was replaced"
        assert last["reason"] == ("changed-while-read" if replaced else "object-missing")
        assert arrivals.rest() == []

    def test_a_placeholder_of_a_folder_is_passed_over(
        self, inbox: Inbox, arrivals: Lane, serve_function: Start
    ) -> None:
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
        assert CloudEvent({**inbox.put("a", b""), "name": "in/"}).binary(function)[0] == 200
        assert arrivals.rest() == []
        assert [(event["message"], event["reason"]) for event in function.events] == [
            ("an event was passed over", "folder-placeholder")
        ]

    def test_what_comes_with_other_bytes_than_its_event_attests_is_left_to_the_engine(
        self, inbox: Inbox, arrivals: Lane, serve_function: Start, scan: Path
    ) -> None:
        small = inbox.put("a.dcm", scan.read_bytes()[:2000])
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
        assert CloudEvent({**small, "crc32c": "AAAAAA=="}).binary(function)[0] == 200
        [message] = arrivals.take(1)
        assert isinstance(told(message), Arrival)

    def test_what_names_no_object_goes_to_the_dead_letters(
        self, inbox: Inbox, arrivals: Lane, pubsub: MakeLane, serve_function: Start
    ) -> None:
        dead = pubsub()
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic, HILUM_DEAD_LETTERS=dead.topic)
        assert CloudEvent({"bucket": "b", "name": "n"}).binary(function)[0] == 200
        [letter] = dead.take(1)
        assert letter.attributes["hilumReason"] == "message-malformed"
        assert arrivals.rest() == []

    def test_an_event_of_another_kind_is_passed_over(
        self, inbox: Inbox, arrivals: Lane, serve_function: Start, scan: Path
    ) -> None:
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
        event = CloudEvent(inbox.put("a.dcm", scan), kind="google.cloud.storage.object.v1.deleted")
        assert event.binary(function)[0] == 200
        assert arrivals.rest() == []

    def test_storage_that_refuses_or_is_busy_makes_the_event_come_again(
        self, inbox: Inbox, proxy: Proxy, arrivals: Lane, serve_function: Start, scan: Path
    ) -> None:
        event = CloudEvent(inbox.put("PATIENT-NAME.dcm", scan))
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
        proxy.rule = first(Refused(403), "GET")
        assert event.binary(function)[0] == 500
        proxy.rule = first(Refused(503), "GET", 2)
        assert event.binary(function)[0] == 200
        assert len(told_of(arrivals)) == 1
        assert [event["reason"] for event in function.events if "reason" in event] == ["storage-refused"]
        assert "PATIENT-NAME" not in function.said

    def test_a_topic_that_takes_nothing_makes_the_event_come_again(
        self, inbox: Inbox, arrivals: Lane, serve_function: Start, scan: Path
    ) -> None:
        function = serve_function("intake", HILUM_ARRIVALS="projects/hilum-test/topics/nowhere")
        assert CloudEvent(inbox.put("a.dcm", scan)).binary(function)[0] == 500
        assert [event["reason"] for event in function.events if "reason" in event] == ["topic-missing"]

    def test_without_a_topic_it_does_not_start(self, inbox: Inbox, serve_function: Start) -> None:
        with pytest.raises(RuntimeError, match="HILUM_ARRIVALS is not set"):
            serve_function("intake")

    def test_killed_in_mid_request_it_loses_nothing(
        self, inbox: Inbox, proxy: Proxy, arrivals: Lane, serve_function: Start, scan: Path
    ) -> None:
        held = Held()
        proxy.rule = first(held, "GET")
        functions = [serve_function("intake", HILUM_ARRIVALS=arrivals.topic)]
        with Eventarc(inbox.lane, lambda: functions[-1]) as eventarc:
            inbox.put("a.dcm", scan)
            assert held.done.wait(30)
            for process in functions[0].processes():
                os.kill(process, signal.SIGKILL)
            held.go.set()
            functions.append(serve_function("intake", HILUM_ARRIVALS=arrivals.topic))
            [item] = told_of(arrivals)
            assert wait_until(lambda: eventarc.delivered == 1)
        assert item.instance is not None
        assert eventarc.failed >= 1
        assert arrivals.rest() == []


def test_many_events_at_once_are_each_told_once(
    inbox: Inbox, arrivals: Lane, serve_function: Start, tmp_path: Path
) -> None:
    paths = chest_ct(tmp_path / "ct", slices=100, rows=16, columns=16).paths
    function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic)
    with Eventarc(inbox.lane, lambda: function) as eventarc:
        put = resources(inbox, paths)
        items = told_of(arrivals, len(put))
        assert wait_until(lambda: eventarc.delivered == len(put))
    assert sorted(item.arrival.version for item in items) == sorted(each["generation"] for each in put)
    assert eventarc.failed == 0


def test_one_trace_goes_through_function_and_engine(
    inbox: Inbox,
    arrivals: Lane,
    serve_function: Start,
    scan: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with collecting() as collector:
        told_where = {"HILUM_TELEMETRY": "otlp", **collector.environment}
        function = serve_function("intake", HILUM_ARRIVALS=arrivals.topic, **told_where)
        resource = inbox.put("a.dcm", scan)
        assert CloudEvent(resource).binary(function)[0] == 200
        for name, value in told_where.items():
            monkeypatch.setenv(name, value)
        with hilum.open(tmp_path / "home") as home:
            engine, source = home.engine(), PubSubSource(arrivals.address, home.clock)
            try:
                serve(engine, [source], home.clock, lambda: bool(home.status().arrivals))
            finally:
                source.close()
                engine.close()
        spans = {
            span.name: span
            for span in collector.trace(arrival_trace(f"gs://{inbox.bucket}/a.dcm", resource["generation"]))
        }
    assert spans.keys() == {"arrival", "read"}
    assert spans["read"].parent_span_id == spans["arrival"].span_id
    assert [each["severity"] for each in function.events] == ["INFO"] * len(function.events)
