"""Makes the folders that are deployed as functions: what is in ``functions``, and Hilum's own package beside it.

    python tools/functions.py [DEST]    # build/functions by default; DEST/intake and DEST/sweep

The package is copied rather than installed, because its dependencies would come with it: converters, codecs and
databases, ten times what a function needs. What it does need is pinned by hash in its requirements.txt; ``--lock``
writes those anew from requirements.in, in the versions of requirements.lock.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ("intake", "sweep")
TAKEN = ("main.py", "requirements.txt")


def build(destination: Path) -> None:
    """Make the folders anew; the same sources give the same files."""
    for name in FUNCTIONS:
        folder = destination / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(
            ROOT / "src" / "hilum", folder / "hilum", ignore=shutil.ignore_patterns("__pycache__")
        )
        for file in TAKEN:
            shutil.copy(ROOT / "functions" / name / file, folder / file)


def lock() -> None:
    """Pin what the functions need."""
    for name in FUNCTIONS:
        folder = ROOT / "functions" / name
        subprocess.run(
            [
                *(Path(sys.executable).with_name("uv"), "pip", "compile", "--quiet", "--universal"),
                *("--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate"),
                *("--constraint", ROOT / "requirements.lock", folder / "requirements.in"),
                *("--output-file", folder / "requirements.txt"),
            ],
            check=True,
        )


if __name__ == "__main__":
    given = sys.argv[1:]
    if given == ["--lock"]:
        lock()
    else:
        build(Path(given[0]) if given else ROOT / "build" / "functions")
