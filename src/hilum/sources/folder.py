"""A folder as a source: everything below it, whatever it is. Files stay where they are.

Links are followed, each folder once (by device and inode), so a loop of links ends. What cannot be listed is
an arrival too: intake finds out why it cannot be read, and the quarantine remembers it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from hilum.errors import UsageError
from hilum.kernel.address import file_version
from hilum.kernel.clock import Clock
from hilum.model.arrival import Arrival
from hilum.sources.interface import Source


class FolderSource(Source):
    """Files and folders of this machine.

    Args:
        roots: files or folders; each must exist.
        skip: folders never entered, such as the home itself.
    """

    name = "folder"

    def __init__(self, roots: Iterable[Path], clock: Clock, skip: Iterable[Path] = ()) -> None:
        self._roots = [root.expanduser().absolute() for root in roots]
        self._clock = clock
        self._skip = {_identity(path) for path in skip if path.exists()}
        for root in self._roots:
            if not os.path.lexists(root):
                raise UsageError(f"there is nothing at {root}", hint="check the path", reason="no-such-path")

    def scan(self) -> Iterator[Arrival]:
        walk = self.walker()
        for root in self._roots:
            yield from walk(os.fspath(root))

    def walker(self) -> Callable[[str], Iterator[Arrival]]:
        """Walks what is below one path after another, and leaves out a folder that it was in, and a file of one."""
        entered: set[tuple[int, int]] = set()

        def walk(path: str) -> Iterator[Arrival]:
            if not entered or os.path.isdir(path) or _folder_of(path) not in entered:
                yield from self._walk(path, entered)

        return walk

    def arrival(self, path: str | Path) -> Arrival:
        """What is at this path now, as an arrival. An unreadable one has size 0 and its error for a version, so
        that it is read as soon as it may be."""
        try:
            found = os.stat(path)
            if not os.access(path, os.R_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            version, size = file_version(found), found.st_size
        except OSError as error:
            version, size = f"unreadable-{error.errno}", 0
        return Arrival(Path(path).as_uri(), size, version, self._clock.now(), self.name)

    def _walk(self, path: str, entered: set[tuple[int, int]]) -> Iterator[Arrival]:
        """Files below ``path`` in the order of names, depth first, with a stack rather than recursion."""
        stack = [path]
        while stack:
            here = stack.pop()
            if not os.path.isdir(here):
                yield self.arrival(here)
                continue
            identity = _identity(Path(here))
            if identity in entered or identity in self._skip:
                continue
            entered.add(identity)
            try:
                with os.scandir(here) as entries:
                    found = sorted((entry.path for entry in entries), reverse=True)
            except OSError:
                yield self.arrival(here)
                continue
            stack.extend(found)


def _folder_of(path: str) -> tuple[int, int] | None:
    try:
        return _identity(Path(path).parent)
    except OSError:
        return None


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
