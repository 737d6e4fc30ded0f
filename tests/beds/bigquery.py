"""A real SQL engine that speaks BigQuery's API, for tests: goccy's bigquery-emulator.

It is built once by Go and kept outside the checkout, under its version. It ends with the test process, see
beds/held.py. Its memory grows with every statement, so tests start one anew.

Where it is not BigQuery: docs/how-to/bigquery-warehouse.md. By hand, or as its check::

    python -m beds.bigquery          # until a line comes; prints the value for BIGQUERY_EMULATOR_HOST
    python -m beds.bigquery --check  # up and down, and kill -9; says what is left behind
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from beds.bigquery_door import Door
from beds.held import PATIENCE, HeldServer, free_port

VERSION = "0.8.1"
MODULE = "github.com/goccy/bigquery-emulator"
PROJECT = "hilum-test"
NESTING = 1
"""A record in a record cannot be read back from it, so tables have none."""
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

    def __init__(self, program: Path) -> None:
        self.grpc_port = free_port()
        self.grpc = f"127.0.0.1:{self.grpc_port}"

        def command(folder: Path, port: int) -> list[str | Path]:
            where = ["--host=127.0.0.1", f"--port={port}", f"--grpc-port={self.grpc_port}"]
            kept = [f"--project={PROJECT}", f"--database={folder}/tables.sqlite"]
            return [program, *where, *kept]

        super().__init__(PREFIX, command, f"/bigquery/v2/projects/{PROJECT}/datasets")


class Served:
    """The emulator behind its door."""

    def __init__(self, program: Path) -> None:
        self.server = BigQuery(program)
        self.door = Door(self.server.host, self.server.grpc)

    def address(self, nesting: int = NESTING) -> str:
        """A new dataset's, which nobody has made yet."""
        return f"bigquery://{PROJECT}/test_{uuid.uuid4().hex[:12]}?nesting={nesting}"

    def point(self, patch: pytest.MonkeyPatch) -> None:
        """Lead Google's clients here, those of processes that are started included.

        An emulator takes ten seconds to widen a table, and more on a busy machine: our limit is for BigQuery.
        """
        patch.setattr("hilum.warehouse.bigquery.warehouse.APPENDED_WITHIN", 300.0)
        patch.setenv("BIGQUERY_EMULATOR_HOST", self.door.host)
        patch.setenv("BIGQUERY_EMULATOR_GRPC", self.door.grpc)

    def stop(self) -> None:
        self.door.close()
        self.server.stop()


@pytest.fixture(scope="module")
def bigquery_server() -> Iterator[Served]:
    """An emulator for the tests of a module."""
    program = built()
    if program is None:
        pytest.skip("no BigQuery emulator here, and no Go to build it with")
    served = Served(program)
    yield served
    served.stop()


@pytest.fixture
def bigquery(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """An emulator of the test's own, which clients of it and of what it starts find by themselves.

    With each dataset that an emulator has, all that it does takes longer.
    """
    program = built()
    if program is None:
        pytest.skip("no BigQuery emulator here, and no Go to build it with")
    served = Served(program)
    served.point(monkeypatch)
    yield served
    served.stop()


def main() -> None:
    program = built()
    assert program is not None, "Go is needed to build the emulator"
    if "--check" not in sys.argv:
        server = BigQuery(program)
        print(server.host, flush=True)
        sys.stdin.readline()
        server.stop()
        return
    before = set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))
    child = subprocess.Popen(
        [sys.executable, "-m", "beds.bigquery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    port = int(child.stdout.readline().rsplit(b":", 1)[1])
    child.send_signal(signal.SIGKILL)
    child.wait()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        left = set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*")) - before
        with socket.socket() as probe:
            answers = probe.connect_ex(("127.0.0.1", port)) == 0
        if not left and not answers:
            print("after kill -9 nothing is left behind")
            return
        time.sleep(0.05)
    raise SystemExit(f"left behind: {left or 'the emulator'}")


if __name__ == "__main__":
    main()
