"""Python packages that only checks of the Terraform configuration need, installed once outside the checkout and its
.venv: they are large, or would decide over versions of what Hilum itself uses.

    ~/.cache/hilum/beds/<name>-<version>/
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hilum" / "beds"


def uv(*arguments: str | Path) -> None:
    """Run uv, the one that `make setup` installed."""
    program = Path(sys.executable).parent / "uv"
    subprocess.run(
        ["nice", "-n", "10", program, *arguments],
        check=True,
        env={**os.environ, "UV_LINK_MODE": "copy"},
    )


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of this name in the cache, made by ``make`` if it is not there. Others that want it wait."""
    place = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            make(place)
            (place / "complete").touch()
    return place
