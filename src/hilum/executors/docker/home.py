"""What the executor keeps of its attempts on disk and in labels, so that a later engine finds them again.

    work/docker/lock                held for a moment by whoever makes, adopts or removes attempts
    work/docker/<attempt>/lock      held by the engine that has the attempt, for as long as it lives
    work/docker/<attempt>/spec.json
    work/docker/<attempt>/collecting   from here on the output folder is being emptied
    work/docker/<attempt>/in, out, scratch, ...   see executors/staged.py
    work/logs/<attempt>.log         the last that a failed one printed; it may hold patient data

A lock goes away with the process that holds it, however that ends; so an attempt whose lock can be had belongs to
nobody. Containers carry the digest of the folder's path and the attempt's id as labels.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hilum.kernel.digest import digest_bytes
from hilum.model.codec import from_json, to_json
from hilum.model.work import AttemptSpec

HOME, ATTEMPT, STEP = "hilum.home", "hilum.attempt", "hilum.step"


@dataclass(frozen=True, slots=True)
class Held:
    """An attempt's folder, whose lock this process holds."""

    attempt: str
    folder: Path
    lock: int

    def keep(self, spec: AttemptSpec) -> None:
        """Write down what the attempt is."""
        (self.folder / "spec.json").write_text(json.dumps(to_json(spec)))

    def spec(self) -> AttemptSpec | None:
        """What was written down; None if its engine died before it had."""
        with suppress(OSError, ValueError):
            return from_json(AttemptSpec, json.loads((self.folder / "spec.json").read_text()))
        return None

    def begin_collecting(self) -> None:
        """Note that outputs are about to be moved away: who comes later cannot collect them again."""
        (self.folder / "collecting").touch()

    @property
    def collecting(self) -> bool:
        return (self.folder / "collecting").exists()

    def release(self) -> None:
        """Remove the folder and let go."""
        _remove(self.folder)
        os.close(self.lock)


class Home:
    """The executor's part of a work folder."""

    def __init__(self, work: Path) -> None:
        self.folder = work.absolute() / "docker"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.logs = work.absolute() / "logs"
        self.logs.mkdir(exist_ok=True)
        self.digest = digest_bytes(os.fsencode(self.folder.resolve()))[:16]

    def labels(self, spec: AttemptSpec) -> dict[str, str]:
        """What a container of this attempt is marked with."""
        return {HOME: self.digest, ATTEMPT: spec.id, STEP: spec.steps[0].name}

    def name(self, attempt: str) -> str:
        """The name of an attempt's container: two of one name cannot be."""
        return f"hilum-{self.digest}-{attempt}"

    def make(self, spec: AttemptSpec) -> Held:
        """A new attempt's folder; what an earlier one of this id left is gone."""
        with self._guarded():
            folder = self.folder / spec.id
            _remove(folder)
            folder.mkdir(mode=0o755)
            held = Held(spec.id, folder, _locked(folder / "lock"))
        held.keep(spec)
        return held

    def orphans(self, containers: Collection[str]) -> list[Held]:
        """Those attempts, by folder or by container, that no living engine holds; held from now on."""
        found = []
        with self._guarded():
            for name in sorted(
                {path.name for path in self.folder.iterdir() if path.is_dir()} | set(containers)
            ):
                folder = self.folder / name
                folder.mkdir(exist_ok=True)
                with suppress(BlockingIOError, FileNotFoundError):  # its engine lives, or removes it just now
                    found.append(Held(name, folder, _locked(folder / "lock")))
        return found

    def log(self, attempt: str) -> Path:
        """Where the last that an attempt printed is kept."""
        return self.logs / f"{attempt}.log"

    def forget_logs(self, kept: int) -> None:
        """Remove all but the newest logs."""
        logs = sorted(self.logs.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in logs[kept:]:
            path.unlink(missing_ok=True)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        guard = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield
        finally:
            os.close(guard)


def _locked(path: Path) -> int:
    """An open, locked file; BlockingIOError if somebody else has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise
    return handle


def _remove(folder: Path) -> None:
    """Remove a folder even where a step took the right to from its owner."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for path, _, _ in os.walk(folder):
            with suppress(OSError):
                os.chmod(path, 0o700)
        shutil.rmtree(folder, ignore_errors=True)
