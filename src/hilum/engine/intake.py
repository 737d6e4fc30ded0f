"""Intake: every arrival is looked at once, and gets exactly one outcome.

What the ledger knows at the same address with the same version and size is not read again. The rest is read
once from end to end: hashed, and its header parsed. A fault of one object is its outcome, never an exception.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from hilum.engine.observe import Observer
from hilum.errors import IgnoredError, TerminalError
from hilum.kernel.address import local_path
from hilum.kernel.clock import Clock
from hilum.kernel.digest import digest_stream
from hilum.kernel.logging import get_logger
from hilum.ledger.interface import Ledger
from hilum.model.arrival import Arrival, Instance, Received
from hilum.model.subject import Scope, subject_id
from hilum.sources.interface import Source

BATCH = 256
UNCHANGED = "unchanged"

log = get_logger(__name__)


@dataclass
class IntakeReport:
    """What one look at a source gave.

    Attributes:
        counts: arrivals by outcome, and ``unchanged`` objects that were not read again.
        subjects: ids of every subject that has an instance there, new or not.
    """

    counts: Counter[str] = field(default_factory=Counter)
    subjects: set[str] = field(default_factory=set)


class Intake:
    """Takes arrivals into the ledger.

    Args:
        follow: told ids of subjects of which instances lie elsewhere now.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        observer: Observer | None = None,
        follow: Callable[[set[str]], None] = lambda subjects: None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._follow = follow
        self._observer = observer or Observer()

    def take(self, source: Source, *, verify: bool = False) -> IntakeReport:
        """Take in everything that a source has now; with ``verify`` read also what seems unchanged."""
        report = IntakeReport()
        seen = 0
        for batch in batches(source.scan(), BATCH):
            seen += len(batch)
            self._observer.found(seen)
            self.take_batch(batch, report, verify=verify)
            self._observer.taken_in(report.counts)
        return report

    def take_batch(self, batch: list[Arrival], report: IntakeReport, *, verify: bool = False) -> None:
        """Take in some arrivals, in one transaction."""
        known = self._ledger.known([arrival.uri for arrival in batch])
        received = []
        for arrival in batch:
            before = known.get(arrival.uri)
            same = before is not None and (before.version, before.size) == (arrival.version, arrival.size)
            item = None if same and not verify else receive(arrival)
            if same and before is not None and (item is None or item.digest == before.digest):
                report.counts[UNCHANGED] += 1
                report.subjects.update(before.subjects)
            elif item is not None:
                received.append(_changed_unseen(item) if same else item)
        if received:
            self._follow_moves(received)
        outcomes = self._ledger.record_arrivals(received, self._clock.now()) if received else []
        for item, outcome in zip(received, outcomes, strict=True):
            report.counts[outcome.value] += 1
            report.subjects.update(_subjects(item))

    def _follow_moves(self, received: list[Received]) -> None:
        """Where the known copy of an instance is gone, the new address takes its place.

        This comes before the arrivals are recorded, and includes what is at its new address already: so the next
        engine does again what a killed one may have left half done.
        """
        items = {item.instance.sop_instance_uid: item for item in received if item.instance is not None}
        moved = set()
        for uid, uri in self._ledger.locations(list(items)).items():
            arrival = items[uid].arrival
            if uri == arrival.uri or not os.path.exists(local_path(uri)):
                self._ledger.relocate(uid, items[uid].digest, arrival.uri, arrival.size, arrival.version)
                moved.update(_subjects(items[uid]))
        if moved:
            self._follow(moved)


def _subjects(item: Received) -> set[str]:
    if item.instance is None:
        return set()
    return {
        subject_id(Scope.SERIES, item.instance.series_instance_uid),
        subject_id(Scope.STUDY, item.instance.study_instance_uid),
    }


def receive(arrival: Arrival) -> Received:
    """Read one object once: its header and its digest, or why there is none."""
    from hilum.dicom.header import open_object, read_header

    path, digest = Path(local_path(arrival.uri)), ""
    try:
        with open_object(path) as stream:
            digest = digest_stream(stream)
            stream.seek(0)
            header = read_header(path, stream)
    except TerminalError as error:
        ignored = isinstance(error, IgnoredError)
        return Received(arrival, digest, problem=error.reason, ignored=ignored, detail=error.message)
    except OSError as error:
        detail = f"cannot be read: {os.strerror(error.errno or 0)}"
        return Received(arrival, digest, problem="unreadable", detail=detail)
    instance = Instance(
        sop_instance_uid=header.sop_instance_uid,
        sop_class_uid=header.sop_class_uid,
        series_instance_uid=header.series_instance_uid,
        study_instance_uid=header.study_instance_uid,
        digest=digest,
        uri=arrival.uri,
        size=arrival.size,
        transfer_syntax_uid=header.transfer_syntax_uid,
    )
    return Received(arrival, digest, instance, header.facts, header.row)


def _changed_unseen(item: Received) -> Received:
    """Other bytes under the same version (found by verifying): the digest tells the two arrivals apart."""
    version = f"{item.arrival.version}+{item.digest[:12]}"
    return replace(item, arrival=replace(item.arrival, version=version))


def batches(items: Iterable[Arrival], size: int) -> Iterator[list[Arrival]]:
    """``items`` in lists of up to ``size``."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
