"""What comes through Pub/Sub, read and written: notifications of buckets, and Hilum's own message ``arrival``, with
which a function tells an engine of an object and of what it read there. Pure: bytes and attributes in, values out.

An ``arrival`` of schema 1 is JSON, in zlib's format where that is shorter::

    {"uri": "gs://...", "generation": "1", "size": 526336, "md5": "...", "crc32c": "...",
     "eventTime": "2026-01-01T00:00:00Z", "traceparent": "00-...",
     "header": {"sopInstanceUid": ..., "sopClassUid": ..., "seriesInstanceUid": ..., "studyInstanceUid": ...,
                "transferSyntaxUid": ..., "facts": {...}, "row": "{...}"}}

Instead of ``header`` it has ``problem`` (``reason``, ``ignored``, ``detail``) where the object has none, and neither
where the header is too large for a message: then the engine reads it. It follows from the object's generation and the
event alone, so an event that comes twice gives the same message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from isal import isal_zlib
from isal.igzip_lib import IsalError

from hilum.dicom.uid import is_valid_uid
from hilum.kernel.address import bucket_object
from hilum.model.arrival import SWEEP, Arrival, Instance, Received
from hilum.model.content import Attested, attested_digest
from hilum.sources.notifications import (
    CRC32C,
    MD5,
    MessageRefused,
    checksum,
    is_notification,
    is_number,
    malformed,
    object_uri,
    read_notification,
)
from hilum.storage.listing import NOT_ITS_FAULT

KIND, SCHEMA, ENCODING, ORIGIN = "hilumMessage", "hilumSchema", "hilumEncoding", "hilumOrigin"
"""Attributes of our messages. The origin, of notifications too, is who sent it in place of a bucket: ``sweep``."""
ARRIVAL, VERSION, ZLIB = "arrival", "1", "zlib"
REASON = re.compile(r"[a-z0-9-]{1,64}")
WORTH_COMPRESSING = 4 << 10
"""Bytes."""
LARGEST = 9_000_000
"""Bytes of a message's data; Pub/Sub takes 10 MB, attributes and all (its quotas)."""
EXPANDED = 1 << 28
"""Bytes of a message's data once they are inflated: a header's row has up to 64 MiB, and JSON in JSON is longer."""


class ForeignMessage(MessageRefused):
    """A message of somebody else, or of a newer Hilum."""

    reason = "message-foreign"


@dataclass(frozen=True, slots=True)
class Message:
    """What goes through Pub/Sub."""

    data: bytes
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Event:
    """What an ``arrival`` says beside the object.

    Attributes:
        time: when the bucket had the object, RFC 3339; empty where nobody said.
        traceparent: the trace that it belongs to (W3C Trace Context); empty where there is none.
    """

    time: str = ""
    traceparent: str = ""


def encode_arrival(item: Arrival | Received, event: Event = Event()) -> Message:
    """The message ``arrival`` of an object; without its header if that is too large, or nobody read it."""
    arrival = item.arrival if isinstance(item, Received) else item
    document: dict[str, Any] = {
        "uri": arrival.uri,
        "generation": arrival.version,
        "size": arrival.size,
        "md5": arrival.attested.md5,
        "crc32c": arrival.attested.crc32c,
        "eventTime": event.time,
        "traceparent": event.traceparent,
    }
    message = _packed(document | (_told(item) if isinstance(item, Received) else {}))
    return message if len(message.data) <= LARGEST else _packed(document)


def decode(message: Message, now: datetime, source: str) -> Arrival | Received | str:
    """What a message tells of, or the code that it is passed over with (see ``notifications``).

    Args:
        now: when it came, which is when its object arrived for whoever waits for a series to be complete.
        source: name of the source that it came from.

    Raises:
        MessageRefused: ``message-malformed``. ForeignMessage: ``message-foreign``.
    """
    attributes = message.attributes
    source = SWEEP if attributes.get(ORIGIN) == SWEEP else source
    try:
        if is_notification(attributes):
            return read_notification(message.data, attributes, now, source)
        return _read_arrival(message, now, source)
    except MessageRefused:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise malformed("its data are not what its attributes say") from None


def _read_arrival(message: Message, now: datetime, source: str) -> Arrival | Received:
    attributes = message.attributes
    if attributes.get(KIND) != ARRIVAL:
        raise ForeignMessage("a message comes neither from a bucket nor from Hilum", reason="message-foreign")
    if attributes.get(SCHEMA) != VERSION:
        raise ForeignMessage(
            "a message has a schema that this version does not know",
            reason="message-foreign",
            hint="run the engine in the version of the function that sent it, or a newer one",
        )
    return _arrival(json.loads(_inflated(message)), now, source)


def _no_number(name: str) -> Any:
    raise ValueError(name)


_strict = json.JSONDecoder(parse_constant=_no_number)


def _told(item: Received) -> dict[str, Any]:
    instance = item.instance
    if instance is None:
        return {"problem": {"reason": item.problem, "ignored": item.ignored, "detail": item.detail}}
    header = {
        "sopInstanceUid": instance.sop_instance_uid,
        "sopClassUid": instance.sop_class_uid,
        "seriesInstanceUid": instance.series_instance_uid,
        "studyInstanceUid": instance.study_instance_uid,
        "transferSyntaxUid": instance.transfer_syntax_uid,
        "facts": item.facts,
        "row": item.row,
    }
    return {"header": header}


def _packed(document: Mapping[str, Any]) -> Message:
    data = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    attributes = {KIND: ARRIVAL, SCHEMA: VERSION}
    if len(data) > WORTH_COMPRESSING:
        data = isal_zlib.compress(data, 1)
        attributes[ENCODING] = ZLIB
    return Message(data, attributes)


def _inflated(message: Message) -> bytes:
    encoding = message.attributes.get(ENCODING, "")
    if not encoding:
        return message.data
    if encoding != ZLIB:
        raise malformed("its encoding is none that Hilum writes")
    inflating = isal_zlib.decompressobj()
    try:
        data: bytes = inflating.decompress(message.data, EXPANDED)
    except (IsalError, ValueError):  # type: ignore[misc]  # its stub forgets the base
        raise malformed("its data are damaged") from None
    if not inflating.eof:
        raise malformed("its data are cut or far too long")
    return data


def _arrival(document: Mapping[str, Any], now: datetime, source: str) -> Arrival | Received:
    uri, generation, size = document["uri"], document["generation"], document["size"]
    if not _are_texts(uri, generation, document["eventTime"], document["traceparent"]):
        raise malformed("a value of it has the wrong type")
    if type(size) is not int or not (is_number(str(size)) and is_number(generation)):
        raise malformed("it lacks generation or size")
    if object_uri(*bucket_object(uri)) != uri:
        raise malformed("it names no object of a bucket")
    attested = Attested(checksum(document["crc32c"], CRC32C), checksum(document["md5"], MD5))
    arrival = Arrival(uri, size, generation, now, source, attested)
    if problem := document.get("problem"):
        reason, ignored, detail = problem["reason"], problem["ignored"], problem["detail"]
        if not (_are_texts(reason, detail) and REASON.fullmatch(reason) and isinstance(ignored, bool)):
            raise malformed("its problem has the wrong type")
        if reason in NOT_ITS_FAULT:
            raise malformed("its problem is none of an object")
        return Received(arrival, problem=reason, ignored=ignored, detail=detail)
    if header := document.get("header"):
        return _received(arrival, header)
    return arrival


def _are_texts(*values: Any) -> bool:
    """Whether all are texts that a database takes."""
    if not all(isinstance(each, str) and "\0" not in each for each in values):
        return False
    "".join(values).encode()  # a lone surrogate has no bytes
    return True


def _received(arrival: Arrival, header: Mapping[str, Any]) -> Received:
    facts, row = header["facts"], header["row"]
    uids = [
        header[name] for name in ("sopInstanceUid", "sopClassUid", "seriesInstanceUid", "studyInstanceUid")
    ]
    syntax = header["transferSyntaxUid"]
    if not (all(isinstance(uid, str) and is_valid_uid(uid) for uid in (*uids, syntax))):
        raise malformed("a UID of its header is none")
    if not (isinstance(facts, dict) and isinstance(row, str) and "\n" not in row):
        raise malformed("its header has the wrong type")
    row.encode()
    json.dumps(facts, allow_nan=False, ensure_ascii=False).encode()
    if not isinstance(_strict.decode(row), dict):
        raise malformed("its header is no row")
    instance_uid, class_uid, series_uid, study_uid = uids
    attested = arrival.attested
    digest = attested_digest(instance_uid, arrival.size, md5=attested.md5, crc32c=attested.crc32c)
    instance = Instance(
        instance_uid, class_uid, series_uid, study_uid, digest, arrival.uri, arrival.size, syntax
    )
    return Received(arrival, digest, instance, facts, row)
