"""Mending: what `doctor` may do on its own, because doing it twice or for nothing harms nobody."""

from __future__ import annotations

from datetime import timedelta

from hilum.engine.doctor import is_damaged
from hilum.engine.recorder import Recorder
from hilum.executors.outputs import ManifestDamaged, find_manifest
from hilum.kernel.clock import Clock
from hilum.ledger.interface import Ledger
from hilum.model.keys import manifest_object, report_object
from hilum.model.work import TaskState
from hilum.storage import Storage

ABANDONED = timedelta(hours=1)
"""After this long nobody is still writing one small object."""


def mend(ledger: Ledger, storage: Storage, clock: Clock, recorder: Recorder) -> list[str]:
    """Feed the warehouse what waits for it, forget results that the store has lost, make missing links to results,
    clear away what killed attempts left in the store.

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
    if rows := recorder.record():
        done.append(f"{rows} rows brought to the warehouse")
    if links := recorder.link_all():
        done.append(f"{links} links to results made")
    recorder.finish()
    if gone := storage.sweep(clock.now() - ABANDONED) + _clear_orphans(ledger, storage):
        done.append(f"{gone} files removed that killed attempts had left")
    if gone := _clear_reports(ledger, storage):
        done.append(f"{gone} reports removed that nobody waits for")
    return done


def _clear_orphans(ledger: Ledger, storage: Storage) -> int:
    """Remove outputs that no result names; how many. While engines hold attempts nothing is: it may be theirs."""
    outputs = [stat.name for stat in storage.list("tasks/")]
    if ledger.owners():
        return 0
    found: dict[str, list[str]] = {}
    for name in outputs:
        key = name.split("/")[2]
        found.setdefault(key, []).append(name)
    gone = 0
    for key, names in found.items():
        try:
            manifest = find_manifest(storage, key)
        except ManifestDamaged:
            continue
        kept = (
            {manifest_object(key), *(artifact.object for artifact in manifest.artifacts)}
            if manifest
            else set()
        )
        for name in set(names) - kept:
            storage.delete(name)
            gone += 1
    return gone


def _clear_reports(ledger: Ledger, storage: Storage) -> int:
    """Remove what attempts that shared a pod left of their ends, where the attempt has ended; how many. While engines
    hold attempts, those of runs that have not ended may be waited for."""
    names = [stat.name for stat in storage.list(report_object("").removesuffix(".json"))]
    runs = {name: name.rpartition("/")[2].partition(".")[0] for name in names}
    held = {run.id for run in ledger.runs(ids=runs.values()) if run.finished_at is None}
    if not ledger.owners():
        held = set()
    ended = [name for name, run in runs.items() if run not in held]
    for name in ended:
        storage.delete(name)
    return len(ended)


def _lost(ledger: Ledger, storage: Storage) -> list[str]:
    """Task keys of current runs whose manifest or an artifact is gone or has another content."""
    lost = set()
    current = [run.id for run in ledger.runs() if run.current]
    for task in ledger.tasks(current):
        if task.state is TaskState.SUCCEEDED:
            try:
                manifest = find_manifest(storage, task.task_key)
            except ManifestDamaged:
                manifest = None
            if manifest is None or any(is_damaged(storage, each, deep=True) for each in manifest.artifacts):
                lost.add(task.task_key)
    return sorted(lost)
