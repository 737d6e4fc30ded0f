"""Limits on processes, from both sides of a fork: what a worker lets the kernel enforce on itself, and how whoever
forked it measures and ends it with all that it started.

The kernel's limit (RLIMIT_DATA, which counts private writable memory and not mapped files) makes a Python step that
asks for too much see MemoryError; it counts per process, so the sum over a tree is measured besides.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from contextlib import suppress
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""What numeric libraries read when they are loaded: how many threads they may start."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument; OSError if the kernel refuses."""
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def adopt_orphans() -> None:
    """Make this process the parent of its descendants' orphans, so that none of them can get away."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Be killed when the (single-threaded) parent ends; at once if it has already."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def limit_self(memory: int) -> None:
    """Limit this process and each of its descendants.

    Args:
        memory: bytes of private memory beyond what the process has already.
    """
    had = int(Path("/proc/self/statm").read_text().split()[5]) * PAGE
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = had + memory
    resource.setrlimit(
        resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(
        OSError
    ):  # where memory runs out on the whole machine, a worker is to go first, not the engine
        Path("/proc/self/oom_score_adj").write_text("500")


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since it started; 0 where it does not say."""
    for line in Path("/proc/vmstat").read_text().splitlines():
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def children(pid: int) -> list[int]:
    """Direct children of a process, those of all its threads; empty if it is gone."""
    found: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """Children, their children and so on."""
    found = children(pid)
    for child in found:
        found += children(child)
    return found


def tree_memory(pid: int, enough: int) -> int:
    """Bytes of memory that the descendants of a process hold, cached files not counted.

    Resident sizes count what processes share once for each, so where their sum is above ``enough`` it is measured
    again by proportional sizes, which is exact and slow.
    """
    pids = descendants(pid)
    roughly = sum(_kibibytes(child, "status", ("RssAnon:", "RssShmem:")) for child in pids) << 10
    if roughly <= enough:
        return roughly
    return sum(_kibibytes(child, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:")) for child in pids) << 10


def kill_children() -> dict[int, tuple[int, resource.struct_rusage]]:
    """Kill and reap every child of this process until none is left; their wait statuses and usage by pid.

    Orphans of the killed come to this process if it called :func:`adopt_orphans`, and are killed in turn.
    """
    ended: dict[int, tuple[int, resource.struct_rusage]] = {}
    while True:
        for child in children(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return ended
        ended[pid] = status, usage


def _kibibytes(pid: int, file: str, fields: tuple[str, ...]) -> int:
    """The sum of some fields of a process' file in /proc; 0 if it is gone."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(fields))
    return 0
