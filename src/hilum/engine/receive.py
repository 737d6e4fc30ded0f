"""Reading objects, each once: what intake and index make readers do, in whatever process.

An item is an arrival to be opened by its address, a member that was listed in an archive, or decided already. A fault
of one object is what comes of it, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeVar

from hilum.engine.unpack import Listed, Receive, barred, read_in_passing, read_listed, refused
from hilum.errors import TerminalError
from hilum.kernel.digest import digest_stream
from hilum.model.arrival import Arrival, Instance, Received
from hilum.storage.archives import Kind, kind_of
from hilum.storage.objects import Opened, open_objects

NOWHERE = Path()
"""The path of what is open already."""

T = TypeVar("T")
Item = Arrival | Listed | Received


def arrival_of(item: Item) -> Arrival:
    """Whose outcome it is or will be."""
    return item if isinstance(item, Arrival) else item.arrival


def uri_of(item: Item) -> str:
    """Its address."""
    return arrival_of(item).uri


def receive_all(items: Sequence[Item], *, digest: bool = True, facts: bool = True) -> list[Received]:
    """Read objects once each; an archive that is read whole gives its members too."""
    receive = partial(received, digest=digest, facts=facts)
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
        for uri, opened in open_objects(named):
            yield receive(named[uri], opened)


def unreadable(item: Item) -> list[Received]:
    """An object over which whoever reads it dies."""
    if isinstance(item, Received):
        return [item]
    return [
        Received(arrival_of(item), problem="reader-crashed", detail="reading it ended the process that did")
    ]


def merged(parts: Sequence[list[Received]]) -> list[Received]:
    return [item for part in parts for item in part]


def received(arrival: Arrival, opened: Opened, *, digest: bool = True, facts: bool = True) -> Received:
    """One object that is open already: its header, its digest and facts for selectors, or why there is no header."""
    from hilum.dicom.header import read_header

    if isinstance(opened, TerminalError):
        return refused(arrival, opened)
    found = ""
    try:
        if digest:
            found = digest_stream(opened)
            opened.seek(0)
        header = read_header(NOWHERE, opened)
    except TerminalError as error:
        return refused(arrival, error, found)
    except OSError as error:
        return barred(arrival, error, found)
    instance = Instance(
        sop_instance_uid=header.sop_instance_uid,
        sop_class_uid=header.sop_class_uid,
        series_instance_uid=header.series_instance_uid,
        study_instance_uid=header.study_instance_uid,
        digest=found,
        uri=arrival.uri,
        size=arrival.size,
        transfer_syntax_uid=header.transfer_syntax_uid,
    )
    return Received(arrival, found, instance, header.facts if facts else {}, header.row)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """``items`` in lists of up to ``size``."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
