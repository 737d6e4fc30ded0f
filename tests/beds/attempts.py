"""A store, subjects in it and attempts on them, for whatever tests run attempts."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from beds import misbehaviour
from hilum.executors.interface import Executor, Progress
from hilum.executors.outputs import find_manifest
from hilum.kernel.digest import digest_bytes
from hilum.model.codec import to_json
from hilum.model.keys import revision_object
from hilum.model.subject import Member, Scope, revision_digest
from hilum.model.work import AttemptReport, AttemptSpec, Manifest, StepPlan, TaskResult
from hilum.steps.registry import StepRegistry
from hilum.storage import Storage, open_storage

FILE = Path(misbehaviour.__file__)
PATIENCE = 60.0

_numbers = itertools.count(1)


def plan(function: str, *, name: str = "", file: Path = FILE, **fields: Any) -> StepPlan:
    """The plan of a step of beds/misbehaviour.py, or of another file."""
    step = StepRegistry().get(f"{file}:{function}")
    return StepPlan(name=name or function, uses=step.reference, code=step.code, **fields)


@dataclass
class Subject:
    """A store with one revision of some files in it."""

    folder: Path
    contents: tuple[bytes, ...] = (b"first", b"second one")
    files: list[Path] = field(default_factory=list)
    revision: str = ""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        members = []
        for number, content in enumerate(self.contents):
            path = self.folder / f"instance {number}#.dcm"
            path.write_bytes(content)
            stat = path.stat()
            self.files.append(path)
            members.append(
                Member(
                    sop_instance_uid=f"1.2.{number}",
                    digest=digest_bytes(content),
                    uri=self.deliver(path),
                    size=stat.st_size,
                    version=f"{stat.st_mtime_ns}-{stat.st_ino}",
                )
            )
        self.revision = revision_digest([member.digest for member in members])
        lines = "".join(json.dumps(to_json(member)) + "\n" for member in members)
        self.store.create(revision_object(self.revision), lines.encode())

    def deliver(self, path: Path) -> str:
        """Where an instance is that was written to a file."""
        return path.as_uri()

    @property
    def store(self) -> Storage:
        return open_storage((self.folder / "store").as_uri())

    def spec(
        self, *steps: StepPlan, done: Mapping[str, str | None] | None = None, **limits: Any
    ) -> AttemptSpec:
        """An attempt at these steps."""
        spec = AttemptSpec(
            id=f"g-{next(_numbers):016x}.1",
            store=self.store.uri,
            revision=self.revision,
            scope=Scope.SERIES,
            subject_id="s-0000000000000001",
            steps=steps,
            done=done or {},
        )
        return replace(spec, **limits)

    def manifest(self, result: TaskResult) -> Manifest:
        """What was committed for a task."""
        manifest = find_manifest(self.store, result.task_key)
        assert manifest is not None
        return manifest

    def text(self, manifest: Manifest, path: str) -> str:
        """The content of an artifact."""
        [artifact] = [artifact for artifact in manifest.artifacts if artifact.path == path]
        return self.store.read(artifact.object).decode()


@dataclass
class SubjectInBucket(Subject):
    """The same in a bucket: instances below ``in/patient``, the store below ``store``."""

    bucket: str = ""

    def deliver(self, path: Path) -> str:
        open_storage(f"gs://{self.bucket}/in/patient").put_file(path.name, path)
        return f"gs://{self.bucket}/in/patient/{quote(path.name)}"

    @property
    def store(self) -> Storage:
        return open_storage(f"gs://{self.bucket}/store")


def run(executor: Executor, *specs: AttemptSpec) -> list[AttemptReport]:
    """Run attempts to their ends; their reports in the order given."""
    for spec in specs:
        executor.submit(spec)
    reports, _ = collect(executor, len(specs))
    by_id = {report.attempt_id: report for report in reports}
    return [by_id[spec.id] for spec in specs]


def collect(executor: Executor, count: int) -> tuple[list[AttemptReport], list[Progress]]:
    """Watch until so many reports came."""
    reports: list[AttemptReport] = []
    told: list[Progress] = []
    end = time.monotonic() + PATIENCE
    while len(reports) < count:
        assert time.monotonic() < end, f"only {len(reports)} of {count} attempts were reported"
        for event in executor.watch(1.0):
            if isinstance(event, Progress):
                told.append(event)
            else:
                reports.append(event)
    return reports, told


def wait_for_step(executor: Executor, attempt: str, step: str, message: str = "") -> None:
    """Watch until this step of this attempt is at work (and says so, where a message is given)."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for event in executor.watch(1.0):
            assert isinstance(event, Progress), f"ended before: {event}"
            if (event.attempt_id, event.step) == (attempt, step) and message in event.message:
                return
    raise AssertionError(f"step {step} was never at work")
