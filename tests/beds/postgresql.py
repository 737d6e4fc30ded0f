"""A real PostgreSQL for tests: a private cluster on a Unix socket in a folder of its own, and a fresh database each.

A small shell holds the server and waits at a pipe. When the test process is gone, however it went, the pipe
closes; the shell then stops the server and removes its folder. PostgreSQL refuses to run as root, so root hands
it to an unprivileged user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

OLDEST = 15

# No test pulls the plug of the machine, so nothing needs to reach the disk.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "autovacuum": "off",
    "log_min_messages": "fatal",
}

HOLD = 'folder=$1; shift; "$@" & server=$!; read -r _; kill -INT $server; wait $server; rm -rf "$folder"'


def find_binaries() -> Path | None:
    """The folder with initdb and postgres of the newest PostgreSQL here, not older than :data:`OLDEST`."""
    installed = sorted(
        (folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if folder.parent.name.isdigit()),
        key=lambda folder: int(folder.parent.name),
        reverse=True,
    )
    on_path = shutil.which("initdb")
    for folder in [*installed, *([Path(on_path).resolve().parent] if on_path else [])]:
        if (folder / "initdb").exists() and (folder / "postgres").exists() and _version(folder) >= OLDEST:
            return folder
    return None


def _version(folder: Path) -> int:
    said = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    return int(said.split()[2].split(".")[0])


def _unprivileged() -> dict[str, Any]:
    """Arguments for subprocess that leave root behind."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


class Cluster:
    """A running PostgreSQL server. ``databases`` made here go with it."""

    def __init__(self, binaries: Path) -> None:
        identity = _unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="hilum-pg-"))
        if identity:
            os.chown(self.folder, identity["user"], identity["group"])
        data = self.folder / "data"
        initdb = [
            binaries / "initdb",
            "--pgdata",
            data,
            "--username=hilum",
            "--auth=trust",
            "--encoding=UTF8",
        ]
        quickly = ["--locale=C", "--no-sync", "--no-instructions"]
        subprocess.run([*initdb, *quickly], cwd="/", check=True, stdout=subprocess.DEVNULL, **identity)
        server = [binaries / "postgres", "-D", data, "-k", self.folder]
        options = [f"--{name}={value}" for name, value in SETTINGS.items()]
        hold = ["/bin/sh", "-c", HOLD, "hold", self.folder, *server, *options]
        self._numbers = count(1)
        self._holder = subprocess.Popen(
            hold, cwd="/", stdin=subprocess.PIPE, start_new_session=True, **identity
        )
        self._wait()

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of a database, for psycopg 3."""
        return f"postgresql+psycopg://hilum@/{database}?host={self.folder}"

    def create(self, template: str = "template0") -> str:
        """Make a fresh database, as a copy of ``template``, and give its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        """Remove a database, ending whatever is still connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run SQL as the server's administrator."""
        import psycopg

        with psycopg.connect(
            host=str(self.folder), user="hilum", dbname=database, autocommit=True
        ) as connection:
            connection.execute(statement.encode())

    def stop(self) -> None:
        """Stop the server and remove its folder."""
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        self._holder.wait(timeout=30)

    def _wait(self) -> None:
        import psycopg

        for _ in range(300):
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                if self._holder.poll() is not None:
                    break
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("the PostgreSQL server of the tests did not come up")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """The cluster that the tests of this process share."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip(f"no PostgreSQL {OLDEST} or newer here (initdb, postgres); `make beds` installs it")
    cluster = Cluster(binaries)
    yield cluster
    cluster.stop()


@pytest.fixture
def postgresql_url(postgresql: Cluster) -> Iterator[str]:
    """SQLAlchemy's URL of an empty database of the test's own."""
    database = postgresql.create()
    yield postgresql.url(database)
    postgresql.drop(database)
