"""Export: results as files with names that people chose, each with its provenance beside it.

Names come from header keywords, so they may hold patient data: that is what was asked for, and the only place
outside the warehouse where it happens. Values are made safe for any file system.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import string
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilum.engine.lineage import Lineage, trace_artifacts
from hilum.errors import UsageError
from hilum.kernel.nearest import did_you_mean
from hilum.storage import Storage
from hilum.warehouse.interface import Warehouse

DEFAULT_LAYOUT = "{PatientID}/{SeriesNumber}_{SeriesDescription}"
UNSAFE = re.compile(r"[^\w.+@=-]+")
OWN = ("pipeline", "step", "subject_id")
CURRENT = """
SELECT a.*, r.pipeline, r.scope, r.subject_uid FROM artifacts a
JOIN tasks t ON t.task_key = a.task_key AND t.state = 'succeeded'
JOIN runs r ON r.run_id = t.run_id AND r."current"
ORDER BY r.subject_id, r.pipeline, a.step, a.path
"""
UID_OF = {"series": "SeriesInstanceUID", "study": "StudyInstanceUID"}
AT_ONCE = 200
"""Artifacts whose history is asked for in one go."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written. ``already``: it was there with the same content."""

    path: Path
    artifact_id: str
    already: bool


def export(
    warehouse: Warehouse,
    storage: Storage,
    destination: Path,
    layout: str = DEFAULT_LAYOUT,
    *,
    steps: tuple[str, ...] = (),
    pipelines: tuple[str, ...] = (),
) -> Iterator[Exported]:
    """Write the artifacts of current runs below ``destination``; yields each as it is written.

    Args:
        layout: folder of a subject's files, with header keywords in braces; also {pipeline}, {step}, {subject_id}.
        steps, pipelines: only these.

    Raises:
        UsageError: ``bad-layout``: a keyword in the layout that is not DICOM's; ``destination``: nothing can be
            written there.
    """
    names = check_layout(layout)
    rows = [
        row
        for row in warehouse.query(CURRENT).to_pylist()
        if (not steps or row["step"] in steps) and (not pipelines or row["pipeline"] in pipelines)
    ]
    headers = {scope: _headers(warehouse, scope, names) for scope in {row["scope"] for row in rows}}
    taken: dict[Path, str] = {}
    placed: dict[Path, dict[str, Any]] = {}
    for row in rows:  # pipelines may share a result
        folder = destination / folder_for(layout, headers[row["scope"]].get(row["subject_uid"], {}), row)
        placed[_free(folder / row["step"] / row["path"], row["artifact_id"], taken)] = row
    entries = list(placed.items())
    for start in range(0, len(entries), AT_ONCE):
        page = entries[start : start + AT_ONCE]
        with _below(destination):
            missing = [row["artifact_id"] for path, row in page if not _is_there(path, row)]
        histories = trace_artifacts(warehouse, missing) if missing else {}
        for path, row in page:
            history = histories.get(row["artifact_id"])
            if history is not None:
                with _below(destination):
                    _write(storage, path, row, history)
            yield Exported(path, row["artifact_id"], already=history is None)


@contextmanager
def _below(destination: Path) -> Iterator[None]:
    """What the file system refuses there, without the names of files, which may be a patient's."""
    try:
        yield
    except OSError as error:
        elsewhere = not str(error.filename).startswith(str(destination))
        if elsewhere or error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UsageError(
            f"results cannot be written below {destination}: {os.strerror(error.errno or errno.EIO)}",
            reason="destination",
            hint="name a folder in which you may write; what is there already is not written again",
        ) from None


def _headers(warehouse: Warehouse, scope: str, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """What the layout asks for of each subject, by UID: of its first instance that says it."""
    known = set(warehouse.query("SELECT * FROM dicom_metadata LIMIT 0").column_names)
    asked = [f'arg_min("{name}", SOPInstanceUID) AS "{name}"' for name in names if name in known]
    columns = ", ".join([f'"{UID_OF[scope]}" AS _uid', *asked])
    rows = warehouse.query(f"SELECT {columns} FROM dicom_metadata GROUP BY 1").to_pylist()
    return {row.pop("_uid"): row for row in rows}


def check_layout(layout: str) -> list[str]:
    """The keywords that a layout names; UsageError if one is no keyword, or if it cannot be read."""
    from hilum.dicom.standard.keywords import keywords, lookup

    try:
        names = [
            name for _text, name, _spec, _conversion in string.Formatter().parse(layout) if name is not None
        ]
    except ValueError as error:
        raise UsageError(f"the layout cannot be read: {error}", reason="bad-layout") from None
    for name in names:
        if name not in OWN and lookup(name) is None:
            raise UsageError(
                f"{name!r} in the layout is no DICOM keyword",
                hint=did_you_mean(name, keywords()),
                reason="bad-layout",
            )
    return sorted(set(names) - set(OWN))


def folder_for(layout: str, header: Mapping[str, Any], row: Mapping[str, Any]) -> Path:
    """The layout filled in; each part is made safe, and none can lead out of the destination."""
    own = {name: row.get(name) for name in OWN}
    parts = []
    for part in layout.split("/"):
        values = {
            name: _text({**header, **own}.get(name))
            for _t, name, _s, _c in string.Formatter().parse(part)
            if name
        }
        parts.append(_safe(part.format(**values)))
    return Path(*[part for part in parts if part] or ["unnamed"])


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(_text(part) for part in value.values() if part)
    if isinstance(value, (list, tuple)):
        return "-".join(_text(part) for part in value)
    return "" if value is None else str(value)


def _safe(text: str) -> str:
    return UNSAFE.sub("_", text).strip("._ ")[:100]


def _free(path: Path, artifact_id: str, taken: dict[Path, str]) -> Path:
    """``path``, or one beside it where another artifact has it."""
    if taken.setdefault(path, artifact_id) != artifact_id:
        path = path.with_name(f"{artifact_id}_{path.name}")
        taken[path] = artifact_id
    return path


def _is_there(path: Path, row: Mapping[str, Any]) -> bool:
    provenance = _provenance(path)
    return path.exists() and provenance.exists() and row["digest"] in provenance.read_text()


def _write(storage: Storage, path: Path, row: Mapping[str, Any], history: Lineage) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    source = storage.local_path(row["object"])
    if source is not None:
        shutil.copyfile(source, partial)
    else:
        storage.fetch(row["object"], partial)
    partial.replace(path)
    _provenance(path).write_text(json.dumps(history.as_json(), indent=2, default=str) + "\n")


def _provenance(path: Path) -> Path:
    return path.with_name(path.name + ".provenance.json")
