"""A Docker engine of the tests' own, which disturbs no other and leaves nothing behind.

dockerd runs in a mount, network and process namespace of its own: its bridge, iptables rules, ip_forward and mounts
are there and nowhere else, and when the first process of the namespace ends, all that dockerd started ends with it.
A small shell holds the namespace and waits at a pipe. When the test process is gone, however it went, the pipe
closes and the shell ends the namespace; if somebody kills that shell too, the namespace still ends
(PR_SET_PDEATHSIG). The folder and empty cgroups that then are left are removed by the next engine.

It takes root, Debian's docker.io, and a kernel that lets namespaces be made. By hand, or as its own check::

    python -m beds.docker_engine          # until a line comes; prints the value for DOCKER_HOST
    python -m beds.docker_engine --check  # up and down, and kill -9; says what is left behind
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PREFIX = "hilum-docker-"
PATIENCE = 60.0
CGROUPS = Path("/sys/fs/cgroup")

# $1 is the engine's folder, the rest is what to run. Everything here inherits the folder's lock, which is free when
# the last of it is gone. The namespace's first process is an init, because dockerd does not reap orphans.
HOLD = """
folder=$1; shift
setpriv --pdeathsig KILL unshare --mount --net --pid --fork --kill-child --mount-proc --propagation slave \
    sh -c 'mount -t tmpfs none /run/containerd && ip link set lo up && exec docker-init -- "$@"' engine "$@" \
    </dev/null >"$folder/log" 2>&1 &
engine=$!
read -r _
kill -KILL $engine
wait $engine
"""


class DockerEngine:
    """A running engine. ``host`` is what DOCKER_HOST takes."""

    def __init__(self) -> None:
        remove_leftovers()
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.folder.chmod(0o755)  # bind mounts of what is in it must be reached by any user
        self.host = f"unix://{self.folder}/docker.sock"
        self._holder: subprocess.Popen[bytes] | None = None
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.start()

    def start(self) -> None:
        """Bring it up; also again, with the images and containers that it had, after :meth:`kill`."""
        Path("/run/containerd").mkdir(exist_ok=True)
        for stale in ("docker.pid", "docker.sock", "exec"):
            _remove(self.folder / stale)
        dockerd = [
            *("/usr/sbin/dockerd", "--host", self.host, "--data-root", self.folder / "data"),
            *("--exec-root", self.folder / "exec", "--pidfile", self.folder / "docker.pid"),
            *("--cgroup-parent", f"/{self.folder.name}", "--storage-driver", "overlay2"),
        ]
        self._holder = subprocess.Popen(
            ["/bin/sh", "-c", HOLD, "hold", self.folder, *dockerd],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[self._lock],
            cwd="/",
        )
        self._wait()

    def load(self, archive: Path) -> None:
        """Take in the images of an archive (:mod:`beds.images`)."""
        self.docker("load", "--quiet", "--input", str(archive))

    def docker(self, *arguments: str) -> str:
        """What Debian's own client says."""
        command = ["/usr/bin/docker", "--host", self.host, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"docker {arguments[0]}: {done.stderr.strip()}")
        return done.stdout

    def inside(self, *command: str) -> list[str]:
        """A command as it is to be run to be in the engine's network, where only the engine hears it."""
        first = self._holder.pid if self._holder else 0
        for _ in range(2):  # the shell's child has made the namespaces, and its child is in them
            [first] = map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())
        return ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net=/proc/{first}/ns/net", *command]

    def kill(self) -> None:
        """End dockerd, containerd and all containers at once, as a power cut would; the disk stays."""
        assert self._holder is not None
        assert self._holder.stdin is not None
        self._holder.stdin.close()
        self._holder.wait(timeout=PATIENCE)
        self._holder = None
        _remove_cgroups(self.folder.name)

    def stop(self) -> None:
        """End it and remove all that it was."""
        if self._holder:
            self.kill()
        os.close(self._lock)
        _remove(self.folder)

    def abandon(self) -> None:
        """Kill -9 the shell that holds the engine, and wait until all that it held is gone too."""
        assert self._holder is not None
        self._holder.kill()
        self._holder.wait()
        os.close(self._lock)
        wait_until_left(self.folder)

    def _wait(self) -> None:
        assert self._holder is not None
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self._holder.poll() is None:
            with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
                client.connect(self.host.removeprefix("unix://"))
                client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                if b"200 OK" in client.recv(64):
                    return
            time.sleep(0.05)
        log = (self.folder / "log").read_text(errors="replace")[-3000:]
        raise RuntimeError(f"the Docker engine of the tests did not come up:\n{log}")


def leftovers() -> list[Path]:
    """Folders of engines that nobody holds any more."""
    left = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = os.open(folder / "lock", os.O_RDWR)
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.append(folder)
            os.close(lock)
    return left


def wait_until_left(folder: Path) -> None:
    """Wait until nothing of a killed engine runs any more."""
    end = time.monotonic() + PATIENCE
    while folder not in leftovers():
        if time.monotonic() > end:
            raise RuntimeError(f"something of the killed engine in {folder} still runs")
        time.sleep(0.05)


def remove_leftovers() -> None:
    """Remove what killed engines left: folders and cgroups, never a process, for those are gone."""
    for folder in leftovers():
        _remove_cgroups(folder.name)
        _remove(folder)


def missing() -> str:
    """Why no engine can be had here; empty where one can."""
    if os.geteuid() != 0:
        return "a Docker engine of one's own takes root"
    programs = ("/usr/sbin/dockerd", "/usr/bin/docker", "/usr/bin/docker-init", "/usr/bin/setpriv")
    absent = [program for program in programs if not Path(program).exists()]
    return f"no {', '.join(absent)} here: apt-get install docker.io" if absent else ""


def _remove(path: Path) -> None:
    """Again and again for a while: killed processes take a moment until they write no more."""
    for _ in range(100):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        if not path.exists():
            return
        time.sleep(0.05)


def _remove_cgroups(name: str) -> None:
    """Likewise until they have left theirs."""
    for _ in range(100):
        found = [path for path in (*CGROUPS.glob(name), *CGROUPS.glob(f"*/{name}")) if path.is_dir()]
        if not found:
            return
        for top in found:
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):
                    os.rmdir(folder)
        time.sleep(0.05)


@contextmanager
def docker_engine_running() -> Iterator[DockerEngine]:
    """An engine while the block runs."""
    engine = DockerEngine()
    try:
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="session")
def docker_engine(request: pytest.FixtureRequest) -> Iterator[DockerEngine]:
    """The engine that all tests of a session share. One is enough for this machine, so xdist is refused."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        pytest.fail("tests with a Docker engine run without xdist: pytest -p no:xdist tests/docker")
    if why := missing():
        pytest.skip(why)
    with docker_engine_running() as engine:
        yield engine


def traces() -> set[str]:
    """What an engine could leave on this machine beside its folder and cgroups."""

    def lines(*command: str) -> list[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()

    devices = {f"device {line.split(':')[1].strip()}" for line in lines("ip", "-o", "link")}
    rules = {f"rule {line}" for line in lines("iptables-legacy", "-S")} | set(lines("nft", "list", "ruleset"))
    mounts = {f"mount {line}" for line in Path("/proc/self/mounts").read_text().splitlines()}
    forward = {f"forward {Path('/proc/sys/net/ipv4/ip_forward').read_text().strip()}"}
    return devices | rules | mounts | forward


def remains(folder: Path) -> set[str]:
    """The folder and the cgroups of an engine, as far as they are there."""
    return {
        str(path)
        for path in (folder, *CGROUPS.glob(folder.name), *CGROUPS.glob(f"*/{folder.name}"))
        if path.exists()
    }


def main() -> int:
    """The command line."""
    if why := missing():
        print(why)
        return 2
    if "--check" not in sys.argv:
        with docker_engine_running() as engine:
            print(engine.host, flush=True)
            sys.stdin.readline()
        return 0
    before = traces()
    with docker_engine_running() as engine:
        print("up:", engine.docker("info", "--format", "{{.ServerVersion}} {{.Driver}}").strip())
    left = (traces() - before) | remains(engine.folder)
    print("down; left:", left or "nothing")
    killed = DockerEngine()
    killed.abandon()
    remove_leftovers()
    left |= (traces() - before) | remains(killed.folder)
    print("after kill -9 and the next one's clearing; left:", left or "nothing")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
