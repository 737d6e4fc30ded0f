"""Lineage: what a result came from, down to the instances, and what was made from it, as the warehouse tells it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hilum.errors import UsageError
from hilum.kernel.digest import digest_file
from hilum.warehouse.interface import Warehouse

DIGEST = re.compile(r"[0-9a-f]{8,64}")
ID_OF = {"artifact": "artifact_id", "measurement": "measurement_id", "task": "task_key"}
ANY = "(SELECT unnest(CAST(? AS VARCHAR[])))"
TASKS = f"SELECT * FROM task_results WHERE task_key IN {ANY}"
NEEDS = f"SELECT task_key, id, name FROM lineage WHERE kind = 'task' AND task_key IN {ANY}"
USES = f"SELECT DISTINCT id, task_key FROM lineage WHERE kind = 'task' AND id IN {ANY} ORDER BY task_key"
ATTEMPTS = f"SELECT * FROM attempts WHERE attempt_id IN {ANY}"
RUNS = f"SELECT * FROM runs WHERE run_id IN {ANY}"
ARTIFACTS = f"SELECT * FROM artifacts WHERE task_key IN {ANY} ORDER BY path"
MEASUREMENTS = f"SELECT * FROM measurements WHERE task_key IN {ANY} ORDER BY name, region"
INSTANCES = f"""
SELECT revision, SOPInstanceUID, digest, arg_max(uri, _recorded_at) AS uri FROM revisions WHERE revision IN {ANY}
GROUP BY revision, SOPInstanceUID, digest ORDER BY SOPInstanceUID
"""
"""A revision may be a series' and its study's at once; where a file has moved, its newest place counts."""


@dataclass
class TaskLineage:
    """A committed task: what it was, who did it, what it needed and gave.

    Attributes:
        image: the reference under which a container image was asked for; its digest is in ``code``.
        needs: earlier tasks by the step's name. used_by: later ones that took its outputs.
        attempt: the row of ``attempts``, empty where another home made the result.
    """

    task_key: str
    step: str
    code: Mapping[str, str]
    image: str
    parameters: Mapping[str, Any]
    revision: str
    started_at: Any
    finished_at: Any
    machine: str
    attempt_id: str
    attempt: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    measurements: list[dict[str, Any]] = field(default_factory=list)
    needs: dict[str, TaskLineage] = field(default_factory=dict)
    used_by: list[TaskLineage] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, with what it needed inside."""
        return {
            "task_key": self.task_key,
            "step": self.step,
            "code": dict(self.code),
            "image": self.image,
            "parameters": dict(self.parameters),
            "revision": self.revision,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "machine": self.machine,
            "attempt": {"attempt_id": self.attempt_id, **self.attempt},
            "run": dict(self.run),
            "artifacts": self.artifacts,
            "measurements": self.measurements,
            "needs": {name: need.as_json() for name, need in self.needs.items()},
        }


@dataclass
class Lineage:
    """Where one result came from, and what came of it.

    Attributes:
        id, kind: of what was asked for (``artifact``, ``measurement`` or ``task``).
        found: its row in the warehouse. task: what made it.
        instances: rows with SOPInstanceUID, digest and uri of what went in.
    """

    id: str
    kind: str
    found: Mapping[str, Any]
    task: TaskLineage
    instances: list[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: the provenance that ``export`` puts beside a file."""
        return {
            "id": self.id,
            "kind": self.kind,
            self.kind: dict(self.found),
            "made_by": self.task.as_json(),
            "instances": self.instances,
            "used_by": [used.as_json() for used in self.task.used_by],
        }

    def as_mermaid(self) -> str:
        """A flow chart in Mermaid's language: instances, tasks, artifacts, and what used them."""
        lines = [
            "flowchart LR",
            f'  instances[("{len(self.instances)} instances<br/>{self.task.revision[:12]}")]',
        ]
        drawn: set[str] = set()
        _draw(self.task, lines, drawn)
        for used in self.task.used_by:
            _draw(used, lines, drawn)
        lines.append(f"  style {_node(self.id)} stroke-width:3px")
        return "\n".join(lines) + "\n"


def trace(warehouse: Warehouse, wanted: str) -> Lineage:
    """The lineage of an artifact, a measurement or a task.

    Args:
        wanted: ``a-...``, ``m-...``, a task key, or the first 8 or more hex digits of an artifact's digest.

    Raises:
        UsageError: ``unknown-id``, ``ambiguous-id``.
    """
    kind, found = _find(warehouse, wanted)
    return _trace(warehouse, kind, [found])[0]


def named_by(file: Path, store: Path, warehouse: Warehouse) -> str:
    """The id of the artifact that a link into a local store's folder leads to, or the digest of a file's content."""
    real, root = file.resolve(), store.resolve()
    if real.is_relative_to(root):
        name = real.relative_to(root).as_posix()
        for row in _rows(warehouse, "SELECT artifact_id FROM artifacts WHERE object = ?", [name]):
            return str(row["artifact_id"])
    return digest_file(file)


def trace_artifacts(warehouse: Warehouse, ids: Iterable[str]) -> dict[str, Lineage]:
    """The lineage of many artifacts by id, in a few queries however many they are."""
    found = _rows(warehouse, f"SELECT * FROM artifacts WHERE artifact_id IN {ANY}", [sorted(ids)])
    return {lineage.id: lineage for lineage in _trace(warehouse, "artifact", found)}


def _trace(warehouse: Warehouse, kind: str, found: Sequence[dict[str, Any]]) -> list[Lineage]:
    keys = sorted({row["task_key"] for row in found})
    uses = _rows(warehouse, USES, [keys])
    tasks = _tasks(warehouse, {*keys, *(row["task_key"] for row in uses)})
    for row in uses:
        if row["id"] in tasks and row["task_key"] in tasks:
            tasks[row["id"]].used_by.append(tasks[row["task_key"]])
    instances: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(warehouse, INSTANCES, [sorted({tasks[key].revision for key in keys})]):
        instances.setdefault(row.pop("revision"), []).append(row)
    return [
        Lineage(row[ID_OF[kind]], kind, row, task, instances.get(task.revision, []))
        for row in found
        for task in [tasks[row["task_key"]]]
    ]


def _find(warehouse: Warehouse, wanted: str) -> tuple[str, dict[str, Any]]:
    asked: list[tuple[str, str, Any]] = []
    if wanted.startswith("a-"):
        asked = [("artifact", "SELECT * FROM artifacts WHERE artifact_id = ?", wanted)]
    elif wanted.startswith("m-"):
        asked = [("measurement", "SELECT * FROM measurements WHERE measurement_id = ?", wanted)]
    elif DIGEST.fullmatch(wanted):
        asked = [
            ("task", "SELECT * FROM task_results WHERE starts_with(task_key, ?)", wanted),
            ("artifact", "SELECT * FROM artifacts WHERE starts_with(digest, ?) ORDER BY created_at", wanted),
        ]
    for kind, sql, value in asked:
        rows = _rows(warehouse, sql, [value])
        if len(rows) > 1:
            ids = sorted(row[ID_OF[kind]] for row in rows)
            raise UsageError(
                f"{len(ids)} results are meant by {wanted!r}",
                reason="ambiguous-id",
                hint=f"name one: {', '.join(ids[:5])}{', ...' if len(ids) > 5 else ''}",
            )
        if rows:
            return kind, rows[0]
    raise UsageError(
        f"nothing is known by the id {wanted!r}",
        reason="unknown-id",
        hint='ids are in `hilum query "SELECT artifact_id, name FROM artifacts"`',
    )


def _tasks(warehouse: Warehouse, keys: Iterable[str]) -> dict[str, TaskLineage]:
    """Tasks and, below them, all that they needed."""
    rows: dict[str, dict[str, Any]] = {}
    edges: list[dict[str, Any]] = []
    wanted = sorted(keys)
    while wanted:
        rows |= {row["task_key"]: row for row in _rows(warehouse, TASKS, [wanted])}
        found = _rows(warehouse, NEEDS, [wanted])
        edges += found
        wanted = sorted({row["id"] for row in found} - rows.keys())
    known = {key: _task(row) for key, row in rows.items()}
    _fill(warehouse, known)
    for edge in edges:
        if edge["task_key"] in known and edge["id"] in known:
            known[edge["task_key"]].needs[edge["name"]] = known[edge["id"]]
    return known


def _task(row: Mapping[str, Any]) -> TaskLineage:
    return TaskLineage(
        task_key=row["task_key"],
        step=row["step"],
        code=json.loads(row["code"]),
        image=row["image"] or "",
        parameters=json.loads(row["parameters"]),
        revision=row["revision"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        machine=row["machine"],
        attempt_id=row["attempt"],
    )


def _fill(warehouse: Warehouse, known: Mapping[str, TaskLineage]) -> None:
    """What other tables say of these tasks."""
    asked = sorted({task.attempt_id for task in known.values()})
    attempts = {row["attempt_id"]: row for row in _rows(warehouse, ATTEMPTS, [asked])}
    asked = sorted({row["run_id"] for row in attempts.values()})
    runs = {row["run_id"]: row for row in _rows(warehouse, RUNS, [asked])}
    for task in known.values():
        task.attempt = attempts.get(task.attempt_id, {})
        task.run = runs.get(task.attempt.get("run_id", ""), {})
    for row in _rows(warehouse, ARTIFACTS, [sorted(known)]):
        known[row["task_key"]].artifacts.append(row)
    for row in _rows(warehouse, MEASUREMENTS, [sorted(known)]):
        known[row["task_key"]].measurements.append(row)


def _rows(warehouse: Warehouse, sql: str, parameters: list[Any]) -> list[dict[str, Any]]:
    """A query's rows without the warehouse's own columns, times as ISO texts."""
    rows: list[dict[str, Any]] = warehouse.query(sql, parameters).to_pylist()
    return [
        {
            name: value.isoformat() if hasattr(value, "isoformat") else value
            for name, value in row.items()
            if not name.startswith("_")
        }
        for row in rows
    ]


def _draw(task: TaskLineage, lines: list[str], drawn: set[str]) -> None:
    if task.task_key in drawn:
        return
    drawn.add(task.task_key)
    node = _node(task.task_key)
    code = task.image or task.code.get("version") or task.code.get("source", "")[:12]
    lines.append(f'  {node}["{task.step}<br/>{code}"]')
    lines.append(f"  instances --> {node}")
    for artifact in task.artifacts:
        made = _node(artifact["artifact_id"])
        lines.append(f'  {made}(["{artifact["path"]}<br/>{artifact["digest"][:12]}"])')
        lines.append(f"  {node} --> {made}")
    for found in task.measurements:
        shown = found["text"] if found["value"] is None else quantity(found["value"], found["unit"])
        made = _node(found["measurement_id"])
        lines.append(f'  {made}{{{{"{found["name"]}: {shown}"}}}}')
        lines.append(f"  {node} --> {made}")
    for need in task.needs.values():
        _draw(need, lines, drawn)
        lines.append(f"  {_node(need.task_key)} --> {node}")


def quantity(value: float, unit: str) -> str:
    """A number with its UCUM unit as people write it: a bare number's ``1`` is left out."""
    return f"{value:g}" if unit in ("1", "") else f"{value:g} {unit}"


def _node(identifier: str) -> str:
    return "n" + re.sub(r"\W", "_", identifier)[:24]
