"""The message ``arrival``: what is written comes back, and whatever else comes is refused, never anything worse."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from isal import isal_zlib

from hilum.dicom.phantom import chest_ct
from hilum.engine.receive import received
from hilum.kernel.clock import ManualClock
from hilum.model.arrival import Arrival, Received
from hilum.model.content import Attested, attested_digest
from hilum.sources.messages import (
    LARGEST,
    Event,
    ForeignMessage,
    Message,
    decode,
    encode_arrival,
)
from hilum.sources.notifications import MessageRefused

NOW = ManualClock().now()
ARRIVAL = Arrival(
    "gs://inbox/1.dcm", 526336, "17", NOW, "pubsub", Attested("i8wYbQ==", "CY9rzUYh03PK3k6DJie09g==")
)
EVENT = Event("2026-01-01T00:00:00Z", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Received:
    """A real header, as the function reads one."""
    path = chest_ct(tmp_path_factory.mktemp("ct"), slices=1, rows=16, columns=16).paths[0]
    with path.open("rb") as stream:
        item = received(ARRIVAL, stream, digest=False)
    assert item.instance is not None
    digest = attested_digest(item.instance.sop_instance_uid, 526336, md5=ARRIVAL.attested.md5)
    return replace(item, digest=digest, instance=replace(item.instance, digest=digest))


def decoded(message: Message) -> Arrival | Received | str:
    return decode(message, NOW, "pubsub")


def changed(message: Message, **values: Any) -> Message:
    """The same with other values; None takes one away."""
    document = json.loads(isal_zlib.decompress(message.data))
    document.update(values)
    left = {key: value for key, value in document.items() if value is not None}
    attributes = {key: value for key, value in message.attributes.items() if key != "hilumEncoding"}
    return Message(json.dumps(left).encode(), attributes)


class TestWhatIsWritten:
    def test_a_header_comes_back_as_it_was_read(self, read: Received) -> None:
        assert decoded(encode_arrival(read, EVENT)) == read

    def test_a_problem_comes_back_with_its_reason(self) -> None:
        problem = Received(ARRIVAL, problem="truncated", detail="the object ends early")
        ignored = Received(ARRIVAL, problem="not-dicom", ignored=True, detail="no DICOM")
        assert decoded(encode_arrival(problem)) == problem
        assert decoded(encode_arrival(ignored)) == ignored

    def test_an_object_that_nobody_read_comes_back_as_an_arrival(self) -> None:
        assert decoded(encode_arrival(ARRIVAL)) == ARRIVAL

    def test_the_same_object_and_event_give_the_same_bytes(self, read: Received) -> None:
        later = replace(
            read, arrival=replace(read.arrival, arrived_at=ManualClock(NOW.replace(year=2030)).now())
        )
        assert encode_arrival(later, EVENT) == encode_arrival(read, EVENT)

    def test_what_the_event_says_beside_the_object_is_kept(self, read: Received) -> None:
        document = json.loads(isal_zlib.decompress(encode_arrival(read, EVENT).data))
        assert Event(document["eventTime"], document["traceparent"]) == EVENT

    def test_a_header_is_compressed_and_a_short_message_is_not(self, read: Received) -> None:
        message = encode_arrival(read)
        assert len(message.data) < len(isal_zlib.decompress(message.data)) / 2
        assert json.loads(encode_arrival(ARRIVAL).data)["uri"] == ARRIVAL.uri

    def test_a_header_too_large_for_a_message_is_left_to_the_engine(self, read: Received) -> None:
        noise = random.Random(1).randbytes(LARGEST).hex()
        message = encode_arrival(replace(read, row=json.dumps({"a": noise[: 2 * LARGEST]})))
        assert len(message.data) <= LARGEST
        assert decoded(message) == ARRIVAL

    def test_a_composed_object_is_known_by_its_crc32c(self, read: Received) -> None:
        assert read.instance is not None
        composed = replace(read, arrival=replace(ARRIVAL, attested=Attested("i8wYbQ==")))
        item = decoded(encode_arrival(composed))
        assert isinstance(item, Received)
        assert item.digest == attested_digest(read.instance.sop_instance_uid, 526336, crc32c="i8wYbQ==")

    def test_who_sends_in_place_of_a_bucket_is_the_source(self) -> None:
        message = encode_arrival(ARRIVAL)
        item = decoded(Message(message.data, {**message.attributes, "hilumOrigin": "sweep"}))
        assert isinstance(item, Arrival)
        assert item.source == "sweep"

    def test_nobody_else_says_in_whose_name_he_tells(self) -> None:
        message = encode_arrival(ARRIVAL)
        assert decoded(Message(message.data, {**message.attributes, "hilumOrigin": "task:1"})) == ARRIVAL


class TestWhatIsRefused:
    def test_somebody_elses_message_is_foreign(self) -> None:
        for attributes in ({}, {"hilumMessage": "departure", "hilumSchema": "1"}, {"ce-type": "other"}):
            with pytest.raises(ForeignMessage):
                decoded(Message(b"{}", attributes))

    def test_a_schema_of_a_later_version_is_foreign(self, read: Received) -> None:
        message = encode_arrival(read)
        with pytest.raises(ForeignMessage, match="schema"):
            decoded(Message(message.data, {**message.attributes, "hilumSchema": "2"}))

    @pytest.mark.parametrize(
        "values",
        [
            {"uri": None},
            {"uri": "file:///etc/passwd"},
            {"uri": "gs://inbox/a b"},
            {"uri": "gs://inbox"},
            {"generation": "newest"},
            {"generation": "\u00b2"},
            {"generation": str(1 << 63)},
            {"size": 1 << 63},
            {"uri": "gs://in box/1.dcm"},
            {"uri": "gs://in\ud800box/1.dcm"},
            {"md5": "\ud800" * 24},
            {"crc32c": "abc"},
            {"header": None, "problem": {"reason": "truncated", "ignored": False, "detail": "\ud800"}},
            {"header": None, "problem": {"reason": "truncated", "ignored": False, "detail": "a\0b"}},
            {"header": None, "problem": {"reason": "two words", "ignored": False, "detail": ""}},
            {"header": None, "problem": {"reason": "storage-refused", "ignored": False, "detail": ""}},
            {"generation": 17},
            {"size": "17"},
            {"size": -1},
            {"size": True},
            {"md5": None},
            {"md5": "", "crc32c": ""},
            {"traceparent": 1},
            {"header": {"row": "{}"}},
            {"header": "a text"},
            {"header": [1]},
            {"header": None, "problem": {"reason": "", "ignored": False, "detail": ""}},
            {"header": None, "problem": {"reason": "truncated", "ignored": "no", "detail": ""}},
            {"header": None, "problem": ["truncated"]},
        ],
    )
    def test_a_document_with_another_form_is_malformed(self, read: Received, values: dict[str, Any]) -> None:
        with pytest.raises(MessageRefused) as caught:
            decoded(changed(encode_arrival(read), **values))
        assert caught.value.reason == "message-malformed"

    @pytest.mark.parametrize(
        "header",
        [
            {"sopInstanceUid": "1.2.x"},
            {"sopInstanceUid": 12},
            {"transferSyntaxUid": None},
            {"facts": []},
            {"facts": {"Modality": "\ud800"}},
            {"facts": {"SliceThickness": float("nan")}},
            {"row": "{"},
            {"row": "[]"},
            {"row": '{"a": NaN}'},
            {"row": '{"a":\n1}'},
            {"row": '{"a": "\ud800"}'},
        ],
    )
    def test_a_header_that_would_harm_the_warehouse_is_malformed(
        self, read: Received, header: dict[str, Any]
    ) -> None:
        message = encode_arrival(read)
        whole = json.loads(isal_zlib.decompress(message.data))["header"]
        with pytest.raises(MessageRefused):
            decoded(changed(message, header=whole | header))

    def test_damaged_data_are_malformed(self, read: Received) -> None:
        message = encode_arrival(read)
        for data in (message.data[:-10], message.data[10:], b"", b"\0" * 100):
            with pytest.raises(MessageRefused):
                decoded(Message(data, message.attributes))

    def test_data_that_inflate_without_end_are_not_inflated(self) -> None:
        attributes = dict(encode_arrival(ARRIVAL).attributes) | {"hilumEncoding": "zlib"}
        bomb = isal_zlib.compress(b" " * (1 << 28) + b"{}", 1)
        with pytest.raises(MessageRefused, match="too long"):
            decoded(Message(bomb, attributes))

    @given(
        some.binary(max_size=200) | some.text().map(str.encode),
        some.dictionaries(
            some.sampled_from(["hilumMessage", "hilumSchema", "hilumEncoding", "eventType", "bucketId", "a"]),
            some.sampled_from(["arrival", "1", "zlib", "OBJECT_FINALIZE", "inbox", ""]),
        ),
    )
    def test_no_bytes_whatsoever_give_any_other_error(self, data: bytes, attributes: dict[str, str]) -> None:
        with suppress(MessageRefused):
            decoded(Message(data, attributes))

    @given(
        some.recursive(
            some.none() | some.booleans() | some.integers() | some.text(max_size=5),
            lambda inner: (
                some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=3), inner, max_size=3)
            ),
            max_leaves=4,
        ),
        some.sampled_from(["uri", "generation", "size", "md5", "crc32c", "header", "problem", "eventTime"]),
    )
    def test_no_value_whatsoever_gives_any_other_error(self, value: Any, name: str) -> None:
        document = json.loads(encode_arrival(ARRIVAL).data) | {name: value}
        with suppress(MessageRefused):
            decoded(Message(json.dumps(document).encode(), encode_arrival(ARRIVAL).attributes))
