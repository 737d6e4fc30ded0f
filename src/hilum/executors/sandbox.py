"""Confines a process's writing with Landlock (Linux 5.13 and newer), which needs no privilege and holds for root too.

Reading is not restricted, nor is the network. Where the kernel has no Landlock nothing is confined; :func:`abi`
says so, and ``hilum doctor`` shows it. The numbers are the kernel's (include/uapi/linux/landlock.h).
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from hilum.executors.limits import prctl

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
VERSION = 1
PATH_BENEATH = 1
PR_SET_NO_NEW_PRIVS = 38

WRITE_FILE, REMOVE_DIR, REMOVE_FILE = 1 << 1, 1 << 4, 1 << 5
MAKE = sum(1 << bit for bit in (6, 7, 8, 9, 10, 11, 12))  # char, dir, reg, sock, fifo, block, sym
MAKE_DEVICE = 1 << 6 | 1 << 11
REFER, TRUNCATE = 1 << 13, 1 << 14
SCOPE_SIGNAL = 1 << 1

DEVICES = (
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/shm",
    "/dev/dri",
)
GRAPHICS = ("nvidia*", "kfd")


class _Ruleset(ctypes.Structure):
    _fields_ = (("access_fs", ctypes.c_uint64), ("access_net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


_syscall = ctypes.CDLL(None, use_errno=True).syscall


def abi() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    version: int = _syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(VERSION))
    return max(version, 0)


def confine(writable: Iterable[Path]) -> bool:
    """Let this process and its descendants write only to ``writable`` (folders or files) and to harmless devices.

    From Linux 6.12 on they cannot signal other processes either. Call it while single-threaded. False where the
    kernel has no Landlock.
    """
    version = abi()
    if version == 0:
        return False
    handled = WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE
    handled |= (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    rules = _Ruleset(handled, 0, SCOPE_SIGNAL if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _checked(
        _syscall(CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    )
    try:
        for path in (*writable, *devices()):
            _allow(ruleset, path, handled & ~MAKE_DEVICE)
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        _checked(_syscall(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)))
    finally:
        os.close(ruleset)
    return True


@cache
def devices() -> list[Path]:
    """The harmless devices of this machine; looked up once, and before a fork by whoever forks."""
    graphics = [path for pattern in GRAPHICS for path in Path("/dev").glob(pattern)]
    return [path for path in (*map(Path, DEVICES), *graphics) if path.exists()]


def _allow(ruleset: int, path: Path, access: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            access &= WRITE_FILE | TRUNCATE
        rule = _PathBeneath(access, handle)
        _checked(
            _syscall(ADD_RULE, ctypes.c_int(ruleset), PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0))
        )
    finally:
        os.close(handle)


def _checked(result: int) -> int:
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result
