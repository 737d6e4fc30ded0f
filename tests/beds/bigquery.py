"""A real SQL engine that speaks BigQuery's API, for tests: goccy's bigquery-emulator.

It is built once by Go and kept outside the checkout, under its version. It ends with the test process, see
beds/held.py. Its memory grows with every statement, so each test module starts one anew.

Where it is not BigQuery: docs/how-to/bigquery-warehouse.md. By hand, or as its check::

    python -m beds.bigquery          # until a line comes; prints the value for BIGQUERY_EMULATOR_HOST
    python -m beds.bigquery --check  # up and down, and kill -9; says what is left behind
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

from beds.held import HeldServer, free_port

VERSION = "0.8.1"
MODULE = "github.com/goccy/bigquery-emulator"
PROJECT = "hilum-test"
PREFIX = "hilum-bigquery-"
CACHE = Path.home() / ".cache" / "hilum"
GO_MOD = f"module beds\n\ngo 1.26\n\nrequire {MODULE} v{VERSION}\n"
TOOLS = f'//go:build tools\n\npackage beds\n\nimport _ "{MODULE}/cmd/bigquery-emulator"\n'


def built() -> Path | None:
    """The emulator's program, built if it was not; None where there is no Go to build it with."""
    program = CACHE / f"bigquery-emulator-{VERSION}" / "bigquery-emulator"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        return None
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"bigquery-emulator-{VERSION}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests in several processes wait for one build
        if not program.exists():
            _build(go, program)
    return program


def _build(go: str, program: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        place = Path(folder) / "built"
        place.mkdir()
        (Path(folder) / "go.mod").write_text(GO_MOD)
        (Path(folder) / "tools.go").write_text(TOOLS)
        env = {**os.environ, "CGO_ENABLED": "0"}
        build = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(place / program.name)]
        for command in ([go, "mod", "tidy", "-e"], [*build, f"{MODULE}/cmd/bigquery-emulator"]):
            subprocess.run(["nice", "-n", "10", *command], cwd=folder, check=True, env=env)
        place.rename(program.parent)


class BigQuery(HeldServer):
    """A running emulator. ``host`` is what BIGQUERY_EMULATOR_HOST takes, ``grpc`` the address of its Storage API."""

    def __init__(self, program: Path, storage: str = "") -> None:
        self.grpc_port = free_port()
        self.grpc = f"127.0.0.1:{self.grpc_port}"
        self._numbers = count(1)

        def command(folder: Path, port: int) -> list[str | Path]:
            where = ["--host=127.0.0.1", f"--port={port}", f"--grpc-port={self.grpc_port}"]
            kept = [f"--project={PROJECT}", f"--database={folder}/tables.sqlite"]
            given = [f"STORAGE_EMULATOR_HOST={storage}"] if storage else []
            return ["/usr/bin/env", *given, program, *where, *kept]

        super().__init__(PREFIX, command, f"/bigquery/v2/projects/{PROJECT}/datasets")

    def new_dataset(self) -> str:
        """A name that no dataset has so far."""
        return f"dataset_{next(self._numbers)}"
