"""What a million instances take while they are indexed: memory of the process and disk of the warehouse.

The files are real ones on the disk, each with a header of its own, since links to one file would be one instance and
a source that makes them up would leave out what walking a million files costs.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import hilum
from benchmarks.corpus import many

BYTES = 12 << 10
"""A file's on the disk, its inode's included."""


def index_many(rows: int) -> dict[str, str]:
    """Make so many files, index their headers in a process of its own, and say what that took."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < 2 * rows * BYTES:
        return {f"{rows:,} instances": f"not measured: {2 * rows * BYTES >> 30} GiB of disk wanted"}
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name) / "files", Path(name) / "home"
        many(folder, rows)
        command = [str(Path(sys.executable).with_name("hilum")), "--home", str(home), "index"]
        command += [str(folder), "--no-digest", "--workers", "1"]
        start = time.perf_counter()
        samples = peak(command)
        seconds = time.perf_counter() - start
        with hilum.open(home) as opened:
            counted = opened.query("SELECT count(*) AS n FROM dicom_metadata").to_pylist()
        if counted != [{"n": rows}]:
            raise SystemExit(f"indexed {counted} of {rows}")
        size = sum(path.stat().st_size for path in (home / "warehouse" / "dicom_metadata").rglob("*.parquet"))
    quarter = -(-len(samples) // 4)
    quarters = [max(samples[start : start + quarter]) for start in range(0, len(samples), quarter)]
    return {
        f"{rows:,} instances indexed, files/s": f"{rows / seconds:,.0f}",
        "resident memory, peak, MB": f"{max(samples) / 1e6:,.0f}",
        "the same in the four quarters of the time, MB": " ".join(f"{each / 1e6:,.0f}" for each in quarters),
        "disk a row, all columns, bytes": f"{size / rows:,.0f}",
    }


def peak(command: list[str]) -> list[int]:
    """Run a command; bytes that it and all below it had in memory, looked at five times a second."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        samples = []
        while process.poll() is None:
            samples.append(resident(process.pid))
            time.sleep(0.2)
        if process.returncode:
            output.seek(0)
            raise SystemExit(output.read().decode())
    return samples


def resident(process: int) -> int:
    """Bytes that a process and all below it have in memory (PSS of proc(5)): what they share is counted once."""
    found = 0
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                found = int(line.split()[1]) * 1024
        for task in Path(f"/proc/{process}/task").iterdir():
            found += sum(map(resident, map(int, (task / "children").read_text().split())))
    except OSError:  # it has just ended
        pass
    return found
