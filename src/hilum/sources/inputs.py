"""What somebody names on a command line or in a list: files, folders, objects of buckets and what is below a prefix,
archives, their members, patterns.

What is named by hand has to be there. What a list names and is not there is an arrival, which the quarantine keeps: a
list of a million files is not given up for one of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from hilum.errors import TerminalError, UsageError
from hilum.kernel.address import (
    INSIDE,
    SCHEME,
    archive_of,
    is_in_bucket,
    is_local,
    local_path,
    member_uri,
    member_version,
)
from hilum.kernel.clock import Clock
from hilum.model.arrival import Arrival
from hilum.sources.bucket import in_buckets, is_anything
from hilum.sources.folder import FolderSource
from hilum.sources.interface import Source
from hilum.sources.manifest import read_manifest
from hilum.storage.objects import open_archive, version_at

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
NTH = re.compile(r"!(\d+)$")


def named(wanted: Iterable[str | Path]) -> list[str]:
    """Paths and addresses that these mean; patterns give what they match, in the order of names.

    Raises:
        UsageError: ``no-such-path``.
    """
    found: list[str] = []
    for given in wanted:
        each = os.fspath(given)
        path = os.path.expanduser(each)
        if is_in_bucket(each) and not archive_of(each) and not is_anything(each):
            raise UsageError(f"there is nothing at {each}", hint="check the address", reason="no-such-path")
        if ADDRESS.match(each) or os.path.lexists(path):
            found.append(each)
        elif matches := _matches(path):
            found += matches
        else:
            raise UsageError(f"there is nothing at {each}", hint="check the path", reason="no-such-path")
    return found


class Inputs(Source):
    """What is named now.

    Args:
        wanted: paths, patterns, ``file://`` and ``gs://`` addresses.
        manifests: lists that name more, see :func:`hilum.sources.manifest.read_manifest`; ``-`` is standard input.
        skip: folders never entered, such as the home itself.
    """

    name = "folder"

    def __init__(
        self,
        wanted: Iterable[str | Path],
        clock: Clock,
        *,
        manifests: Iterable[str | Path] = (),
        skip: Iterable[Path] = (),
    ) -> None:
        self._named = named(wanted)
        self._manifests = [os.fspath(each) for each in manifests]
        self._clock = clock
        self._folder = FolderSource((), clock, skip)

    def scan(self) -> Iterator[Arrival]:
        walk = self._folder.walker()
        for archive, group in groupby(self._addresses(), key=archive_of):
            if archive:
                yield from self._members(archive, list(group))
                continue
            for in_bucket, some in groupby(group, key=is_in_bucket):
                if in_bucket:
                    yield from in_buckets(some, self._clock)
                    continue
                for address in some:
                    if is_local(address):
                        yield from walk(local_path(address))
                    else:
                        yield self._arrival(address)

    def _addresses(self) -> Iterator[str]:
        here = Path.cwd()
        yield from (_address(each, here) for each in self._named)
        for manifest in self._manifests:
            folder = here if manifest == "-" else Path(manifest).absolute().parent
            yield from (_address(line, folder) for line in read_manifest(manifest))

    def _members(self, archive: str, wanted: list[str]) -> Iterator[Arrival]:
        """Members that are named one by one, in the order in which they lie."""
        missing, version = dict.fromkeys(wanted), version_at(archive) or "unreadable"
        try:
            with open_archive(archive) as (_stream, members):
                for member in members or ():
                    if member.uri in missing:
                        del missing[member.uri]
                        yield self._arrival(member.uri, member.size, member_version(version, member.mark))
                    if not missing:
                        return
        except (TerminalError, OSError):
            pass  # whoever opens the members finds out why
        yield from (self._arrival(uri, 0, member_version(version, "missing")) for uri in missing)

    def _arrival(self, uri: str, size: int = 0, version: str = "") -> Arrival:
        return Arrival(uri, size, version, self._clock.now(), self.name)


def _matches(pattern: str) -> list[str]:
    from glob import glob, has_magic

    return sorted(glob(pattern, recursive=True)) if has_magic(pattern) else []


def _address(entry: str, folder: Path) -> str:
    """An address as Hilum writes it, whoever wrote this one; a path is taken from ``folder``."""
    from urllib.parse import unquote_to_bytes

    if not entry.startswith(SCHEME):
        return entry if ADDRESS.match(entry) else (folder / os.path.expanduser(entry)).as_uri()
    file, inside, name = entry.partition(INSIDE)
    file = Path(os.path.abspath(local_path(file))).as_uri()
    if not inside:
        return file
    repeated = NTH.search(name)
    return member_uri(
        file,
        unquote_to_bytes(name[: repeated.start()] if repeated else name),
        int(repeated[1]) if repeated else 1,
    )
