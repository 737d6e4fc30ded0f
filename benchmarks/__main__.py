"""Runs every benchmark beside this file, each in a process of its own, after saying what machine it is: a figure
without its machine says nothing.

``python -m benchmarks [--quick] [NAME ...]``; a benchmark is a module with a ``main`` that prints its figures and may
look for ``--quick``, which asks for a smaller form that only shows that it works.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def machine() -> dict[str, str]:
    """What figures depend on: processor, memory, Python, and how long the disk takes to keep a promise."""
    return {
        "processor": _after("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}, {platform.libc_ver()[0]} {platform.libc_ver()[1]}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "fsync": f"{1000 * fsync_seconds():.2f} ms (median of 50, 4 KiB, in {tempfile.gettempdir()})",
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def _after(file: str, label: str) -> str:
    lines = Path(file).read_text().splitlines() if Path(file).exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(label)), "")


def fsync_seconds() -> float:
    """Seconds that writing 4 KiB and waiting for the disk takes."""
    taken = []
    with tempfile.TemporaryFile() as file:
        for _ in range(50):
            start = time.perf_counter()
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> int:
    known = sorted(
        path.stem for path in HERE.glob("[a-z]*.py") if "\ndef main(" in path.read_text(encoding="utf-8")
    )
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="The figures, beside the machine."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default all: {', '.join(known)}")
    parser.add_argument("--quick", action="store_true", help="smaller, to see that they work")
    chosen = parser.parse_args()
    if unknown := sorted(set(chosen.names) - set(known)):
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(known)}")
    for label, fact in machine().items():
        print(f"{label:>10}  {fact}")
    failed = []
    for name in chosen.names or known:
        print(f"\n{name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if chosen.quick else [])]
        if subprocess.run(command, cwd=HERE.parent, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
