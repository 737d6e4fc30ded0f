"""The registry of :mod:`beds.registry` in the network of a Docker engine of the tests, where no other can reach it
and the engine can. It ends with the test process.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from beds.docker_engine import DockerEngine
from beds.registry import HTPASSWD, needed

PORT = 5000
ADDRESS = f"localhost:{PORT}"


@contextmanager
def engine_registry(engine: DockerEngine, folder: Path, *, login: bool = False) -> Iterator[str]:
    """The registry's address while the block runs.

    Args:
        folder: for its images; one that had some before still has them.
        login: whether it asks for a name and a password, :data:`beds.registry.USER` and its neighbour.
    """
    binary = needed()
    folder.mkdir(exist_ok=True)
    settings: dict[str, Any] = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{PORT}"},
    }
    if login:
        (folder / "htpasswd").write_text(HTPASSWD)
        settings["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(settings))  # which is YAML, too
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            engine.inside(str(binary), "serve", str(folder / "config.yml")),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(engine)
        yield ADDRESS
    finally:
        process.kill()
        process.wait()


def _wait(engine: DockerEngine) -> None:
    knock = engine.inside("python3", "-c", f"import socket; socket.create_connection(('127.0.0.1', {PORT}))")
    for _ in range(100):
        if subprocess.run(knock, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return
        time.sleep(0.1)
    raise RuntimeError("the registry of the tests did not come up")
