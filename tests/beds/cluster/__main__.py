"""The cluster by hand: ``python -m beds.cluster up``, ``check`` or ``down``."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from beds.cluster import places
from beds.cluster.cluster import CGROUPS, Cluster, cluster_running, missing, remove_leftovers


def up() -> int:
    """Until a line comes, or the end of standard input."""
    with cluster_running() as cluster:
        print(f"export KUBECONFIG={cluster.kubeconfig}", flush=True)
        sys.stdin.readline()
    return 0


def check() -> int:
    """Up, down, and up, kill -9 and cleared; says what is left behind."""
    before = traces()
    started = time.monotonic()
    with cluster_running() as cluster:
        print(f"up in {time.monotonic() - started:.1f} s")
        print(cluster.kubectl("get", "nodes", "-o", "wide"))
        started = time.monotonic()
    print(f"down in {time.monotonic() - started:.1f} s; left: {traces() - before or 'nothing'}")
    cluster = Cluster()
    os.kill(cluster.namespace.holder, signal.SIGKILL)
    cluster.down()
    print(f"after kill -9 and clearing; left: {traces() - before or 'nothing'}")
    return 1 if traces() - before else 0


def down() -> int:
    """Clear away what a killed one left; one that is up is left alone."""
    with places.LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_leftovers()
    return 0


def traces() -> set[str]:
    """What a cluster could leave on this machine: devices, routes, mounts, cgroups, folders, processes."""

    def lines(*command: str) -> list[str]:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()

    devices = {f"device {line.split(':')[1].strip()}" for line in lines("ip", "-o", "link")}
    routes = {f"route {line}" for line in lines("ip", "route")}
    mounts = {f"mount {line}" for line in Path("/proc/self/mounts").read_text().splitlines()}
    cgroups = {f"cgroup {path}" for path in CGROUPS.glob(f"*/{places.NAME}")}
    folders = {
        f"folder {path}"
        for path in (places.ROOT, Path("/run/containerd"), Path("/var/lib/cni"))
        if path.exists()
    }
    names = ("containerd", "kubelet", "kube-", "etcd", "pause", "runc")
    processes = {
        f"process {line}" for line in lines("ps", "-eo", "pid=,comm=") if line.split()[1].startswith(names)
    }
    return devices | routes | mounts | cgroups | folders | processes


def main() -> int:
    """The command line."""
    commands = {"up": up, "check": check, "down": down}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print(f"python -m beds.cluster {'|'.join(commands)}", file=sys.stderr)
        return 2
    if why := missing():
        print(why, file=sys.stderr)
        return 2
    return commands[sys.argv[1]]()


if __name__ == "__main__":
    sys.exit(main())
