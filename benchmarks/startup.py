"""How long commands take that people type all day, beside the bare interpreter, and what they import."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HILUM = str(Path(sys.executable).with_name("hilum"))

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "hilum --help": [HILUM, "--help"],
    "hilum --version": [HILUM, "--version"],
    "hilum status": [HILUM, "status"],
    "hilum steps": [HILUM, "steps"],
}


def milliseconds(command: list[str], folder: str, times: int) -> list[float]:
    """Wall time of each of so many runs, after one that warms the caches."""
    taken = []
    for number in range(times + 1):
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        if number:
            taken.append(1000 * (time.perf_counter() - start))
    return taken


def main() -> None:
    times = 3 if "--quick" in sys.argv else 20
    with tempfile.TemporaryDirectory() as folder:
        for name, command in COMMANDS.items():
            taken = milliseconds(command, folder, times)
            print(f"  {name:<16} {statistics.median(taken):6.0f} ms  (least {min(taken):.0f}, {times} times)")


if __name__ == "__main__":
    main()
