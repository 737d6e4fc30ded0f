"""Reading objects, each once: what intake and index make readers do, in whatever process.

An item is an arrival to be opened by its address, a member that was listed in an archive, or decided already. A fault
of one object is what comes of it, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

from hilum.engine.unpack import Listed, Receive, barred, read_in_passing, read_listed, refused
from hilum.errors import TerminalError
from hilum.kernel.address import is_in_bucket
from hilum.kernel.digest import digest_stream
from hilum.model.arrival import MISSING, REPLACED, Arrival, Instance, Received
from hilum.model.content import attested_digest
from hilum.storage.archives import Kind, kind_of
from hilum.storage.interface import ChecksumMismatch
from hilum.storage.listing import entries_at
from hilum.storage.objects import Opened, open_objects

NOWHERE = Path()
"""The path of what is open already."""

GONE = (MISSING, "changed-while-read")
"""What became of a version of an object while its bucket went on."""
DOUBTED = (*GONE, ChecksumMismatch.reason)
"""What may be so because a source told of another object than the one that is there."""
LOOKS = 5
"""Versions of an object that are tried, should each be replaced before it is read."""

MODULES = ("hilum.engine.receive", "hilum.dicom.header")
"""What readers need. Few objects need pydicom, so not all readers bear its 0.2 s and 30 MB."""

T = TypeVar("T")
Item = Arrival | Listed | Received


def arrival_of(item: Item) -> Arrival:
    """Whose outcome it is or will be."""
    return item if isinstance(item, Arrival) else item.arrival


def uri_of(item: Item) -> str:
    """Its address."""
    return arrival_of(item).uri


def receive_all(
    items: Sequence[Item], *, digest: bool = True, facts: bool = True, verify: bool = False
) -> list[Received]:
    """Read objects once each; an archive that is read whole gives its members too, and an object of a bucket that
    was replaced meanwhile its newer version behind it. Arguments as for :func:`received`."""
    receive = partial(received, digest=digest, facts=facts, verify=verify)
    read: list[Received] = []
    for kind, group in groupby(items, key=type):
        some: list[Any] = list(group)
        if kind is Arrival:
            read += _read_arrivals(some, receive)
        else:
            read += some if kind is Received else read_listed(some, receive)
    return read


def _read_arrivals(arrivals: Sequence[Arrival], receive: Receive) -> Iterator[Received]:
    """Members that were named one by one come in one pass over their archive."""
    for alone, group in groupby(arrivals, key=lambda arrival: kind_of(arrival.uri) is Kind.ALONE):
        if alone:
            for arrival in group:
                yield from read_in_passing(arrival, receive)
            continue
        named = {arrival.uri: arrival for arrival in group}
        for uri, opened in open_objects(named, named):
            item = receive(named[uri], opened)
            if is_in_bucket(uri) and item.problem in DOUBTED:
                yield from _looked_at_again(item, receive)
            else:
                yield item


def _looked_at_again(item: Received, receive: Receive) -> Iterator[Received]:
    """The version that was to be read is gone, or is not what somebody said: what is there now is read, as a newer
    arrival if it is another version."""
    for _ in range(LOOKS):
        arrival = item.arrival
        [(uri, entry)] = entries_at([arrival.uri])
        if isinstance(entry, TerminalError):
            yield refused(arrival, entry)
            return
        if entry.version == arrival.version:
            if (entry.size, entry.attested) == (arrival.size, arrival.attested):
                break
        else:
            detail = "a newer version took its place"
            yield Received(arrival, problem=REPLACED, ignored=True, detail=detail)
        newer = replace(arrival, size=entry.size, version=entry.version, attested=entry.attested)
        for _, opened in open_objects([uri], {uri: newer}):
            item = receive(newer, opened)
        if item.problem not in DOUBTED:
            break
    yield item


def unreadable(item: Item) -> list[Received]:
    """An object over which whoever reads it dies."""
    if isinstance(item, Received):
        return [item]
    return [
        Received(arrival_of(item), problem="reader-crashed", detail="reading it ended the process that did")
    ]


def merged(parts: Sequence[list[Received]]) -> list[Received]:
    return [item for part in parts for item in part]


def received(
    arrival: Arrival, opened: Opened, *, digest: bool = True, facts: bool = True, verify: bool = False
) -> Received:
    """One object that is open already: its header, its digest and facts for selectors, or why there is no header.

    Where its store attests what the bytes are, only the header is read.

    Args:
        digest: read and hash all bytes that nothing attests.
        verify: read and hash all bytes; the digest stays what it is.
    """
    from hilum.dicom.header import read_header

    if isinstance(opened, TerminalError):
        return refused(arrival, opened)
    found, attested = "", arrival.attested
    try:
        if digest and (verify or not attested):
            found = digest_stream(opened)
            opened.seek(0)
        header = read_header(NOWHERE, opened, facts=facts)
    except TerminalError as error:
        return refused(arrival, error, "" if attested else found)
    except ChecksumMismatch as error:
        return refused(arrival, error)
    except OSError as error:
        return barred(arrival, error, "" if attested else found)
    uid = header.sop_instance_uid
    identity = (
        attested_digest(uid, arrival.size, md5=attested.md5, crc32c=attested.crc32c) if attested else found
    )
    instance = Instance(
        sop_instance_uid=uid,
        sop_class_uid=header.sop_class_uid,
        series_instance_uid=header.series_instance_uid,
        study_instance_uid=header.study_instance_uid,
        digest=identity,
        uri=arrival.uri,
        size=arrival.size,
        transfer_syntax_uid=header.transfer_syntax_uid,
    )
    return Received(arrival, identity, instance, header.facts, header.row, sha256=found)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """``items`` in lists of up to ``size``."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
