"""The cluster: everything that the other files of this package make, brought up in order and taken down again."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from beds.cluster import certificates, daemons, network, places
from beds.cluster.build import build
from beds.cluster.images import pause_archive
from beds.cluster.namespace import Namespace, wait_until

PROGRAMS = ("containerd", "runc", "ctr", "openssl", "ip", "nsenter", "unshare", "setpriv", "kubectl")
PLUGINS = Path("/usr/lib/cni/bridge")
CGROUPS = Path("/sys/fs/cgroup")


def missing() -> str:
    """Why no cluster can be had here; empty where one can."""
    if os.geteuid() != 0:
        return "a cluster of one's own takes root"
    absent = [program for program in PROGRAMS if not shutil.which(program)]
    absent += [] if PLUGINS.exists() else [str(PLUGINS)]
    return (
        f"no {', '.join(absent)} here: apt-get install containerd runc containernetworking-plugins"
        if absent
        else ""
    )


class Cluster:
    """A running cluster of one real node. ``kubeconfig`` is an administrator's, as a file."""

    kubeconfig = places.KUBECONFIG

    def __init__(self) -> None:
        build()
        self._lock = os.open(places.LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        remove_leftovers()
        places.LOGS.mkdir(parents=True)
        places.ROOT.chmod(0o755)
        self.namespace = Namespace(places.ROOT, self._lock)
        self._archives: list[Path] = []
        try:
            self._start()
        except BaseException:
            print(self.tails(), file=sys.stderr)
            self.down()
            raise

    def _start(self) -> None:
        _make_cgroups()
        certificates.make()
        network.join(self.namespace)
        daemons.start_etcd(self.namespace)
        daemons.start_apiserver(self.namespace)
        daemons.start_containerd(self.namespace)
        self.load(pause_archive(places.ROOT / "pause.tar"))
        self._wait(lambda: self.answers("get", "--raw", "/readyz"), "the API server")
        daemons.start_controllers(self.namespace)
        self.start_kubelet()
        self._wait(lambda: self.answers("get", "serviceaccount", "default"), "the default service account")

    def start_kubelet(self, **changes: object) -> None:
        """Start the node (again), its configuration changed so; returns when it is ready."""
        daemons.start_kubelet(self.namespace, **changes)
        ready = ["wait", "--for=condition=Ready", f"node/{places.NAME}", "--timeout=1s"]
        self._wait(lambda: self.answers(*ready), "the node")

    def _wait(self, true: Callable[[], object], what: str) -> None:
        """Until it is so, or a daemon has ended."""

        def so() -> bool:
            if dead := self.namespace.dead():
                raise RuntimeError(f"{', '.join(dead)} ended while {what} was waited for")
            return bool(true())

        wait_until(so, what)

    def kubectl(self, *arguments: str) -> str:
        """What kubectl says."""
        done = self._kubectl(*arguments)
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def kubectl_said(self, *arguments: str) -> str:
        """What kubectl says, warnings of the API server included."""
        done = self._kubectl(*arguments)
        return done.stdout + done.stderr

    def evict(self, pod: str) -> None:
        """Evict a pod as a node that is drained does."""
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(eviction, file)
            file.flush()
            self.kubectl(
                "create", "--raw", f"/api/v1/namespaces/default/pods/{pod}/eviction", "-f", file.name
            )

    def restart_api_server(self) -> None:
        """Kill it as a power cut would, and bring it back."""
        self.kill("kube-apiserver")
        daemons.start_apiserver(self.namespace)
        self._wait(lambda: self.answers("get", "--raw", "/readyz"), "the API server")

    def answers(self, *arguments: str) -> bool:
        """Whether kubectl succeeds."""
        return self._kubectl(*arguments).returncode == 0

    def load(self, archive: Path) -> None:
        """Take in the images of a docker-archive, under their names and, as if from a registry, their digests."""
        if archive not in self._archives:
            self._archives.append(archive)
        daemons.ctr(self.namespace, "images", "import", archive)
        for reference, digest in self._images():
            if "@" not in reference and reference.startswith("docker.io/"):
                by_digest = f"{reference.rpartition(':')[0]}@{digest}"
                daemons.ctr(self.namespace, "images", "tag", "--force", reference, by_digest)

    def load_again(self) -> None:
        """Take in all images that were ever taken in: a node that is short of room throws them away."""
        for archive in self._archives:
            self.load(archive)

    def digest(self, name: str) -> str:
        """The digest of the manifest of an image that was loaded under this name."""
        return dict(self._images())[f"docker.io/{name}"]

    def _images(self) -> list[tuple[str, str]]:
        """Reference and digest of every image."""
        _, *lines = daemons.ctr(self.namespace, "images", "list").splitlines()
        return [(line.split()[0], line.split()[2]) for line in lines]

    def kill(self, daemon: str) -> None:
        """End a daemon as a power cut would."""
        self.namespace.stop(daemon, signal.SIGKILL)

    def tails(self) -> str:
        """The last lines of every daemon's log."""
        logs = sorted(places.LOGS.glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)

    def down(self) -> None:
        """End it and remove all that it was."""
        self.namespace.end()
        remove_leftovers()
        os.close(self._lock)  # not before, or the next cluster would be removed

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.down()

    def _kubectl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True)


def remove_leftovers() -> None:
    """Remove what a killed cluster left: its folder and its cgroups. Its processes are ended by the kernel, and when
    the last is gone, so is the device."""
    wait_until(
        lambda: not Path("/sys/class/net", places.VETH).exists(), "the processes of the cluster before to end"
    )
    wait_until(_cgroups_removed, "the processes of the cluster before to leave their cgroups")
    with suppress(FileNotFoundError):
        shutil.rmtree(places.ROOT)


def _make_cgroups() -> None:
    """The cgroup below which the kubelet makes its own, in every hierarchy of either version."""
    unified = (CGROUPS / "cgroup.controllers").exists()
    for parent in [CGROUPS] if unified else [path for path in CGROUPS.iterdir() if not path.is_symlink()]:
        (parent / places.NAME).mkdir(exist_ok=True)


def _cgroups_removed() -> bool:
    found = [*CGROUPS.glob(places.NAME), *CGROUPS.glob(f"*/{places.NAME}")]
    for top in found:
        for folder, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):
                os.rmdir(folder)
    return not any(path.exists() for path in found)


@contextmanager
def cluster_running() -> Iterator[Cluster]:
    """A cluster while the block runs."""
    with Cluster() as cluster:
        yield cluster
