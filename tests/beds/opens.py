"""Which files were opened, as the kernel tells it (inotify(7)): that nothing was read is seen, and not believed."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OPENED, OF_A_FOLDER = 0x20, 0x40000000
EVENT = struct.Struct("iIII")

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def opens(folder: Path) -> Iterator[list[str]]:
    """Names of files below ``folder`` that any process opens until the block ends; filled in at its end."""
    handle = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert handle >= 0, os.strerror(ctypes.get_errno())
    seen: list[str] = []
    try:
        for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            assert _libc.inotify_add_watch(handle, os.fsencode(path), OPENED) >= 0
        yield seen
        seen.extend(_read(handle))
    finally:
        os.close(handle)


def _read(handle: int) -> Iterator[str]:
    while True:
        try:
            data = os.read(handle, 1 << 20)
        except BlockingIOError:
            return
        while data:
            _, mask, _, length = EVENT.unpack_from(data)
            name = data[EVENT.size : EVENT.size + length].rstrip(b"\0")
            data = data[EVENT.size + length :]
            if not mask & OF_A_FOLDER:
                yield os.fsdecode(name)
