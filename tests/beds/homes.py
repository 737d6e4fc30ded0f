"""Two homes compared, and one home searched: whether what happened to an engine can be seen in what it left.

Times, attempts and the names of objects (which hold the attempt's) may differ between a home whose engines were
killed and one that nobody disturbed. Everything else has to be equal, row by row.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hilum
from hilum.kernel.digest import digest_file
from hilum.storage.local import TEMPORARY
from hilum.warehouse.files import PARTIAL
from hilum.warehouse.tables import HEADERS, TABLES

RUN = "run_id pipeline scope subject_id revision state reason current"
ABOUT = "subject_id revision SeriesInstanceUID StudyInstanceUID"
COMPARED = {
    "arrivals": "uri size outcome reason digest sop_instance_uid",
    "runs": RUN,
    "tasks": "task_id state task_key reason detail",
    "artifacts": f"artifact_id task_key step name path digest size media_type {ABOUT}",
    "measurements": f"measurement_id task_key step name value text concept_code unit region instances {ABOUT}",
    "lineage": "task_key direction kind id digest name",
    "revisions": "revision subject_id SOPInstanceUID digest uri",
    "task_results": "task_key step code parameters revision",
    "quarantine": "uri reason detail digest known_digest sop_instance_uid decision",
}
WRITTEN_ONCE = (HEADERS, "arrivals", "attempts", "revisions")
"""Tables of which not even the history has a row twice."""
TIMES_OF_HEADERS = ("ArrivalTime",)

Snapshot = dict[str, list[str]]


def snapshot(root: Path) -> Snapshot:
    """All of a home that has to be the same whatever happened on the way, as sorted lines by what they are about."""
    found: Snapshot = {}
    with hilum.open(root, create=False) as home:
        runs = home.runs()
        found["ledger: runs"] = [
            _line([run.id, run.pipeline, run.subject_id, run.revision, run.state, run.current])
            for run in runs
        ]
        found["ledger: tasks"] = [
            _line([task.run_id, task.step, task.state, task.task_key, task.reason, task.detail])
            for task in home.ledger.tasks(run.id for run in runs)
        ]
        found["ledger: arrivals"] = [_line(item) for item in home.status().arrivals.items()]
        for table, columns in COMPARED.items():
            wanted = ", ".join(f'"{column}"' for column in columns.split())
            found[f"warehouse: {table}"] = _rows(home, f"SELECT {wanted} FROM {table}")
        left_out = ", ".join(["_recorded_at", *TIMES_OF_HEADERS])
        found[f"warehouse: {HEADERS}"] = _rows(home, f"SELECT * EXCLUDE ({left_out}) FROM {HEADERS}")
        found["results"] = [
            _line([path.relative_to(home.results), digest_file(path)])
            for path in home.results.rglob("*")
            if path.is_symlink() and path.exists()
        ]
    return {name: sorted(lines) for name, lines in found.items()}


def differences(one: Snapshot, other: Snapshot) -> list[str]:
    """What the second snapshot has lost or gained against the first, a line each."""
    found = []
    for name in one:
        before, after = Counter(one[name]), Counter(other[name])
        found += [f"{name}: lost {line}" for line in (before - after).elements()]
        found += [f"{name}: gained {line}" for line in (after - before).elements()]
    return found


def faults(root: Path) -> list[str]:
    """What no home may show once all is done and no engine is at work, a line each."""
    return [*_unsound(root), *_doubled(root), *_untold(root), *broken_artifacts(root), *leftovers(root)]


def unfinished(root: Path) -> list[str]:
    """Runs that have not ended."""
    with hilum.open(root, create=False) as home:
        return [f"run {run.id} has not ended" for run in home.runs() if run.finished_at is None]


def leftovers(root: Path) -> list[str]:
    """What the next engine has to clear away as it starts."""
    work = [path for path in root.glob("work/*") if path.name not in ("lock", "logs")]
    links = [path for path in (root / "results").rglob("*") if path.is_symlink()]
    odd = [path for path in links if not path.exists() or path.name.startswith(".")]
    return [f"left over: {path.relative_to(root)}" for path in (*work, *odd)]


def litter(root: Path) -> list[str]:
    """What kills left in store and warehouse, read by nobody: half-written files, outputs that no result names."""
    parts = [path for prefix in (TEMPORARY, PARTIAL) for path in root.rglob(f"{prefix}*")]
    known = {root / "store" / str(name) for _, name, _, _ in _artifacts(root)}
    outputs = [path for path in root.glob("store/tasks/*/*/*/**/*") if path.is_file()]
    return sorted({path.relative_to(root).as_posix() for path in (*parts, *outputs) if path not in known})


def _unsound(root: Path) -> Iterator[str]:
    with hilum.open(root, create=False) as home:
        yield from (f"ledger: {line}" for line in home.ledger.check())
        status = home.status()
        if status.outbox:
            yield f"outbox: {status.outbox} rows"
        if status.open_subjects:
            yield f"subjects: {status.open_subjects} are open"
        if owners := home.ledger.owners():
            yield f"leases: held by {owners}"
        yield from (
            f"doctor: {finding.check}: {finding.message}"
            for finding in home.doctor(deep=True)
            if finding.check not in ("disk", "sandbox", "converter") and finding.health != "ok"
        )
    with sqlite3.connect(root / "ledger.sqlite") as connection:
        for state, number in connection.execute("SELECT state, count(*) FROM segments GROUP BY state"):
            if state != "done":
                yield f"segments: {number} are {state}"
        for role, owner in connection.execute("SELECT role, owner FROM roles"):
            yield f"roles: {role} is held by {owner}"
    connection.close()


def _doubled(root: Path) -> Iterator[str]:
    """Rows that a view shows twice, or that were written twice where a crash must not do so."""
    with hilum.open(root, create=False) as home:
        seen = (*TABLES, *(f"all_{name}" for name in WRITTEN_ONCE))
        counts = [
            f"SELECT '{name}' AS name, count(*) AS n, count(DISTINCT _row_id) AS d FROM {name}"
            for name in seen
        ]
        for row in home.query(" UNION ALL ".join(counts)).to_pylist():
            if row["n"] != row["d"]:
                yield f"warehouse: {row['name']} has {row['n'] - row['d']} rows too many"
        instances = home.query(f"SELECT SOPInstanceUID FROM {HEADERS}").column(0).to_pylist()
        yield from (f"instance {uid} has {n} rows" for uid, n in Counter(instances).items() if n > 1)


def _untold(root: Path) -> Iterator[str]:
    """Attempts that the ledger counts and the warehouse never heard of."""
    with sqlite3.connect(root / "ledger.sqlite") as connection:
        begun = {
            f"{segment}.{number}"
            for segment, attempts in connection.execute("SELECT id, attempts FROM segments")
            for number in range(1, attempts + 1)
        }
    connection.close()
    with hilum.open(root, create=False) as home:
        told = set(home.query("SELECT attempt_id FROM attempts").column(0).to_pylist())
    yield from (f"attempt {each} was never told of" for each in sorted(begun - told))
    yield from (f"attempt {each} never was" for each in sorted(told - begun))


def broken_artifacts(root: Path) -> Iterator[str]:
    """Artifacts of the warehouse whose bytes are gone or others."""
    for identifier, name, digest, size in _artifacts(root):
        path = root / "store" / str(name)
        if not path.is_file():
            yield f"artifact {identifier} is gone"
        elif path.stat().st_size != size or digest_file(path) != digest:
            yield f"artifact {identifier} has other bytes"


def _artifacts(root: Path) -> list[tuple[Any, ...]]:
    with hilum.open(root, create=False) as home:
        rows = home.query("SELECT artifact_id, object, digest, size FROM artifacts").to_pylist()
    return [tuple(row.values()) for row in rows]


def _rows(home: hilum.Home, sql: str) -> list[str]:
    return [_line(list(row.values())) for row in home.query(sql).to_pylist()]


def _line(values: Any) -> str:
    return json.dumps(values, default=os.fspath if isinstance(values, Path) else str)
