"""How long commands take that people type all day, beside the bare interpreter, on a home that has something in it.

The aims are 150 ms for `--help` and 300 ms for `status`. Bytecode is compiled first: an installation has it.
"""

from __future__ import annotations

import compileall
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import hilum
from hilum.dicom.phantom import chest_ct

HILUM = str(Path(sys.executable).with_name("hilum"))
AIMS = {"hilum --help": 150, "hilum status": 300}
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "hilum --help": [HILUM, "--help"],
    "hilum status": [HILUM, "status"],
    "hilum steps": [HILUM, "steps"],
    "hilum plan": [HILUM, "plan"],
    "hilum query": [HILUM, "query", "SELECT count(*) FROM dicom_metadata"],
    "hilum run (same)": [HILUM, "run", "scans"],
}


def milliseconds(command: list[str], folder: str, times: int) -> list[float]:
    """Wall time of each of so many runs, after one that warms the caches."""
    taken = []
    for number in range(times + 1):
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        if number:
            taken.append(1000 * (time.perf_counter() - start))
    return taken


def main() -> None:
    times = 3 if "--quick" in sys.argv else 20
    compileall.compile_dir(Path(hilum.__file__).parent, quiet=2)
    with tempfile.TemporaryDirectory() as folder:
        chest_ct(Path(folder) / "scans", slices=8, rows=64, columns=64)
        subprocess.run([HILUM, "run", "scans"], cwd=folder, check=True, capture_output=True)
        for name, command in COMMANDS.items():
            taken = milliseconds(command, folder, times)
            aim = f", aim {AIMS[name]}" if name in AIMS else ""
            print(
                f"  {name:<16} {statistics.median(taken):6.0f} ms  (least {min(taken):.0f}{aim}; {times} times)"
            )


if __name__ == "__main__":
    main()
