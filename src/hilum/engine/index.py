"""Indexing: the headers of what is there go to the warehouse, and nothing else happens.

For people who have a million files and want SQL now. No arrival is recorded and nothing is quarantined; when the same
files are run later, their rows take the place of these. What was indexed before, at the same address in the same
version, is not read again, so an index that was stopped goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from hilum.engine.observe import Observer
from hilum.engine.readers import Readers
from hilum.engine.receive import (
    MODULES,
    Item,
    arrival_of,
    batches,
    receive_all,
    received,
    unreadable,
    uri_of,
)
from hilum.engine.recorder import Recorder
from hilum.engine.unpack import listed, read_in_passing
from hilum.kernel.clock import Clock
from hilum.model.arrival import Arrival, Received, header_line
from hilum.sources.interface import Source
from hilum.storage.archives import Kind, kind_of
from hilum.warehouse.interface import Warehouse

BATCH = 256
ROWS = 4096
"""Rows that are written at once."""
INDEXED, UNCHANGED = "indexed", "unchanged"


@dataclass
class IndexReport:
    """What an index did.

    Attributes:
        counts: objects ``indexed``, ``unchanged`` since they were, and refused, by reason code.
        interrupted: it was told to stop; the next one goes on.
    """

    counts: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False


class Rows(NamedTuple):
    """What came of some objects.

    Attributes:
        lines: a row of ``dicom_metadata`` for each instance, lines of JSON.
        counts: as in a report.
    """

    lines: bytes
    counts: Counter[str]


class Indexer:
    """Writes header rows through the recorder, whose role it holds meanwhile.

    Args:
        workers: processes that read objects.
        digest: whether objects are read to their end and hashed; else only their headers are read.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        recorder: Recorder,
        clock: Clock,
        *,
        workers: int = 1,
        digest: bool = True,
        observer: Observer | None = None,
    ) -> None:
        self._warehouse, self._recorder, self._clock = warehouse, recorder, clock
        self._workers, self._digest = workers, digest
        self._waiting = 0
        self._observer = observer or Observer()

    def index(
        self, source: Source, *, verify: bool = False, stop: Callable[[], bool] = lambda: False
    ) -> IndexReport:
        """Index what a source has now.

        Args:
            verify: read again also what seems unchanged.
            stop: asked for each batch; True ends the look at the source, and what was read is written.

        Raises:
            UsageError: ``not-recording``, where another engine writes to the warehouse.
            WarehouseUnavailable: rows wait for it already. What it does not take later waits in the ledger.
        """
        report = IndexReport()
        self._recorder.begin()
        known = self._warehouse.known_files(hashed=self._digest)

        passing: list[Arrival] = []

        def unknown() -> Iterator[list[Item]]:
            for batch in batches(_expanded(source, passing), BATCH):
                if stop():
                    report.interrupted = True
                    return
                same = [False] * len(batch) if verify else known.contain([arrival_of(item) for item in batch])
                if any(same):
                    report.counts[UNCHANGED] += sum(same)
                self._observer.found(sum(report.counts.values()) + len(batch))
                if unread := [item for item, is_same in zip(batch, same, strict=True) if not is_same]:
                    yield unread

        lines: list[bytes] = []
        work = partial(_rows_of_all, clock=self._clock, digest=self._digest)
        with Readers(self._workers, work, self._lost, _merged, (*MODULES, __name__)) as readers:
            for _, rows in readers.map(unknown()):
                self._take_in(rows, lines, report)
        for archive in passing:
            for part in batches(
                read_in_passing(archive, partial(received, digest=self._digest, facts=False)), BATCH
            ):
                report.interrupted = report.interrupted or stop()
                if report.interrupted:
                    break
                self._take_in(_rows(part, self._clock), lines, report)
        self._write(lines)
        self._recorder.record()  # what the warehouse did not take at first
        self._recorder.finish()
        return report

    def _take_in(self, rows: Rows, lines: list[bytes], report: IndexReport) -> None:
        report.counts.update(rows.counts)
        self._waiting += rows.counts[INDEXED]
        lines.append(rows.lines)
        if self._waiting >= ROWS:
            self._write(lines)
        self._observer.taken_in(report.counts)

    def _write(self, lines: list[bytes]) -> None:
        if self._waiting:
            self._recorder.add_headers(b"".join(lines))
        lines.clear()
        self._waiting = 0

    def _lost(self, item: Item) -> Rows:
        return _rows(unreadable(item), self._clock)


def _rows_of_all(items: Sequence[Item], *, clock: Clock, digest: bool) -> Rows:
    """What readers do, so that text is all that comes from them."""
    return _rows(receive_all(items, digest=digest, facts=False), clock)


def _rows(read: Iterable[Received], clock: Clock) -> Rows:
    now, lines, counts = clock.now(), [], Counter[str]()
    for item in read:
        counts[item.problem or INDEXED] += 1
        if item.instance is not None:
            lines.append(header_line(item, now))
    return Rows("".join(f"{line}\n" for line in lines).encode(), counts)


def _merged(parts: Sequence[Rows]) -> Rows:
    return Rows(b"".join(part.lines for part in parts), sum((part.counts for part in parts), Counter[str]()))


def _expanded(source: Source, passing: list[Arrival]) -> Iterator[Item]:
    """What a source has, archives as their members; ``passing`` gets those that come by once."""
    for arrival in source.scan():
        kind = kind_of(uri_of(arrival))
        if isinstance(arrival, Received):
            yield arrival
        elif kind is Kind.SOUGHT_IN:
            yield from listed(arrival)
        elif kind is Kind.PASSING:
            passing.append(arrival)
        else:
            yield arrival
