"""A real SQL engine that speaks BigQuery's API, for tests: goccy's bigquery-emulator.

It is built once by Go, see beds/cache.py. It ends with the test process, see beds/held.py. Its memory grows with
every statement, so tests start one anew.

Where it is not BigQuery: docs/how-to/bigquery-warehouse.md. By hand, or as its check::

    python -m beds.bigquery          # until a line comes; prints the value for BIGQUERY_EMULATOR_HOST
    python -m beds.bigquery --check  # up and down, and kill -9; says what is left behind
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from beds.bigquery_door import Door
from beds.cache import go_program
from beds.held import HeldServer, by_hand, free_port

VERSION = "0.8.1"
MODULE = "github.com/goccy/bigquery-emulator"
PROJECT = "hilum-test"
NESTING = 1
"""A record in a record cannot be read back from it, so tables have none."""
PREFIX = "hilum-bigquery-"


def built() -> Path | None:
    """The emulator's program, built if it was not; None where there is no Go to build it with."""
    return go_program(MODULE, VERSION, "cmd/bigquery-emulator")


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


@contextmanager
def serving_bigquery() -> Iterator[Served]:
    """An emulator while the block runs; the test that wants one is skipped where none can be had."""
    program = built()
    if program is None:
        pytest.skip("no BigQuery emulator here, and no Go to build it with")
    served = Served(program)
    try:
        yield served
    finally:
        served.stop()


@pytest.fixture(scope="module")
def bigquery_server() -> Iterator[Served]:
    """An emulator for the tests of a module."""
    with serving_bigquery() as served:
        yield served


@pytest.fixture
def bigquery(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """An emulator of the test's own, which clients of it and of what it starts find by themselves.

    With each dataset that an emulator has, all that it does takes longer.
    """
    with serving_bigquery() as served:
        served.point(monkeypatch)
        yield served


def _started() -> BigQuery:
    program = built()
    assert program is not None, "Go is needed to build the emulator"
    return BigQuery(program)


if __name__ == "__main__":
    by_hand("beds.bigquery", PREFIX, _started)
