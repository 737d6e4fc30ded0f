"""Small disks, made of memory, to be filled."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, size: str, within: Sequence[str] = ()) -> Iterator[Path]:
    """A file system of its own at ``folder``, of ``size`` such as ``16m``; skips the test where that is forbidden.

    Args:
        within: a command in front of others that has them run where else the disk is to be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*within, "mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"a disk of its own needs the right to mount one: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run([*within, "umount", "--lazy", folder], check=True)


def enlarge(folder: Path, size: str, within: Sequence[str] = ()) -> None:
    """Let the disk have this size from now on."""
    subprocess.run([*within, "mount", "-o", f"remount,size={size}", folder], check=True)


def fill(folder: Path) -> Path:
    """Fill the disk to the last byte with one file; the file."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(bytes(1 << 16))
    return ballast
