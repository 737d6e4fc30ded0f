"""Recording: the ledger's outbox into the warehouse and the tree of links. One engine at a time does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hilum.engine.neighbours import dead_neighbours
from hilum.engine.observe import Observer
from hilum.engine.results import link_results, series_folder
from hilum.executors.outputs import find_manifest
from hilum.kernel.clock import Clock
from hilum.kernel.logging import get_logger
from hilum.ledger.interface import Ledger, RunInfo
from hilum.storage import Storage
from hilum.warehouse.interface import Warehouse, WarehouseUnavailable

ROLE = "recorder"
LEASE = 120.0
COMPACT_AFTER = 40
"""Batches between two compactions."""

log = get_logger(__name__)


class Recorder:
    """Empties the outbox.

    Args:
        results: folder of the tree of links; None where storage is not local.
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
    ) -> None:
        self._ledger = ledger
        self._warehouse = warehouse
        self._storage = storage
        self._clock = clock
        self._owner = owner
        self._results = results
        self._observer = observer or Observer()
        self._batches = 0

    def record(self) -> int:
        """Write everything that waits; how many rows. 0 if another engine is at it."""
        written = 0
        while self._is_ours():
            batch = self._ledger.take_outbox()
            if batch is None:
                break
            try:
                self._warehouse.append(batch.number, batch.rows)
            except WarehouseUnavailable as error:
                log.warning("warehouse did not take the rows", error=error)
                break
            self._link(batch.rows.get("tasks", []))
            self._ledger.outbox_done(batch.number)
            written += sum(len(items) for items in batch.rows.values())
            self._batches += 1
            self._observer.recorded(written)
            if self._batches % COMPACT_AFTER == 0:
                self._warehouse.compact()
        return written

    def finish(self) -> None:
        """Give the role back."""
        self._ledger.release_role(ROLE, self._owner)

    def _is_ours(self) -> bool:
        """Whether we are the one who records, be it because whoever did is dead."""
        now = self._clock.now()
        if self._ledger.acquire_role(ROLE, self._owner, now, LEASE):
            return True
        gone = dead_neighbours(self._ledger.owners(), self._owner)
        if gone:
            self._ledger.reclaim(now, gone)
        return bool(gone) and self._ledger.acquire_role(ROLE, self._owner, now, LEASE)

    def _link(self, tasks: list[dict[str, Any]]) -> None:
        """Link the artifacts of tasks that succeeded, for runs that are current."""
        done = [task for task in tasks if task["state"] == "succeeded"]
        if self._results is None or not done:
            return
        runs = {run.id: run for run in self._ledger.runs(ids={task["run_id"] for task in done})}
        subjects = {
            subject.id: subject.facts
            for subject in self._ledger.subjects({run.subject_id for run in runs.values()})
        }
        for task in done:
            run: RunInfo = runs[task["run_id"]]
            manifest = find_manifest(self._storage, task["task_key"])
            if manifest is not None and run.current:
                folder = series_folder(run, subjects.get(run.subject_id, {}))
                link_results(self._results, self._storage, folder, task["step"], manifest)
