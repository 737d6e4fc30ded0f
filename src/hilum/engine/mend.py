"""Mending: what `doctor` may do on its own, because doing it twice or for nothing harms nobody."""

from __future__ import annotations

from collections.abc import Callable

from hilum.engine.doctor import is_damaged
from hilum.executors.outputs import find_manifest
from hilum.kernel.clock import Clock
from hilum.ledger.interface import Ledger
from hilum.model.keys import manifest_object
from hilum.model.work import TaskState
from hilum.storage import Storage


def mend(ledger: Ledger, storage: Storage, clock: Clock, record: Callable[[], int]) -> list[str]:
    """Feed the warehouse what waits for it, and forget results that the store has lost.

    Returns:
        A line for each thing that was done.
    """
    done = []
    lost = _lost(ledger, storage)
    for key in lost:
        storage.delete(manifest_object(key))
    runs = ledger.redo(lost, clock.now()) if lost else []
    if lost:
        done.append(f"{len(lost)} lost results forgotten; {len(runs)} runs will compute them again")
    if rows := record():
        done.append(f"{rows} rows brought to the warehouse")
    return done


def _lost(ledger: Ledger, storage: Storage) -> list[str]:
    """Task keys of current runs whose manifest or an artifact is gone or has another content."""
    lost = set()
    current = [run.id for run in ledger.runs() if run.current]
    for task in ledger.tasks(current):
        if task.state is TaskState.SUCCEEDED:
            manifest = find_manifest(storage, task.task_key)
            if manifest is None or any(is_damaged(storage, each, deep=True) for each in manifest.artifacts):
                lost.add(task.task_key)
    return sorted(lost)
