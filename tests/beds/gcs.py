"""A real Cloud Storage server for tests: fake-gcs-server, which serves the JSON API from a folder.

It is built once by Go and kept outside the checkout, under its version. It ends with the test process, see
beds/held.py.

What it does not do as Google does: conditions on deletes, copies and reads are ignored. By hand, or as its check::

    python -m beds.gcs          # until a line comes; prints the value for STORAGE_EMULATOR_HOST
    python -m beds.gcs --check  # up and down, and kill -9; says what is left behind
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
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from beds.held import PATIENCE, HeldServer

VERSION = "1.56.1"
MODULE = f"github.com/fsouza/fake-gcs-server@v{VERSION}"
CACHE = Path.home() / ".cache" / "hilum"
PREFIX = "hilum-gcs-"


def built() -> Path | None:
    """The server's program, built if it was not; None where there is no Go to build it with."""
    program = CACHE / f"fake-gcs-server-{VERSION}" / "fake-gcs-server"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        return None
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"fake-gcs-server-{VERSION}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests in several processes wait for one build
        if not program.exists():
            _build(go, program)
    return program


def _build(go: str, program: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        place = Path(folder) / "built"
        command = ["nice", "-n", "10", go, "install", "-trimpath", "-ldflags", "-s -w", MODULE]
        subprocess.run(
            command, cwd=folder, check=True, env={**os.environ, "GOBIN": str(place), "CGO_ENABLED": "0"}
        )
        place.rename(program.parent)


class CloudStorage(HeldServer):
    """A running server. ``host`` is what STORAGE_EMULATOR_HOST takes; objects are files below ``folder``."""

    def __init__(self, program: Path) -> None:
        def command(folder: Path, port: int) -> list[str | Path]:
            at = f"127.0.0.1:{port}"
            where = ["-scheme=http", "-host=127.0.0.1", f"-port={port}", f"-public-host={at}"]
            kept = ["-backend=filesystem", f"-filesystem-root={folder}/objects", "-log-level=error"]
            return [program, *where, f"-external-url=http://{at}", *kept]

        super().__init__(PREFIX, command, "/_internal/healthcheck")
        self._numbers = count(1)

    def create_bucket(self) -> str:
        """A new bucket's name."""
        name = f"bucket-{next(self._numbers)}"
        request = urllib.request.Request(
            f"{self.host}/storage/v1/b?project=test",
            data=f'{{"name": "{name}"}}'.encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()
        return name


@pytest.fixture(scope="session")
def cloud_storage() -> Iterator[CloudStorage]:
    """The server that the tests of this process share."""
    program = built()
    if program is None:
        pytest.skip("no storage server here, and no Go to build it with")
    server = CloudStorage(program)
    yield server
    server.stop()


@pytest.fixture
def bucket(cloud_storage: CloudStorage, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, to which clients of this test and of what it starts find by themselves."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", cloud_storage.host)
    return cloud_storage.create_bucket()


def main() -> None:
    program = built()
    assert program is not None, "Go is needed to build the server"
    if "--check" not in sys.argv:
        server = CloudStorage(program)
        print(server.host, flush=True)
        sys.stdin.readline()
        server.stop()
        return
    before = set(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))
    child = subprocess.Popen(
        [sys.executable, "-m", "beds.gcs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
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
    raise SystemExit(f"left behind: {left or 'the server'}")


if __name__ == "__main__":
    main()
