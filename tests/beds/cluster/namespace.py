"""A world of its own for the cluster: mount, network and process namespaces that end together.

Its first process only waits. Daemons enter it; their mounts, devices and children are there and nowhere else, so to
end that one process is to end everything. A small shell outside holds it and waits at a pipe: when the test process
is gone, however it went, the pipe closes and the shell ends the namespace. If somebody kills that shell too, the
namespace still ends (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE = 60.0

# $1 is the folder. The first process ignores SIGCHLD, so that the kernel reaps what is orphaned to it. Empty file
# systems take the places where daemons leave files.
HOLD = """
setpriv --pdeathsig KILL unshare --mount --net --pid --fork --kill-child --mount-proc --propagation slave sh -c '
    mount -t tmpfs none /run && mount -t tmpfs none /var/lib && mount -t tmpfs none /var/log || exit
    ip link set lo up && touch "$1/ready" && trap "" CHLD && exec sleep infinity
' first "$1" </dev/null &
world=$!
echo $world
read -r _
kill -KILL $world
wait $world
rm -rf "$1"
"""


class Namespace:
    """The namespaces while they live.

    Args:
        folder: of the cluster; removed with them.
        lock: an open, locked file; it stays locked for as long as they live.
    """

    def __init__(self, folder: Path, lock: int) -> None:
        self._holder = subprocess.Popen(
            ["/bin/sh", "-c", HOLD, "hold", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            pass_fds=[lock],
            cwd="/",
        )
        assert self._holder.stdout is not None
        world = int(self._holder.stdout.readline())
        wait_until((folder / "ready").exists, "the namespaces")
        self.first = _children(world)[0]
        self._logs = folder / "logs"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def holder(self) -> int:
        """The process id of the shell that holds the namespaces."""
        return self._holder.pid

    def enter(self, *command: str | Path) -> list[str]:
        """A command line that runs a command inside."""
        return ["nsenter", f"--target={self.first}", "--mount", "--net", "--pid", *map(str, command)]

    def run(self, *command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command inside to its end."""
        done = subprocess.run(self.enter(*command), check=False, capture_output=True, text=True, cwd="/")
        if check and done.returncode:
            raise RuntimeError(f"{Path(command[0]).name}: {done.stderr.strip()[-2000:]}")
        return done

    def start(self, name: str, *command: str | Path) -> None:
        """Start a daemon inside; what it says goes to ``logs/<name>.log``."""
        with (self._logs / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                self.enter(*command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
            )

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a daemon a signal and wait until it is gone."""
        entered = self._daemons.pop(name)
        with suppress(ProcessLookupError):
            for pid in _children(entered.pid):
                os.kill(pid, how)
        entered.wait(PATIENCE)

    def dead(self) -> list[str]:
        """Daemons that ended by themselves."""
        return [name for name, process in self._daemons.items() if process.poll() is not None]

    def end(self) -> None:
        """End everything inside at once."""
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait(PATIENCE)
        for process in self._daemons.values():
            process.wait(PATIENCE)


def wait_until(true: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Ask until it is so, for daemons tell nobody when they are ready; TimeoutError names what was waited for."""
    end = time.monotonic() + patience
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {patience:g} s for {what}")
        time.sleep(0.05)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
