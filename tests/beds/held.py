"""Servers of tests that end with the test process, however it went: a small shell holds the server and waits at a
pipe; when the pipe closes it kills the server and removes its folder.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

PATIENCE = 30.0
HOLD = """
folder=$1; shift
"$@" >"$folder/log" 2>&1 & server=$!
read -r _
kill -KILL $server; wait $server; rm -rf "$folder"
"""


class HeldServer:
    """A server on a port of this machine, up when this returns.

    Args:
        prefix: of the folder's name.
        command: what to run, given the folder and the port.
        health: the path that answers with 200 once it is up.
    """

    def __init__(
        self, prefix: str, command: Callable[[Path, int], Sequence[str | Path]], health: str = "/"
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=prefix))
        self.port = free_port()
        self.host = f"http://127.0.0.1:{self.port}"
        self._holder = subprocess.Popen(
            ["/bin/sh", "-c", HOLD, "hold", self.folder, *command(self.folder, self.port)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait(health)

    def stop(self) -> None:
        """Kill the server and remove its folder."""
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        self._holder.wait(timeout=PATIENCE)

    def _wait(self, health: str) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self._holder.poll() is None:
            try:
                urllib.request.urlopen(self.host + health).close()
            except urllib.error.URLError:
                time.sleep(0.05)
            else:
                return
        log = (self.folder / "log").read_text()
        self.stop()
        raise RuntimeError(f"a server of the tests did not come up:\n{log}")


def free_port() -> int:
    """A port of this machine that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def by_hand(module: str, prefix: str, start: Callable[[], HeldServer]) -> None:
    """The main program of a bed's module.

    Without arguments it starts the server, prints where it is and ends when a line comes. With ``--check`` it does so
    in another process, kills that (-9) and says what is left behind.
    """
    if "--check" not in sys.argv:
        server = start()
        print(server.host, flush=True)
        sys.stdin.readline()
        server.stop()
        return
    before = set(Path(tempfile.gettempdir()).glob(f"{prefix}*"))
    child = subprocess.Popen([sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    port = int(child.stdout.readline().rsplit(b":", 1)[1])
    child.kill()
    child.wait()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        left = set(Path(tempfile.gettempdir()).glob(f"{prefix}*")) - before
        with socket.socket() as probe:
            answers = probe.connect_ex(("127.0.0.1", port)) == 0
        if not left and not answers:
            print("after kill -9 nothing is left behind")
            return
        time.sleep(0.05)
    raise SystemExit(f"left behind: {left or 'the server'}")
