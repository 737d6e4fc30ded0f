"""Settling: a series or study is complete by evidence, never by hope. Each rule is a line of its own, pure, and
given the time; what they missed becomes a new revision when it arrives.

- closed: somebody said so (a closed batch such as ``hilum run``, or an explicit close).
- counted: the headers say how many instances there are, and they are all here.
- quiet: nothing arrived for a while, and the headers do not say that something is missing.
- at-most: the first instance has waited long enough, whatever is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from hilum.kernel.ahead import ahead
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.ledger.interface import Ledger
from hilum.model.codec import to_json
from hilum.model.keys import revision_object
from hilum.model.subject import Member, Revision, Scope, Subject, revision_digest
from hilum.storage import Storage
from hilum.storage.interface import ObjectMissing

COUNTS = {Scope.SERIES: "NumberOfSeriesRelatedInstances", Scope.STUDY: "NumberOfStudyRelatedInstances"}
"""Query attributes that many archives leave in what they send (PS3.4 C.3.4)."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a subject: seconds of quiet, and seconds since the first instance at most."""

    quiet: float = 60.0
    at_most: float = 5400.0


def expected_instances(subject: Subject) -> int | None:
    """How many instances the headers say that there are; None where they do not say."""
    value = subject.facts.get(COUNTS[subject.scope])
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def complete_by(subject: Subject, patience: Patience, now: datetime) -> str | None:
    """The rule by which a subject is complete now, or None if it is not."""
    expected = expected_instances(subject)
    if subject.instances == 0 or subject.first_arrival is None or subject.last_arrival is None:
        return None
    if subject.closing:
        return "closed"
    if expected is not None and subject.instances >= expected:
        return "counted"
    missing = expected is not None
    if not missing and (now - subject.last_arrival).total_seconds() >= patience.quiet:
        return "quiet"
    if (now - subject.first_arrival).total_seconds() >= patience.at_most:
        return "at-most"
    return None


class Settler:
    """Pins revisions of subjects that are complete.

    Args:
        patience: how long to wait for a given subject; it depends on the pipelines that would take it.
    """

    def __init__(
        self, ledger: Ledger, storage: Storage, clock: Clock, patience: Callable[[Subject], Patience]
    ) -> None:
        self._ledger = ledger
        self._storage = storage
        self._clock = clock
        self._patience = patience

    def settle(self) -> int:
        """Settle every open subject that is complete by now; how many were. While the ledger is told of one, the
        members of the next few are written."""
        return sum(self._pin(due, digest) for due, digest in ahead(self._write, self._due()))

    def _due(self) -> Iterator[_Due]:
        after = ""
        while page := self._ledger.open_subjects(after):
            after = page[-1].id
            for subject in page:
                if rule := complete_by(subject, self._patience(subject), self._clock.now()):
                    yield _Due(subject, rule, self._ledger.members(subject))

    def _write(self, due: _Due) -> str:
        digest = revision_digest([member.digest for member in due.members])
        write_members(self._storage, digest, due.members)
        return digest

    def _pin(self, due: _Due, digest: str) -> bool:
        subject, rule, count = due.subject, due.rule, len(due.members)
        revision = Revision(subject.id, digest, count, self._clock.now(), rule)
        if not self._ledger.settle(subject, revision, due.members):
            return False
        log.info("settled", subject=subject.id, revision=digest[:12], instances=count, rule=rule)
        return True


@dataclass(frozen=True, slots=True)
class _Due:
    """A subject that is complete."""

    subject: Subject
    rule: str
    members: Sequence[Member]


def write_members(storage: Storage, revision: str, members: Iterable[Member]) -> None:
    """Put a revision's members, a JSON line each, where attempts find them; in place of what says otherwise."""
    name = revision_object(revision)
    data = "".join(json.dumps(to_json(member)) + "\n" for member in members).encode()
    while not storage.create(name, data):
        with suppress(
            ObjectMissing
        ):  # a study of one series has its revision, and may be written at the same time
            if storage.read(name) == data:
                return
            storage.delete(name)


def follow_moves(ledger: Ledger, storage: Storage, subject_ids: Iterable[str]) -> None:
    """Instances of these subjects lie elsewhere now: let the next attempts find them there."""
    for subject in ledger.subjects(subject_ids):
        members = ledger.members(subject)
        if revision_digest([member.digest for member in members]) == subject.revision:
            write_members(storage, subject.revision, members)
