"""Where a cluster keeps its things, and its addresses. One cluster runs on a machine at a time, so these are
constants, and whoever comes next finds what a killed one left.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

NAME = "hilum-cluster"
"""Of its folder, its cgroup and its node."""

LOCK = Path(tempfile.gettempdir()) / f"{NAME}.lock"
ROOT = Path(tempfile.gettempdir()) / NAME
LOGS = ROOT / "logs"
KEYS = ROOT / "keys"
KUBECONFIG = ROOT / "kubeconfig"
CONTAINERD = ROOT / "containerd"
CONTAINERD_SOCKET = CONTAINERD / "containerd.sock"
KUBELET = ROOT / "kubelet"
CNI = ROOT / "cni"

VETH = "hilum-cluster0"
MACHINE = "10.213.0.1"
"""This machine as pods see it: a server that a test starts on it can be reached there."""
NODE = "10.213.0.2"
PODS = "10.214.0.0/16"
SERVICES = "10.215.0.0/24"
API_SERVICE = "10.215.0.1"
DNS = "10.215.0.10"
"""Nobody answers there, but a kubelet without one complains with every look at a pod."""
API = f"https://{NODE}:6443"
PAUSE_IMAGE = "hilum-bed/pause:1"
