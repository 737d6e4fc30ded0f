"""Lineage: what a result came from, down to the instances, and what was made from it, as the warehouse tells it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hilum.errors import UsageError
from hilum.warehouse.interface import Warehouse

DIGEST = re.compile(r"[0-9a-f]{8,64}")
TASKS = "SELECT * FROM task_results WHERE task_key IN (SELECT unnest(?::VARCHAR[]))"
NEEDS = (
    "SELECT task_key, id, name FROM lineage WHERE kind = 'task' AND task_key IN (SELECT unnest(?::VARCHAR[]))"
)
USES = "SELECT DISTINCT task_key FROM lineage WHERE kind = 'task' AND id IN (SELECT unnest(?::VARCHAR[]))"
ATTEMPT = "SELECT * FROM attempts WHERE attempt_id = ?"
RUN = "SELECT * FROM runs WHERE run_id = ?"
INSTANCES = "SELECT SOPInstanceUID, digest, uri FROM revisions WHERE revision = ? ORDER BY SOPInstanceUID"


@dataclass
class TaskLineage:
    """A committed task: what it was, who did it, what it needed and gave.

    Attributes:
        needs: earlier tasks by the step's name. used_by: later ones that took its outputs.
        attempt: the row of ``attempts``, empty where another home made the result.
    """

    task_key: str
    step: str
    code: Mapping[str, str]
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
        UsageError: ``unknown-id``.
    """
    kind, found = _find(warehouse, wanted)
    key = found["task_key"]
    tasks = _tasks(warehouse, [key])
    task = tasks[key]
    later = [row["task_key"] for row in _rows(warehouse, USES, [[key]])]
    task.used_by = list(_tasks(warehouse, later).values()) if later else []
    instances = _rows(warehouse, INSTANCES, [task.revision])
    id_of = {"artifact": "artifact_id", "measurement": "measurement_id", "task": "task_key"}
    return Lineage(found[id_of[kind]], kind, found, task, instances)


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
        if rows := _rows(warehouse, sql, [value]):
            return kind, rows[0]
    raise UsageError(
        f"nothing is known by the id {wanted!r}",
        reason="unknown-id",
        hint='ids are in `hilum query "SELECT artifact_id, name FROM artifacts"`',
    )


def _tasks(warehouse: Warehouse, keys: Iterable[str]) -> dict[str, TaskLineage]:
    """Tasks and, below them, all that they needed."""
    known: dict[str, TaskLineage] = {}
    edges: list[tuple[str, str, str]] = []
    wanted = list(keys)
    while wanted:
        for row in _rows(warehouse, TASKS, [wanted]):
            known[row["task_key"]] = _task(warehouse, row)
        found = _rows(warehouse, NEEDS, [wanted])
        edges += [(row["task_key"], row["id"], row["name"]) for row in found]
        wanted = sorted({row["id"] for row in found} - known.keys())
    for key, need, name in edges:
        if key in known and need in known:
            known[key].needs[name] = known[need]
    return known


def _task(warehouse: Warehouse, row: Mapping[str, Any]) -> TaskLineage:
    key, attempt_id = row["task_key"], row["attempt"]
    attempts = _rows(warehouse, ATTEMPT, [attempt_id])
    runs = _rows(warehouse, RUN, [attempts[0]["run_id"]]) if attempts else []
    return TaskLineage(
        task_key=key,
        step=row["step"],
        code=json.loads(row["code"]),
        parameters=json.loads(row["parameters"]),
        revision=row["revision"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        machine=row["machine"],
        attempt_id=attempt_id,
        attempt=attempts[0] if attempts else {},
        run=runs[0] if runs else {},
        artifacts=_rows(warehouse, "SELECT * FROM artifacts WHERE task_key = ? ORDER BY path", [key]),
        measurements=_rows(
            warehouse, "SELECT * FROM measurements WHERE task_key = ? ORDER BY name, region", [key]
        ),
    )


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
    code = task.code.get("version") or task.code.get("source", "")[:12]
    lines.append(f'  {node}["{task.step}<br/>{code}"]')
    lines.append(f"  instances --> {node}")
    for artifact in task.artifacts:
        made = _node(artifact["artifact_id"])
        lines.append(f'  {made}(["{artifact["path"]}<br/>{artifact["digest"][:12]}"])')
        lines.append(f"  {node} --> {made}")
    for found in task.measurements:
        shown = found["text"] if found["value"] is None else f"{found['value']:g} {found['unit']}"
        made = _node(found["measurement_id"])
        lines.append(f'  {made}{{{{"{found["name"]}: {shown}"}}}}')
        lines.append(f"  {node} --> {made}")
    for need in task.needs.values():
        _draw(need, lines, drawn)
        lines.append(f"  {_node(need.task_key)} --> {node}")


def _node(identifier: str) -> str:
    return "n" + re.sub(r"\W", "_", identifier)[:24]
