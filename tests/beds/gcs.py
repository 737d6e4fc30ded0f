"""A real Cloud Storage server for tests: fake-gcs-server, which serves the JSON API from a folder.

It is built once by Go, see beds/cache.py. It ends with the test process, see beds/held.py.

What it does not do as Google does: conditions on deletes, copies and reads are ignored. By hand, or as its check::

    python -m beds.gcs          # until a line comes; prints the value for STORAGE_EMULATOR_HOST
    python -m beds.gcs --check  # up and down, and kill -9; says what is left behind
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from beds.cache import go_program
from beds.held import HeldServer, by_hand

VERSION = "1.56.1"
MODULE = "github.com/fsouza/fake-gcs-server"
PREFIX = "hilum-gcs-"


def built() -> Path | None:
    """The server's program, built if it was not; None where there is no Go to build it with."""
    return go_program(MODULE, VERSION)


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


def started() -> CloudStorage:
    """A server; the test that wants one is skipped where none can be had."""
    program = built()
    if program is None:
        pytest.skip("no storage server here, and no Go to build it with")
    return CloudStorage(program)


@pytest.fixture(scope="session")
def cloud_storage() -> Iterator[CloudStorage]:
    """The server that the tests of this process share."""
    server = started()
    yield server
    server.stop()


@pytest.fixture
def bucket(cloud_storage: CloudStorage, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new bucket, to which clients of this test and of what it starts find by themselves."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", cloud_storage.host)
    return cloud_storage.create_bucket()


if __name__ == "__main__":
    by_hand("beds.gcs", PREFIX, started)
