"""What a bucket of Cloud Storage says of its objects through Pub/Sub, in payload format JSON_API_V1: attributes of
the event, and the object resource as data (Cloud Storage documentation, "Pub/Sub notifications").

A new generation of an object is an arrival, whether or not one was overwritten. That an object was deleted, archived
or got other metadata changes no bytes, so it is passed over. Attributes that the data have too may be absent, as an
emulator leaves some out; if they say another thing, the message is refused.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hilum.errors import TerminalError
from hilum.kernel.address import bucket_object_uri
from hilum.model.arrival import Arrival
from hilum.model.content import Attested
from hilum.storage.gcs.location import BUCKET

ARRIVED = "OBJECT_FINALIZE"
PASSED_OVER = {
    "OBJECT_DELETE": "object-deleted",
    "OBJECT_ARCHIVE": "object-archived",
    "OBJECT_METADATA_UPDATE": "object-metadata",
}
"""Events that bring no bytes, and the code that they are counted under."""
FOLDER = "folder-placeholder"
"""An empty object whose name ends with a slash, which consoles make and show as a folder."""
PAYLOAD = "JSON_API_V1"
LARGEST = (1 << 63) - 1
"""Sizes and generations are 64-bit integers in Cloud Storage, and in the ledger."""
CRC32C, MD5 = 4, 16
"""Bytes of a checksum."""


class MessageRefused(TerminalError):
    """A message that cannot be understood; it will not be the next time."""

    reason = "message-malformed"


def is_notification(attributes: Mapping[str, str]) -> bool:
    """Whether a message with these attributes comes from a bucket."""
    return "eventType" in attributes and "bucketId" in attributes


def read_notification(
    data: bytes, attributes: Mapping[str, str], now: datetime, source: str
) -> Arrival | str:
    """The arrival that a bucket tells of, or the code that the message is passed over with.

    Raises:
        MessageRefused: ``message-malformed``.
    """
    event = attributes["eventType"]
    if event in PASSED_OVER:
        return PASSED_OVER[event]
    if event != ARRIVED:
        raise malformed("its eventType is none that Cloud Storage has")
    if attributes.get("payloadFormat", PAYLOAD) != PAYLOAD:
        raise malformed(
            "it does not describe its object", hint=f"make the notification with payload format {PAYLOAD}"
        )
    try:
        resource = json.loads(data)
    except ValueError:
        raise malformed("its data are no JSON") from None
    arrival = object_arrival(resource, now, source)
    said = (attributes["bucketId"], attributes.get("objectId"), attributes.get("objectGeneration"))
    told = (resource["bucket"], resource["name"], arrival.version)
    if any(one is not None and one != other for one, other in zip(said, told, strict=True)):
        raise malformed("its attributes and its data tell of different objects")
    return FOLDER if arrival.uri.endswith("/") else arrival


def object_arrival(resource: Any, now: datetime, source: str) -> Arrival:
    """An object resource of Cloud Storage's JSON API, which events carry too, as an arrival.

    Raises:
        MessageRefused: ``message-malformed``.
    """
    if not isinstance(resource, Mapping):
        raise malformed("its data are no object resource")
    uri = object_uri(resource.get("bucket"), resource.get("name"))
    generation, size = str(resource.get("generation", "")), str(resource.get("size", ""))
    if not (is_number(generation) and is_number(size)):
        raise malformed("its data lack generation or size")
    attested = Attested(checksum(resource.get("crc32c"), CRC32C), checksum(resource.get("md5Hash"), MD5))
    return Arrival(uri, int(size), generation, now, source, attested)


def object_uri(bucket: Any, name: Any) -> str:
    """The address of what a message calls so; MessageRefused where that is no object's name."""
    if not (isinstance(bucket, str) and BUCKET.fullmatch(bucket) and isinstance(name, str) and name):
        raise malformed("it names no object of a bucket")
    try:
        return bucket_object_uri(bucket, name)
    except UnicodeEncodeError:
        raise malformed("the name of its object is no text") from None


def malformed(why: str, hint: str = "") -> MessageRefused:
    return MessageRefused(f"a message cannot be understood: {why}", reason="message-malformed", hint=hint)


def is_number(text: str) -> bool:
    """Whether this is a size or a generation."""
    return text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= LARGEST


def checksum(value: Any, length: int) -> str:
    """A checksum of so many bytes in base64; empty where there is none."""
    if value is None or value == "":
        return ""
    try:
        if isinstance(value, str) and len(b64decode(value, validate=True)) == length:
            return value
    except ValueError:
        pass
    raise malformed("a checksum of its object is none")
