"""What tests build, fetch or install once and keep outside the checkout, under a name that changes with its version:

~/.cache/hilum/beds/<name>/
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

HILUM = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hilum"
CACHE = HILUM / "beds"


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Others that hold the same file are waited for."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of this name in the cache, made by ``make`` if it is not there. Others that want it wait."""
    place = CACHE / name
    with alone(CACHE / f"{name}.lock"):
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            make(place)
            (place / "complete").touch()
    return place


def uv(*arguments: str | Path) -> None:
    """Run uv, the one that `make setup` installed: for packages that are no part of its .venv, since they are large
    or would decide over versions of what Hilum itself uses."""
    program = Path(sys.executable).with_name("uv")
    environment = {**os.environ, "UV_LINK_MODE": "copy"}
    subprocess.run(["nice", "-n", "10", program, *arguments], check=True, env=environment)


def go_program(module: str, version: str, package: str = "") -> Path | None:
    """A program of a Go module, built once in a module of its own that needs only this one (`go install` refuses
    some).

    Args:
        package: below the module; empty: the module itself.

    Returns:
        None where it is not built yet and there is no Go to do it.
    """
    path = "/".join(filter(None, [module, package]))
    program = path.rpartition("/")[2]

    def make(place: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="hilum-build-") as folder:
            (Path(folder) / "go.mod").write_text("module bed\n")
            build = ["build", "-trimpath", "-ldflags", "-s -w", "-o", str(place / program), path]
            for command in (["get", f"{path}@v{version}"], build):
                environment = {**os.environ, "CGO_ENABLED": "0"}
                subprocess.run(["nice", "-n", "10", "go", *command], cwd=folder, check=True, env=environment)

    name = f"{program}-{version}"
    if shutil.which("go") is None and not (CACHE / name / "complete").exists():
        return None
    return made_once(name, make) / program
