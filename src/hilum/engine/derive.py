"""DICOM that tasks made (a segmentation, a report) enters intake as anything else does, linked to its task. It is a
series of its own, which pipelines may take in turn; not those that had a part in making it, or it would never end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hilum.engine.neighbours import dead_neighbours, other_engines
from hilum.engine.receive import receive_all
from hilum.kernel.clock import Clock
from hilum.ledger.interface import Ledger, RunInfo
from hilum.model.arrival import TASK, Arrival, Received
from hilum.model.subject import Scope, subject_id
from hilum.model.work import Manifest
from hilum.storage import Storage

DICOM = "application/dicom"
MADE_BY = "_made_by"
"""The fact of a subject that names the pipelines that had a part in making it."""


class Derivations:
    """Takes in the DICOM that tasks commit, before their end is recorded; a second time changes nothing.

    Args:
        owner: the engine that these are part of.
        take_in: hands what was read to intake, which returns ids of its subjects.
    """

    def __init__(
        self,
        ledger: Ledger,
        storage: Storage,
        clock: Clock,
        owner: str,
        take_in: Callable[[Sequence[Received]], set[str]],
    ) -> None:
        self._ledger = ledger
        self._storage = storage
        self._clock = clock
        self._owner = owner
        self._take_in = take_in
        self._subjects: set[str] = set()

    def follow(self, manifest: Manifest, run: RunInfo) -> None:
        """Take in what a task of this run made."""
        arrivals = [
            Arrival(self._address(made.object), made.size, made.digest, self._clock.now(), TASK + manifest.task_key)
            for made in manifest.artifacts
            if made.media_type == DICOM
        ]  # fmt: skip
        if not arrivals:
            return
        facts = {MADE_BY: sorted({*self._makers(run), run.pipeline})}
        read = [replace(item, facts={**item.facts, **facts}) for item in receive_all(arrivals)]
        self._take_in(read)
        self._subjects.update(
            subject_id(Scope.SERIES, item.instance.series_instance_uid) for item in read if item.instance
        )

    def left_open(self) -> set[str]:
        """Ids of series that tasks made and nobody has called complete, since an engine was killed in between. None
        while another engine is at work, which may be making them, and closes its own."""
        owners = self._ledger.owners(self._clock.now())
        if set(other_engines(owners, self._owner)).difference(dead_neighbours(owners, self._owner)):
            return set()
        found: set[str] = set()
        after = ""
        while page := self._ledger.open_subjects(after):
            after = page[-1].id
            found.update(each.id for each in page if each.scope is Scope.SERIES and makers(each.facts))
        return found

    def taken(self) -> set[str]:
        """Ids of the subjects that results went into since this was last asked."""
        found, self._subjects = self._subjects, set()
        return found

    def _address(self, name: str) -> str:
        path = self._storage.local_path(name)
        return path.as_uri() if path else f"{self._storage.uri.partition('?')[0].rstrip('/')}/{name}"

    def _makers(self, run: RunInfo) -> Sequence[str]:
        return [name for subject in self._ledger.subjects([run.subject_id]) for name in makers(subject.facts)]


def makers(facts: Mapping[str, Any]) -> Sequence[str]:
    """Pipelines that had a part in making a subject with these facts."""
    found: Sequence[str] = facts.get(MADE_BY, ())
    return found
