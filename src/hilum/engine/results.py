"""Results for people and for the warehouse: rows of what a task gave, and the tree of links under ``results/``.

The tree holds no patient data: a study and a series are named by digests of their UIDs, with the modality if it
is one of the standard's (PS3.3 C.7.3.1.1.1) and the series number. Whoever wants names asks ``hilum export``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from hilum.errors import HilumError
from hilum.executors.outputs import find_manifest
from hilum.kernel.address import is_local
from hilum.kernel.ahead import ahead
from hilum.kernel.digest import short_id
from hilum.ledger.interface import RunInfo
from hilum.model.subject import Scope
from hilum.model.work import Manifest
from hilum.storage import Storage
from hilum.storage.listing import NOT_ITS_FAULT

MODALITY = re.compile(
    "AR|AU|BDUS|BI|BMD|CR|CT|DG|DX|ECG|EPS|ES|GM|HC|HD|IO|IVOCT|IVUS|KER|LEN|LS|MG|MR|NM|OAM|OCT|OP|OPM|OPT|OPTENF"
    "|OPV|OT|PT|PX|REG|RF|RTIMAGE|SC|SEG|SM|SMR|SR|TG|US|VA|XA|XC"
)


LookedUp = Manifest | HilumError | None
"""What is committed under a key, if anything, or why that cannot be said."""


def look_up(storage: Storage, keys: Sequence[str]) -> dict[str, LookedUp]:
    """What is committed under each of these keys. A bucket is asked for several at once; and no storage for any more,
    once it turned out to be away."""

    def look(key: str) -> LookedUp:
        try:
            return find_manifest(storage, key)
        except HilumError as error:
            return error

    alone = len(keys) if is_local(storage.uri) else 1
    found: dict[str, LookedUp] = {}
    for key, answer in chain(((key, look(key)) for key in keys[:alone]), ahead(look, keys[alone:])):
        found[key] = answer
        if isinstance(answer, HilumError) and passes(answer):
            return dict.fromkeys(keys, answer) | found
    return found


def passes(error: HilumError) -> bool:
    """Whether it is no fault of what was asked for, and may be over soon."""
    return error.transient or error.reason in NOT_ITS_FAULT


def result_rows(manifest: Manifest, run: RunInfo, now: datetime) -> dict[str, list[dict[str, Any]]]:
    """What the warehouse is to know of a committed task; row ids follow from content, so twice is harmless."""
    key = manifest.task_key
    about = {
        "subject_id": run.subject_id,
        "revision": run.revision,
        "StudyInstanceUID": run.study_uid,
        "SeriesInstanceUID": run.subject_uid if run.scope is Scope.SERIES else None,
    }
    recorded = {"_recorded_at": now.isoformat()}
    artifacts = [
        {
            "_row_id": artifact.id,
            **recorded,
            "artifact_id": artifact.id,
            "task_key": key,
            "step": manifest.step,
            "name": artifact.name,
            "path": artifact.path,
            "digest": artifact.digest,
            "size": artifact.size,
            "media_type": artifact.media_type,
            "object": artifact.object,
            **about,
            "created_at": manifest.finished_at,
        }
        for artifact in manifest.artifacts
    ]
    measurements = [
        {
            "_row_id": found.id,
            **recorded,
            "measurement_id": found.id,
            "task_key": key,
            "step": manifest.step,
            "name": found.name,
            "value": float(found.value) if isinstance(found.value, (int, float)) else None,
            "text": found.value if isinstance(found.value, str) else None,
            "concept_code": found.concept_code,
            "concept_scheme": found.concept_scheme,
            "concept_meaning": found.concept_meaning,
            "unit": found.unit,
            "region": found.region,
            "instances": list(found.instances),
            **about,
            "measured_at": manifest.finished_at,
        }
        for found in manifest.measurements
    ]
    result = {
        "_row_id": key,
        **recorded,
        "task_key": key,
        "step": manifest.step,
        "code": json.dumps(dict(manifest.code), sort_keys=True),
        "image": manifest.image or None,
        "parameters": json.dumps(dict(manifest.parameters), sort_keys=True),
        "revision": manifest.revision,
        "attempt": manifest.attempt,
        "machine": manifest.machine,
        "started_at": manifest.started_at,
        "finished_at": manifest.finished_at,
    }
    edges = list(_edges(manifest))
    lineage = [
        {
            "_row_id": short_id("l", key, direction, kind, name),
            **recorded,
            "task_key": key,
            "direction": direction,
            "kind": kind,
            "id": name,
            "digest": digest,
            "name": label,
        }
        for direction, kind, name, digest, label in edges
    ]
    return {
        "artifacts": artifacts,
        "measurements": measurements,
        "task_results": [result],
        "lineage": lineage,
    }


def _edges(manifest: Manifest) -> Iterable[tuple[str, str, str, str, str]]:
    """(direction, kind, id, digest, name) of everything that went into a task and came out of it."""
    yield "input", "revision", manifest.revision, manifest.revision, ""
    for step, key in manifest.needs.items():
        yield "input", "task", key, key, step
    for artifact in manifest.artifacts:
        yield "output", "artifact", artifact.id, artifact.digest, artifact.name
    for found in manifest.measurements:
        yield "output", "measurement", found.id, "", found.name


def series_folder(run: RunInfo, facts: Mapping[str, Any]) -> Path:
    """Where a run's results are linked, relative to ``results/``."""
    study = short_id("study", run.study_uid)[:14]
    if run.scope is Scope.STUDY:
        return Path(study) / "study" / run.pipeline
    modality = str(facts.get("Modality", ""))
    number = facts.get("SeriesNumber")
    words = [modality if MODALITY.fullmatch(modality) else "XX"]
    words += [str(number)] if isinstance(number, int) else []
    return Path(study) / "-".join([*words, short_id("s", run.subject_uid)[2:10]]) / run.pipeline


def link_results(root: Path, storage: Storage, folder: Path, step: str, manifest: Manifest) -> int:
    """Link a step's artifacts where people look, in place of what an older run had linked there; how many links were
    not there."""
    target = root / folder / step
    target.mkdir(parents=True, exist_ok=True)
    wanted = {artifact.path: storage.local_path(artifact.object) for artifact in manifest.artifacts}
    for old in target.rglob("*"):
        if old.is_symlink() and old.relative_to(target).as_posix() not in wanted:
            old.unlink(missing_ok=True)
    return sum(_link(target / path, source) for path, source in wanted.items() if source is not None)


def unlink_others(folder: Path, steps: Collection[str]) -> None:
    """Take the links of all but these steps out of a run's place in the tree."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in steps:
            shutil.rmtree(path, ignore_errors=True)


def _link(link: Path, source: Path) -> bool:
    link.parent.mkdir(parents=True, exist_ok=True)
    relative = os.path.relpath(source, link.parent)
    if link.is_symlink() and os.readlink(link) == relative:
        return False
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(relative)
    temporary.replace(link)
    return True
