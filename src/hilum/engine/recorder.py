"""Recording: the ledger's outbox into the warehouse and the tree of links. One engine at a time does it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hilum.audit.events import TABLE as AUDIT
from hilum.audit.log import tell
from hilum.engine.neighbours import dead_neighbours
from hilum.engine.observe import Observer
from hilum.engine.results import link_results, series_folder, unlink_others
from hilum.errors import UsageError
from hilum.executors.outputs import ManifestDamaged, find_manifest
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.kernel.memory import give_back
from hilum.ledger.interface import Ledger, Rows
from hilum.model.arrival import RefusedRow
from hilum.model.work import TaskState
from hilum.storage import Storage
from hilum.warehouse.interface import Warehouse, WarehouseDamaged, WarehouseUnavailable

ROLE = "recorder"
LEASE = 120.0
COMPACT_AFTER = 40
"""Batches between two compactions."""

log = get_logger(__name__)


class Recorder:
    """Empties the outbox.

    Args:
        results: folder of the tree of links; None where storage is not local.
        recorded: told the rows of each batch that the warehouse took, before the ledger forgets them.

    Attributes:
        trouble: why the warehouse did not take what it was given last, so that rows wait; None if it did.
    """

    def __init__(
        self,
        ledger: Ledger,
        warehouse: Warehouse,
        storage: Storage,
        clock: Clock,
        owner: str,
        results: Path | None,
        observer: Observer | None = None,
        recorded: Callable[[Rows], None] = lambda rows: None,
    ) -> None:
        self._ledger = ledger
        self._warehouse = warehouse
        self._storage = storage
        self._clock = clock
        self._owner = owner
        self._results = results
        self._observer = observer or Observer()
        self._recorded = recorded
        self._batches = 0
        self.trouble: WarehouseUnavailable | None = None

    def record(self, until: float = math.inf) -> int:
        """Write what waits; how many rows. 0 if another engine is at it.

        Args:
            until: no batch is begun after this moment of the clock's monotonic time.
        """
        written = 0
        self.trouble = None
        while self._clock.monotonic() < until and self._is_ours():
            batch = self._ledger.take_outbox()
            if batch is None:
                break
            try:
                refused = self._warehouse.append(batch.number, batch.rows, batch.headers)
            except WarehouseUnavailable as error:
                self._not_taken(error)
                break
            tell(batch.rows.get(AUDIT, ()))
            self._refuse(refused)
            self._link(_succeeded(batch.rows.get("tasks", [])))
            self._tidy(batch.rows)
            self._recorded(batch.rows)
            self._ledger.outbox_done(batch.number)
            written += sum(len(items) for items in batch.rows.values()) + batch.headers.count(b"\n")
            self._observer.recorded(written)
            self._count()
        if written:  # batches are what an engine's memory rises and falls with
            give_back()
        return written

    def begin(self) -> None:
        """Become the one who records, and write what waits: what is added then comes after it.

        Raises:
            UsageError: ``not-recording``, where another engine does.
            WarehouseUnavailable: what waits was not taken, so nothing can come after it.
        """
        self.record()
        if not self._is_ours():
            raise UsageError(
                "another engine records into this home",
                reason="not-recording",
                hint="let it end first: `hilum status` shows what it does",
            )
        if self.trouble is not None:
            raise self.trouble

    def add_headers(self, lines: bytes) -> None:
        """Write rows of ``dicom_metadata`` that no arrival stands behind, a line of JSON each; after ``begin``.

        What the warehouse does not take waits in the outbox, and what comes after it behind it.
        """
        if not self._is_ours():
            raise UsageError("another engine took over the recording", reason="not-recording")
        number = 0
        if self.trouble is not None:
            self.record()
        if self.trouble is None:
            number = self._ledger.new_batch()
            try:
                self._refuse(self._warehouse.append(number, {}, lines))
            except WarehouseUnavailable as error:
                self._not_taken(error)
            else:
                self._count()
                return
        self._ledger.tell({}, [line.decode() for line in lines.splitlines()], number)

    def _not_taken(self, error: WarehouseUnavailable) -> None:
        log.warning("warehouse did not take the rows", error=error)
        self.trouble = error

    def _refuse(self, rows: Sequence[RefusedRow]) -> None:
        """Keep what the warehouse did not take, before the batch counts as done."""
        if rows:
            self._ledger.refuse_rows(rows, self._clock.now())
            log.warning("rows were refused and are in the quarantine", count=len(rows))

    def finish(self) -> None:
        """Leave few files behind, also after many short lives, and give the role back."""
        if self._batches:
            self._compact()
        self._ledger.release_role(ROLE, self._owner)

    def _count(self) -> None:
        """One batch more is written."""
        self._batches += 1
        if self._batches % COMPACT_AFTER == 0:
            self._compact()

    def _compact(self) -> None:
        try:
            self._warehouse.compact()
        except (WarehouseDamaged, WarehouseUnavailable) as error:  # recording goes on without
            log.warning("warehouse was not compacted", error=error)

    def _is_ours(self) -> bool:
        """Whether we are the one who records, be it because whoever did is dead."""
        now = self._clock.now()
        if self._ledger.acquire_role(ROLE, self._owner, now, LEASE):
            return True
        gone = dead_neighbours(self._ledger.owners(), self._owner)
        if gone:
            self._ledger.reclaim(now, gone)
        return bool(gone) and self._ledger.acquire_role(ROLE, self._owner, now, LEASE)

    def link_all(self) -> int:
        """Link everything that current runs gave; how many links were not there."""
        current = [run.id for run in self._ledger.runs() if run.current]
        tasks = self._ledger.tasks(current)
        return self._link([(t.run_id, t.step, t.task_key) for t in tasks if t.state is TaskState.SUCCEEDED])

    def _link(self, tasks: Sequence[tuple[str, str, str]]) -> int:
        """Link the artifacts of tasks (run, step, key) that succeeded, for runs that are current."""
        if self._results is None or not tasks:
            return 0
        folders = self._folders({run_id for run_id, _, _ in tasks})
        made = 0
        for run_id, step, key in tasks:
            try:
                manifest = find_manifest(self._storage, key)
            except ManifestDamaged as error:
                log.warning("a result is not linked", run=run_id, step=step, error=error)
                continue
            if manifest is not None and run_id in folders:
                made += link_results(self._results, self._storage, folders[run_id], step, manifest)
        return made

    def _tidy(self, rows: Rows) -> None:
        """As a run ends, or counts again, let the tree show what it gave, and nothing that an older one gave."""
        ended = {row["run_id"] for row in rows.get("runs", ()) if row["current"] and row["finished_at"]}
        if self._results is None or not ended:
            return
        told = {row["run_id"] for row in rows.get("tasks", ())}
        done = [task for task in self._ledger.tasks(ended) if task.state is TaskState.SUCCEEDED]
        self._link([(task.run_id, task.step, task.task_key) for task in done if task.run_id not in told])
        for run_id, folder in self._folders(ended).items():
            unlink_others(self._results / folder, {task.step for task in done if task.run_id == run_id})

    def _folders(self, run_ids: Iterable[str]) -> dict[str, Path]:
        """Where in the tree the current ones of these runs have their place."""
        runs = [run for run in self._ledger.runs(ids=run_ids) if run.current]
        subjects = self._ledger.subjects({run.subject_id for run in runs})
        facts = {subject.id: subject.facts for subject in subjects}
        return {run.id: series_folder(run, facts.get(run.subject_id, {})) for run in runs}


def _succeeded(tasks: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Run, step and key of the rows of tasks that succeeded."""
    return [(row["run_id"], row["step"], row["task_key"]) for row in tasks if row["state"] == "succeeded"]
