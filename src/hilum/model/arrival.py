"""Arrivals: an object showed up. At least once, in any order, and every one gets exactly one outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from hilum.kernel.digest import short_id
from hilum.model.content import NOTHING, Attested

MISSING = "object-missing"
"""Why there is nothing to read: the object is gone."""
REPLACED = "object-replaced"
"""Why an arrival is ignored of which the bytes are gone, since a newer version took their place."""

SWEEP = "sweep"
"""Source of what no event had told of: a listing found it."""

CONFLICT = "conflicting-content"
"""Why an instance is refused of which another content counts."""

TASK = "task:"
"""What the source of an arrival begins with that a task made."""


class Outcome(StrEnum):
    """What intake made of an arrival; the four add up to the arrivals."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One version of one object at one address.

    Attributes:
        uri: where it is (``file:///...``, later ``gs://...``).
        size: bytes.
        version: what changes when the bytes may have changed: a generation or etag in a bucket, modification
            time and inode of a local file.
        arrived_at: when the source saw it (UTC).
        source: the source's name, such as ``folder``, or ``task:`` and a key for what a task made.
        attested: the checksums that its store keeps, where it keeps any: then it need not be read to its end.
    """

    uri: str
    size: int
    version: str
    arrived_at: datetime
    source: str
    attested: Attested = NOTHING

    @property
    def derived_from(self) -> str:
        """The key of the task that made it; empty where it came from outside."""
        return self.source.removeprefix(TASK) if self.source.startswith(TASK) else ""


@dataclass(frozen=True, slots=True)
class Instance:
    """A DICOM SOP instance (PS3.3 A.1): identity, content and place."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    study_instance_uid: str
    digest: str
    uri: str
    size: int
    transfer_syntax_uid: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """An arrival after intake has read it: an instance with its header, or the reason why not.

    Attributes:
        digest: SHA-256 of the bytes, or of what their store attests of them
            (:func:`hilum.model.content.attested_digest`); empty where neither could be had.
        sha256: of the bytes, where all of them were read.
        instance: set when the header could be read.
        facts: top-level header keywords with plain JSON values, for selectors.
        row: the header as a row of the warehouse's ``dicom_metadata``, a line of JSON; see
            :func:`hilum.dicom.rows.row_text`.
        problem: reason code when ``instance`` is None.
        ignored: the problem is no fault of the object (not DICOM, a DICOMDIR): recorded, not quarantined.
        detail: one line without patient data on what is wrong.
    """

    arrival: Arrival
    digest: str = ""
    instance: Instance | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    row: str = "{}"
    problem: str = ""
    ignored: bool = False
    detail: str = ""
    sha256: str = ""


def header_id(sop_instance_uid: str) -> str:
    """The row id of a header: one for an instance, so that its newest row counts, whoever wrote it."""
    return short_id("i", sop_instance_uid)


def header_line(received: Received, now: datetime) -> str:
    """A row of ``dicom_metadata``, a line of JSON: where it came from, then the header's columns."""
    instance, arrival = received.instance, received.arrival
    if instance is None:
        raise ValueError("only an instance has a header row")
    sha256, checksums = received.sha256, ""
    if attested := arrival.attested:
        md5 = quoted(attested.md5) if attested.md5 else "null"
        checksums = f'"FileMD5":{md5},"FileCRC32C":{quoted(attested.crc32c)},'
    else:
        sha256 = sha256 or received.digest
    return (
        f'{{"_row_id":"{header_id(instance.sop_instance_uid)}","_recorded_at":"{now.isoformat()}",'
        f'"FileURI":{quoted(arrival.uri)},"FileVersion":{quoted(arrival.version)},"FileSize":{arrival.size},'
        f'"FileSHA256":{quoted(sha256) if sha256 or not attested else "null"},{checksums}'
        f'"TransferSyntaxUID":{quoted(instance.transfer_syntax_uid)},'
        f'"ArrivalTime":"{arrival.arrived_at.isoformat()}","Source":{quoted(arrival.source)}'
        f"{'}' if received.row == '{}' else f',{received.row[1:]}'}"
    )


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that the warehouse does not take, in the form in which it came; ``code`` says why, without a value."""

    table: str
    row: Mapping[str, Any]
    code: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An entry of the quarantine."""

    id: str
    uri: str
    version: str
    size: int
    reason: str
    detail: str
    digest: str
    known_digest: str
    sop_instance_uid: str
    quarantined_at: datetime
    released_at: datetime | None = None
    decision: str = ""
