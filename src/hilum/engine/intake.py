"""Intake: every arrival is looked at once, and gets exactly one outcome.

What the ledger knows at the same address with the same version and size is not read again. The rest is read once:
its header is parsed, and all its bytes are hashed where no store attests what they are. What comes with another
digest than its instance is known by is read once more (:mod:`hilum.engine.naming`).

A fault of one object is its outcome, never an exception. A fault of ours (a missing role, a server that refuses) is
nobody's outcome: the object is put off, and comes again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from hilum.engine.naming import called_as_known
from hilum.engine.observe import Observer
from hilum.engine.places import Found, look, without_rival
from hilum.engine.readers import Readers
from hilum.engine.receive import (
    MODULES,
    Item,
    arrival_of,
    batches,
    merged,
    receive_all,
    received,
    unreadable,
    uri_of,
)
from hilum.engine.unpack import listed, read_in_passing
from hilum.errors import TransientError
from hilum.kernel.address import archive_of, is_in_bucket
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.ledger.interface import Known, Ledger
from hilum.model.arrival import Arrival, Received
from hilum.model.subject import Scope, subject_id
from hilum.sources.interface import Source
from hilum.storage.archives import Kind, kind_of
from hilum.storage.listing import NOT_ITS_FAULT

BATCH = 256
UNCHANGED = "unchanged"
STALE = "stale"
"""Older versions of objects of which a newer one is known: news that came late."""
log = get_logger(__name__)


@dataclass
class IntakeReport:
    """What one look at a source gave.

    Attributes:
        counts: arrivals by outcome, ``unchanged`` objects that were not read again, and ``stale`` news of objects
            that were replaced.
        subjects: ids of every subject that has an instance there, new or not.
        put_off: objects of which nothing is recorded, through no fault of theirs, by reason and detail.
        incomplete: addresses of archives of which members were put off.
    """

    counts: Counter[str] = field(default_factory=Counter)
    subjects: set[str] = field(default_factory=set)
    put_off: Counter[tuple[str, str]] = field(default_factory=Counter)
    incomplete: set[str] = field(default_factory=set)


class Intake:
    """Takes arrivals into the ledger.

    Args:
        follow: told ids of subjects of which instances lie elsewhere now.
        workers: processes that read objects, where there are many.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        observer: Observer | None = None,
        follow: Callable[[set[str]], None] = lambda subjects: None,
        workers: int = 1,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._follow = follow
        self._observer = observer or Observer()
        self._workers = workers

    def take(
        self,
        source: Source,
        *,
        verify: bool = False,
        stop: Callable[[], bool] = lambda: False,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> IntakeReport:
        """Take in everything that a source has now; with ``verify`` read also what seems unchanged.

        Args:
            stop: asked for each batch; True ends the look at the source, and what was read is taken in.
            meanwhile: called after each batch.

        Raises:
            TransientError: a storage cannot be reached, or objects were put off; what could be read is taken in.
        """
        report = IntakeReport()
        known: deque[dict[str, Known]] = deque()
        passing: deque[Arrival] = deque()

        def changed() -> Iterator[list[Item]]:
            for batch in batches(self._expanded(told(), report, passing, verify), BATCH):
                if stop():
                    return
                before, unread = sifted(batch)
                if unread:
                    known.append(before)
                    yield unread
                self._observer.taken_in(report.counts)

        def told() -> Iterator[list[Arrival]]:
            """What a source has that nobody has read. The rest is taken in as it comes by: no reader is needed."""
            for batch in batches(source.scan(), BATCH):
                read = [item for item in batch if isinstance(item, Received)]
                if read and not stop():
                    before, new = sifted(read)
                    take_in([item for item in new if isinstance(item, Received)], before)
                yield [item for item in batch if isinstance(item, Arrival)]

        def sifted(batch: Sequence[Item]) -> tuple[dict[str, Known], list[Item]]:
            self._observer.found(sum(report.counts.values()) + len(batch))
            before = self._ledger.known([uri_of(item) for item in batch])
            news, rest = self._sift(batch, before, report, verify)
            source.recorded(rest)
            return before, news

        def take_in(read: Sequence[Received], before: Mapping[str, Known]) -> None:
            received = self._sound(read, report)
            self._take_in(received, before, report, verify=verify)
            source.recorded([item.arrival for item in received])
            self._observer.taken_in(report.counts)
            meanwhile()

        receive = partial(received, verify=verify)

        def take_in_passing() -> None:
            """What comes by once cannot be handed to a reader a batch at a time, so it is read here."""
            while passing and not stop():
                for part in batches(read_in_passing(passing.popleft(), receive), BATCH):
                    take_in(part, self._ledger.known([uri_of(item) for item in part]))
                    if stop():
                        return

        read_all = partial(receive_all, verify=verify)
        with Readers(self._workers, read_all, unreadable, merged, MODULES) as readers:
            for _, read in readers.map(changed()):
                alone = [uri for uri in map(uri_of, read) if kind_of(archive_of(uri)) is Kind.ALONE]
                take_in(read, known.popleft() | (self._ledger.known(alone) if alone else {}))
                take_in_passing()
        take_in_passing()
        _complain_of_put_off(report)
        return report

    def take_read(self, read: Sequence[Received]) -> set[str]:
        """Take in what was read elsewhere; ids of its subjects."""
        report = IntakeReport()
        sound = self._sound(read, report)
        self._take_in(sound, self._ledger.known([item.arrival.uri for item in sound]), report)
        _complain_of_put_off(report)
        return report.subjects

    def _expanded(
        self, told: Iterator[list[Arrival]], report: IntakeReport, passing: deque[Arrival], verify: bool
    ) -> Iterator[Item]:
        """What was told of, archives as their members; ``passing`` gets those that come by once."""
        for batch in told:
            archives = [arrival for arrival in batch if kind_of(arrival.uri)]
            known = self._ledger.known([arrival.uri for arrival in archives])
            unchanged = {
                arrival.uri: arrival.version
                for arrival in archives
                if arrival.uri in known and _is_same(arrival, known[arrival.uri]) and not verify
            }
            if unchanged:
                count, subjects = self._ledger.contents(unchanged)
                report.counts[UNCHANGED] += count
                report.subjects.update(subjects)
            for arrival in batch:
                kind = None if arrival.uri in unchanged else kind_of(arrival.uri)
                if kind is Kind.SOUGHT_IN:
                    yield from listed(arrival)
                elif kind is Kind.PASSING:
                    passing.append(arrival)
                else:
                    yield arrival

    def _sift(
        self, batch: Sequence[Item], known: Mapping[str, Known], report: IntakeReport, verify: bool
    ) -> tuple[list[Item], list[Arrival]]:
        """Those that are news, and the others, which are counted."""
        news: list[Item] = []
        rest: list[Arrival] = []
        for item in batch:
            arrival = arrival_of(item)
            before = known.get(arrival.uri)
            if before is not None and not verify and _is_same(arrival, before):
                report.counts[UNCHANGED] += 1
                report.subjects.update(before.subjects)
            elif before is not None and _is_older(arrival, before):
                report.counts[STALE] += 1
            else:
                news.append(item)
                continue
            rest.append(arrival)
        return news, rest

    def _take_in(
        self,
        read: Sequence[Received],
        known: Mapping[str, Known],
        report: IntakeReport,
        *,
        verify: bool = False,
    ) -> None:
        """What was read, into the ledger."""
        received, unchanged = [], []
        for item in read:
            before = known.get(item.arrival.uri)
            same = before is not None and _is_same(item.arrival, before)
            if same and before is not None and item.digest == before.digest:
                unchanged.append(item)
            else:
                received.append(_changed_unseen(item) if same else item)
        if verify and unchanged:
            self._follow_moves(unchanged, new=False)
            undecided, unchanged = without_rival(self._ledger, unchanged)
            self._ledger.forget((item.arrival.uri, item.arrival.version) for item in undecided)
            received += undecided
        for item in unchanged:
            report.counts[UNCHANGED] += 1
            report.subjects.update(known[item.arrival.uri].subjects)
        if received:
            self._follow_moves(received)
        outcomes = self._ledger.record_arrivals(received, self._clock.now()) if received else []
        for item, outcome in zip(received, outcomes, strict=True):
            report.counts[outcome.value] += 1
            report.subjects.update(_subjects(item))

    def _sound(self, read: Sequence[Received], report: IntakeReport) -> list[Received]:
        """Those of which something can be said, under the names by which their instances are known. The others are
        put off, and with a member its archive, whose own outcome comes behind it and would say that nobody need look
        into it again."""
        digests = self._ledger.digests([item.instance.sop_instance_uid for item in read if item.instance])
        sound = []
        for item in called_as_known(read, digests):
            if item.problem in NOT_ITS_FAULT:
                report.put_off[item.problem, item.detail] += 1
                report.incomplete.add(archive_of(item.arrival.uri))
            elif item.arrival.uri not in report.incomplete:
                sound.append(item)
        return sound

    def _follow_moves(self, received: list[Received], *, new: bool = True) -> None:
        """Where the known copy of an instance is gone or holds other bytes, the new address takes its place.

        This comes before the arrivals are recorded, and includes of ``new`` ones what is at its new address already:
        so the next engine does again what a killed one may have left half done.
        """
        places = self._ledger.places(
            [item.instance.sop_instance_uid for item in received if item.instance is not None]
        )
        read = {item.arrival.uri: item.digest for item in received}
        found = look(place for place in places.values() if place.uri not in read)
        moved = set()
        for item in received:
            place = places.get(item.instance.sop_instance_uid) if item.instance else None
            if place is None or place.digest != item.digest:
                continue
            arrival, uid = item.arrival, place.sop_instance_uid
            there = found.get(uid) is Found.THERE or read.get(place.uri) == place.digest
            if new if place.uri == arrival.uri else not there:
                self._ledger.relocate(uid, item.digest, arrival.uri, arrival.size, arrival.version)
                moved.update(_subjects(item))
        if moved:
            self._follow(moved)


def _complain_of_put_off(report: IntakeReport) -> None:
    for (reason, _), count in report.put_off.items():
        log.warning("objects were put off", reason=reason, count=count)
    for reason, detail in report.put_off:
        raise TransientError(detail, reason=reason, hint="once that is mended, they are looked at again")


def _subjects(item: Received) -> set[str]:
    if item.instance is None:
        return set()
    return {
        subject_id(Scope.SERIES, item.instance.series_instance_uid),
        subject_id(Scope.STUDY, item.instance.study_instance_uid),
    }


def _is_same(arrival: Arrival, known: Known) -> bool:
    return (known.version, known.size) == (arrival.version, arrival.size)


def _is_older(arrival: Arrival, known: Known) -> bool:
    """Whether this is news of a version that was replaced. Generations of a bucket's object only grow."""
    return (
        is_in_bucket(arrival.uri)
        and arrival.version.isdigit()
        and known.version.isdigit()
        and int(arrival.version) < int(known.version)
    )


def _changed_unseen(item: Received) -> Received:
    """Other bytes under the same version (found by verifying): the digest tells the two arrivals apart."""
    version = f"{item.arrival.version}+{item.digest[:12]}"
    return replace(item, arrival=replace(item.arrival, version=version))
