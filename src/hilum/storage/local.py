"""Storage in a local folder. An object appears by linking a complete, flushed temporary file to its name: the
link fails if the name is taken, which is the create-if-absent that commits need, and a crash leaves at most a
stray temporary file that nobody reads.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from hilum.storage.interface import ObjectMissing, ObjectStat, Storage, StorageFull, checked

FULL = (errno.ENOSPC, errno.EDQUOT)
TEMPORARY = ".part-"
READ_ONLY = 0o444
"""Content is addressed by what it is, and people reach it through links: a slip of an editor must not change it."""


class LocalStorage(Storage):
    """Objects as files below ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.root.mkdir(parents=True, exist_ok=True)

    @property
    def uri(self) -> str:
        return self.root.as_uri()

    def create(self, name: str, data: bytes) -> bool:
        path = self._path(name)
        if path.exists():
            return False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
        except OSError as error:
            raise _full(error, name) from error
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            raise _full(error, name) from error
        finally:
            with suppress(OSError):
                os.unlink(temporary)
        return True

    def put_file(self, name: str, path: Path) -> None:
        target = self._path(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as stream:
                os.fchmod(stream.fileno(), READ_ONLY)
                os.fsync(stream.fileno())
            try:
                os.replace(path, target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._copy(path, target)
        except OSError as error:
            raise _full(error, name) from error

    def read(self, name: str) -> bytes:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            raise ObjectMissing(f"storage has no object {name}") from None

    def fetch(self, name: str, destination: Path) -> None:
        source = self._path(name)
        if not source.exists():
            raise ObjectMissing(f"storage has no object {name}")
        destination.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.symlink(source, destination)
        except OSError as error:
            raise _full(error, name) from error

    def stat(self, name: str) -> ObjectStat | None:
        try:
            return ObjectStat(name, self._path(name).stat().st_size)
        except FileNotFoundError:
            return None

    def list(self, prefix: str = "") -> Iterator[ObjectStat]:
        folder = self._path(prefix.rpartition("/")[0]) if "/" in prefix else self.root
        found = []
        for path in folder.rglob("*"):
            name = path.relative_to(self.root).as_posix()
            if name.startswith(prefix) and not path.name.startswith(TEMPORARY) and path.is_file():
                found.append(ObjectStat(name, path.stat().st_size))
        yield from sorted(found, key=lambda stat: stat.name)

    def delete(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._path(name).unlink()

    def sweep(self, before: datetime) -> int:
        gone = 0
        for path in self.root.rglob(f"{TEMPORARY}*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < before.timestamp():
                    path.unlink()
                    gone += 1
        return gone

    def local_path(self, name: str) -> Path | None:
        path = self._path(name)
        return path if path.exists() else None

    def _path(self, name: str) -> Path:
        return self.root / checked(name)

    def _copy(self, source: Path, target: Path) -> None:
        handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as out, source.open("rb") as stream:
                shutil.copyfileobj(stream, out, 1 << 20)
                out.flush()
                os.fchmod(out.fileno(), READ_ONLY)
                os.fsync(out.fileno())
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise


def _full(error: OSError, name: str) -> Exception:
    """A full disk as the transient error that it is; anything else as it came."""
    if error.errno in FULL:
        return StorageFull(f"no space left to store {name}", hint="free some space; the task is tried again")
    return error
