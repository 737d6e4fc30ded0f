"""Doctor: what is wrong with a home, and how to mend it. Each check looks at one thing and never raises."""

from __future__ import annotations

import os
import platform
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hilum.engine.neighbours import dead_neighbours
from hilum.engine.places import Found, look
from hilum.engine.receive import batches
from hilum.errors import HilumError
from hilum.executors.outputs import ManifestDamaged, find_manifest
from hilum.kernel.clock import Clock
from hilum.kernel.digest import digest_file
from hilum.ledger.interface import Ledger, LedgerDamaged
from hilum.model.subject import Member
from hilum.model.work import Artifact, TaskState
from hilum.storage import Storage
from hilum.warehouse.interface import Warehouse

LOW_DISK = 2 << 30
PAGE = 1000
"""Instances that are looked at together; those in buckets are asked for several at once."""
RESTORE = (
    "stop all engines and put ledger.sqlite, ledger.sqlite-wal, ledger.sqlite-shm and warehouse/ of one backup back; "
    "without a backup move all four away and `hilum run` over the same folders, which computes nothing again that is "
    "in store/"
)


class Health(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's result: what was looked at, how it is, what was seen, what to do."""

    check: str
    health: Health
    message: str
    mend: str = ""


Check = Callable[[], Iterator[Finding]]


@dataclass
class Doctor:
    """Examines a home.

    Attributes:
        deep: also hash every artifact and every instance's file.
    """

    root: Path
    ledger: Callable[[], Ledger]
    storage: Callable[[], Storage]
    warehouse: Callable[[], Warehouse]
    clock: Clock
    deep: bool = False

    def examine(self) -> Iterator[Finding]:
        """All checks, one after another; a check that cannot be made is a finding too."""
        checks: dict[str, Check] = {
            "disk": self._disk,
            "ledger": self._ledger_sound,
            "leases": self._leases,
            "results": self._results,
            "instances": self._instances,
            "warehouse": self._warehouse,
            "sandbox": self._sandbox,
            "converter": self._converter,
        }
        for name, check in checks.items():
            try:
                found = list(check())
            except LedgerDamaged as error:
                found = [_without_ledger(name, error)]
            except HilumError as error:
                found = [Finding(name, Health.ERROR, error.message, error.hint)]
            except OSError as error:
                found = [Finding(name, Health.ERROR, f"cannot be examined: {os.strerror(error.errno or 0)}")]
            yield from found or [Finding(name, Health.OK, "sound")]

    def _disk(self) -> Iterator[Finding]:
        free = shutil.disk_usage(self.root).free
        if free < LOW_DISK:
            yield Finding(
                "disk", Health.WARNING, f"only {free >> 20} MiB free", "make room, or move the home"
            )
        if not os.access(self.root, os.W_OK):
            yield Finding("disk", Health.ERROR, "the home cannot be written", "see to its permissions")

    def _ledger_sound(self) -> Iterator[Finding]:
        for line in self.ledger().check():
            yield Finding("ledger", Health.ERROR, line, RESTORE)

    def _leases(self) -> Iterator[Finding]:
        for owner in dead_neighbours(self.ledger().owners(), platform.node()):
            yield Finding(
                "leases",
                Health.WARNING,
                f"engine {owner} is gone in the midst of work",
                "the next engine takes over",
            )
        waiting = self.ledger().summary().outbox
        if waiting:
            yield Finding(
                "leases",
                Health.WARNING,
                f"{_some(waiting, 'row')} still to come to the warehouse",
                "`hilum doctor --mend`",
            )

    def _results(self) -> Iterator[Finding]:
        missing = damaged = 0
        runs = [run.id for run in self.ledger().runs() if run.current]
        for task in self.ledger().tasks(runs):
            if task.state is not TaskState.SUCCEEDED:
                continue
            try:
                manifest = find_manifest(self.storage(), task.task_key)
            except ManifestDamaged:
                damaged += 1
                continue
            if manifest is None:
                missing += 1
                continue
            damaged += any(is_damaged(self.storage(), each, deep=self.deep) for each in manifest.artifacts)
        mend = "`hilum doctor --mend` forgets them, so that the next run computes them again"
        if missing:
            yield Finding("results", Health.ERROR, f"{_some(missing, 'result')} gone from the store", mend)
        if damaged:
            yield Finding(
                "results", Health.ERROR, f"{_some(damaged, 'result')} damaged or without a file", mend
            )

    def _instances(self) -> Iterator[Finding]:
        states: Counter[Found] = Counter()
        for page in batches(self._members(), PAGE):
            states.update(look(page, deep=self.deep).values())
        gone, changed = states[Found.GONE], states[Found.CHANGED]
        if gone:
            yield Finding(
                "instances",
                Health.WARNING,
                f"{_some(gone, 'file')} no longer where found",
                "`hilum run --verify` over their new folder finds them again",
            )
        if changed:
            yield Finding(
                "instances",
                Health.WARNING,
                f"{_some(changed, 'file')} with other bytes now",
                "`hilum run --verify` over their folders puts new content of an instance into the quarantine, "
                "to be decided on; or put the old files back, anywhere, and run over them",
            )

    def _members(self) -> Iterator[Member]:
        for subject in self.ledger().subjects():
            if subject.scope.value == "series":
                yield from self.ledger().members(subject)

    def _warehouse(self) -> Iterator[Finding]:
        if damaged := self.warehouse().check(deep=self.deep):
            yield Finding(
                "warehouse",
                Health.ERROR,
                f"damaged: {', '.join(damaged[:10])}",
                "put it back from a backup, or move it out of the home to go on without its rows",
            )
            return
        rows = self.warehouse().query("SELECT count(*) AS n FROM dicom_metadata").column("n")[0].as_py()
        known = sum(s.instances for s in self.ledger().subjects() if s.scope.value == "series")
        summary = self.ledger().summary()
        if summary.outbox:
            return
        if summary.open_subjects == 0 and rows != known:
            yield Finding(
                "warehouse",
                Health.ERROR,
                f"it has {rows} instances, the ledger {known}",
                RESTORE if rows < known else "please report this as a bug",
            )
        told = set(self.warehouse().query("SELECT run_id FROM runs").column("run_id").to_pylist())
        lost = sum(run.current and run.id not in told for run in self.ledger().runs())
        if lost:
            yield Finding("warehouse", Health.ERROR, f"it lacks {_some(lost, 'run')} of the ledger", RESTORE)

    def _sandbox(self) -> Iterator[Finding]:
        from hilum.executors.sandbox import abi

        if not abi():
            yield Finding(
                "sandbox",
                Health.WARNING,
                "this kernel has no Landlock: a step could write outside its folder",
                "use a kernel from 5.13 with Landlock enabled",
            )

    def _converter(self) -> Iterator[Finding]:
        import subprocess

        said = ""
        with suppress(ImportError, OSError, subprocess.TimeoutExpired):  # each means that it does not start
            from dcm2niix import bin as binary

            command = [binary, "--version"]
            said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
        if "dcm2niix" not in said.lower():
            yield Finding(
                "converter", Health.ERROR, "dcm2niix does not start", "install the package dcm2niix again"
            )


def _without_ledger(name: str, error: HilumError) -> Finding:
    """What a check says that found the ledger damaged: the ledger's own says it in full."""
    if name == "ledger":
        return Finding(name, Health.ERROR, error.message, RESTORE)
    return Finding(name, Health.WARNING, "cannot be examined without the ledger")


def _some(number: int, what: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def is_damaged(storage: Storage, artifact: Artifact, *, deep: bool) -> bool:
    """Whether an artifact is gone or has another size; with ``deep`` also whether it has another content."""
    stat = storage.stat(artifact.object)
    if stat is None or stat.size != artifact.size:
        return True
    path = storage.local_path(artifact.object) if deep else None
    return path is not None and digest_file(path) != artifact.digest
