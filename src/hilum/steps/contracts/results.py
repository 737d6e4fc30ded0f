"""What a container left in its output folder. Whatever it ran may be broken or hostile, so only regular files count
that are reached through no link, no name is kept that a log or another system could stumble over, and nothing is read
without a limit.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from hilum.errors import StepError
from hilum.steps.contracts.interface import Collected, MeasuredByImage, OutputFile

MOST_FILES = 100_000
DEEPEST = 32
LONGEST_NAME = 700
"""Bytes of a relative path: object stores take 1,024, and the key and the attempt come before it."""
UNKEPT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\\]")
MOST_JSON = 16 << 20

DICOM = "application/dicom"
OTHER = "application/octet-stream"
MEDIA_TYPES = {
    ".bval": "text/plain",
    ".bvec": "text/plain",
    ".csv": "text/csv",
    ".dcm": DICOM,
    ".gz": "application/gzip",
    ".htm": "text/html",
    ".html": "text/html",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".stl": "model/stl",
    ".svg": "image/svg+xml",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".zip": "application/zip",
}

INSTANCES = "instances"
FILES = "files"
"""Names of outputs where a pipeline file declares none: files that are DICOM, and all others."""


@dataclass(frozen=True, slots=True)
class Left:
    """Regular files in an output folder, by relative path, sorted; and how many things in it are none."""

    folder: Path
    files: tuple[str, ...]
    beside: int

    def without(self, *names: str) -> Left:
        """The same, but for files that are no results."""
        return Left(self.folder, tuple(file for file in self.files if file not in names), self.beside)

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if it is not there.

        Raises:
            StepError: ``output-too-large``, ``output-unreadable``.
        """
        if name not in self.files:
            return None
        data = _beginning(self.folder / name, MOST_JSON + 1)
        if len(data) > MOST_JSON:
            raise StepError(f"{name} is larger than {MOST_JSON >> 20} MiB", reason="output-too-large")
        return data


def left_in(folder: Path) -> Left:
    """What there is in an output folder.

    Raises:
        StepError: ``bad-output-name``, ``too-many-outputs``, ``output-unreadable``.
    """
    files: list[str] = []
    beside = 0
    for name, regular in _walk(folder, "", 0):
        if regular:
            files.append(name)
        beside += not regular
        if len(files) + beside > MOST_FILES:
            raise StepError(f"the step left more than {MOST_FILES:,} files", reason="too-many-outputs")
    return Left(folder, tuple(sorted(files)), beside)


def collected(left: Left, outputs: Mapping[str, str], measurements: tuple[MeasuredByImage, ...]) -> Collected:
    """Files as outputs: by the globs that the pipeline file declares, else DICOM as ``instances``, others ``files``.

    A file that fits several globs belongs to the first. Globs are relative to the output folder; ``**`` is any number
    of folders.

    Raises:
        StepError: ``output-missing``, ``output-unreadable``.
    """
    dicom = {name for name in left.files if is_dicom(left.folder / name)}
    named: dict[str, str] = {}
    for output, glob in outputs.items():
        pattern = tuple(glob.split("/"))
        fitting = [name for name in left.files if _fits(tuple(name.split("/")), pattern)]
        if not fitting:
            raise StepError(
                f"the step left no file {glob!r} for its output {output!r}",
                reason="output-missing",
                hint="an output's glob is relative to the output folder",
            )
        for name in fitting:
            named.setdefault(name, output)
    if not outputs:
        named = {name: INSTANCES if name in dicom else FILES for name in left.files}
    return Collected(
        files=tuple(
            OutputFile(named[name], name, DICOM if name in dicom else media_type(name))
            for name in sorted(named)
        ),
        measurements=measurements,
        instances=tuple(sorted(dicom & set(named))),
        beside=left.beside + len(left.files) - len(named),
    )


def media_type(name: str) -> str:
    """RFC 6838 type of a file by its name; the same on every machine."""
    return MEDIA_TYPES.get(os.path.splitext(name)[1].lower(), OTHER)


def is_dicom(path: Path) -> bool:
    """Whether a file begins as a DICOM file does (PS3.10 7.1); its name says nothing."""
    return _beginning(path, 132)[128:] == b"DICM"


def _walk(folder: Path, above: str, depth: int) -> Iterator[tuple[str, bool]]:
    """Relative names of all that is no folder, and whether it is a regular file."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except PermissionError:
        raise _unreadable() from None
    for entry in entries:
        name = f"{above}{entry.name}"
        if not entry.is_dir(follow_symlinks=False):
            regular = entry.is_file(follow_symlinks=False)
            if regular:
                _check_name(name)
            yield name, regular
        elif depth == DEEPEST:
            raise StepError(f"the step left folders {DEEPEST} deep", reason="bad-output-name")
        else:
            yield from _walk(folder / entry.name, f"{name}/", depth + 1)


def _check_name(name: str) -> None:
    try:
        long = len(name.encode()) > LONGEST_NAME
    except UnicodeEncodeError:
        long = True
    if long or UNKEPT.search(name):
        raise StepError(
            "the step left a file whose name cannot be kept",
            reason="bad-output-name",
            hint=f"use UTF-8 without control characters and backslashes, and at most {LONGEST_NAME} bytes",
        )


def _beginning(path: Path, most: int) -> bytes:
    """The first bytes of a regular file; empty for what is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        raise _unreadable() from None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""


def _unreadable() -> StepError:
    return StepError(
        "the step left something that cannot be read",
        reason="output-unreadable",
        hint="let it make files that their owner can read",
    )


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_fits(parts[number:], pattern[1:]) for number in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])
