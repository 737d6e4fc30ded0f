"""What a bucket says: a new generation is an arrival, the rest is passed over, and two things at once are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hilum.kernel.clock import ManualClock
from hilum.model.arrival import Arrival
from hilum.model.content import Attested
from hilum.sources.notifications import MessageRefused, read_notification

NOW = ManualClock().now()
DOCUMENTED = {  # Cloud Storage documentation, "Pub/Sub notifications" and the object resource
    "kind": "storage#object",
    "id": "inbox/ct/1 a.dcm/1767225600000000",
    "selfLink": "https://www.googleapis.com/storage/v1/b/inbox/o/ct%2F1%20a.dcm",
    "name": "ct/1 a.dcm",
    "bucket": "inbox",
    "generation": "1767225600000000",
    "metageneration": "1",
    "contentType": "application/dicom",
    "timeCreated": "2026-01-01T00:00:00.000Z",
    "size": "526336",
    "md5Hash": "CY9rzUYh03PK3k6DJie09g==",
    "crc32c": "i8wYbQ==",
    "etag": "CICAgICAgICAARAB",
}
ATTRIBUTES = {
    "notificationConfig": "projects/_/buckets/inbox/notificationConfigs/1",
    "eventType": "OBJECT_FINALIZE",
    "payloadFormat": "JSON_API_V1",
    "bucketId": "inbox",
    "objectId": "ct/1 a.dcm",
    "objectGeneration": "1767225600000000",
    "eventTime": "2026-01-01T00:00:00.000000Z",
}
ARRIVAL = Arrival(
    "gs://inbox/ct/1%20a.dcm",
    526336,
    "1767225600000000",
    NOW,
    "pubsub",
    Attested("i8wYbQ==", "CY9rzUYh03PK3k6DJie09g=="),
)


def read(data: Any = None, **attributes: str | None) -> Arrival | str:
    told = {key: value for key, value in (ATTRIBUTES | attributes).items() if value is not None}
    raw = data if isinstance(data, bytes) else json.dumps(DOCUMENTED if data is None else data).encode()
    return read_notification(raw, told, NOW, "pubsub")


def without(*names: str) -> dict[str, str]:
    return {key: value for key, value in DOCUMENTED.items() if key not in names}


def test_a_new_object_is_an_arrival_with_what_its_bucket_attests() -> None:
    assert read() == ARRIVAL


def test_an_overwrite_is_an_arrival_of_the_newer_generation() -> None:
    assert read(overwroteGeneration="1767225500000000") == ARRIVAL


@pytest.mark.parametrize(
    "absent", ["notificationConfig", "objectGeneration", "objectId", "payloadFormat", "eventTime"]
)
def test_an_attribute_that_only_repeats_may_be_absent(absent: str) -> None:
    assert read(**{absent: None}) == ARRIVAL


def test_what_an_emulator_leaves_out_of_the_resource_is_not_missed() -> None:
    assert read(without("metageneration", "etag", "selfLink", "id", "contentType")) == ARRIVAL


def test_a_composed_object_has_no_md5() -> None:
    arrival = read({**without("md5Hash"), "componentCount": 2})
    assert isinstance(arrival, Arrival)
    assert arrival.attested == Attested("i8wYbQ==")


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ("OBJECT_DELETE", "object-deleted"),
        ("OBJECT_ARCHIVE", "object-archived"),
        ("OBJECT_METADATA_UPDATE", "object-metadata"),
    ],
)
def test_what_brings_no_bytes_is_passed_over(event: str, code: str) -> None:
    assert read(eventType=event, overwrittenByGeneration="1767225700000000") == code


def test_a_placeholder_of_a_folder_is_passed_over() -> None:
    assert read({**DOCUMENTED, "name": "ct/", "size": "0"}, objectId="ct/") == "folder-placeholder"


@pytest.mark.parametrize(
    ("data", "attributes"),
    [
        (b"\xff not json", {}),
        (b"", {}),
        (b"", {"payloadFormat": "NONE"}),
        (["a list"], {}),
        (without("bucket"), {}),
        (without("name"), {}),
        (without("size"), {}),
        (without("generation"), {}),
        ({**DOCUMENTED, "size": "-1"}, {}),
        ({**DOCUMENTED, "size": "9" * 40}, {}),
        ({**DOCUMENTED, "size": str(1 << 63)}, {}),
        ({**DOCUMENTED, "name": "\ud800.dcm"}, {"objectId": None}),
        ({**DOCUMENTED, "bucket": "\ud800"}, {"bucketId": "\ud800"}),
        ({**DOCUMENTED, "bucket": "in/box"}, {"bucketId": "in/box"}),
        ({**DOCUMENTED, "crc32c": "\ud800" * 8}, {}),
        ({**DOCUMENTED, "crc32c": "========"}, {}),
        ({**DOCUMENTED, "generation": "٣"}, {}),
        ({**DOCUMENTED, "md5Hash": 7}, {}),
        ({**DOCUMENTED, "crc32c": "too long for it"}, {}),
        ({**DOCUMENTED, "bucket": "elsewhere"}, {}),
        ({**DOCUMENTED, "name": "another.dcm"}, {}),
        ({**DOCUMENTED, "generation": "1"}, {}),
        (None, {"eventType": "OBJECT_EXPLODED"}),
    ],
)
def test_what_cannot_be_understood_is_refused(data: Any, attributes: dict[str, str]) -> None:
    with pytest.raises(MessageRefused) as caught:
        read(data, **attributes)
    assert caught.value.reason == "message-malformed"
    assert "a.dcm" not in str(caught.value)
