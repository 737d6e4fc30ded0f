"""What the cluster's daemons are told: their configuration files and command lines."""

from __future__ import annotations

import json
from pathlib import Path

from beds.cluster import places
from beds.cluster.build import binary
from beds.cluster.certificates import kubeconfig
from beds.cluster.namespace import Namespace, wait_until

CONTAINERD = """\
version = 2
root = "{root}/root"
state = "{root}/state"
[grpc]
address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "{root}/runc"
SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{cni}/net.d"
"""


def start_etcd(namespace: Namespace) -> None:
    namespace.start(
        "etcd",
        binary("etcd"),
        f"--data-dir={places.ROOT}/etcd",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",
        "--log-level=warn",
    )


def start_apiserver(namespace: Namespace) -> None:
    keys = places.KEYS
    namespace.start(
        "kube-apiserver",
        binary("kube-apiserver"),
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={places.NODE}",
        f"--service-cluster-ip-range={places.SERVICES}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={keys}/ca.crt",
        f"--tls-cert-file={keys}/apiserver.crt",
        f"--tls-private-key-file={keys}/apiserver.key",
        f"--kubelet-client-certificate={keys}/kubelet-client.crt",
        f"--kubelet-client-key={keys}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={keys}/accounts.pub",
        f"--service-account-signing-key-file={keys}/accounts.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--cert-dir={places.ROOT}/apiserver",
    )


def start_controllers(namespace: Namespace) -> None:
    keys = places.KEYS
    common = ["--leader-elect=false", "--kube-api-qps=200", "--kube-api-burst=400"]
    namespace.start(
        "kube-controller-manager",
        binary("kube-controller-manager"),
        f"--kubeconfig={kubeconfig('controller-manager')}",
        f"--service-account-private-key-file={keys}/accounts.key",
        f"--root-ca-file={keys}/ca.crt",
        "--use-service-account-credentials",
        f"--cert-dir={places.ROOT}/controllers",
        *common,
    )
    namespace.start(
        "kube-scheduler",
        binary("kube-scheduler"),
        f"--kubeconfig={kubeconfig('scheduler')}",
        f"--cert-dir={places.ROOT}/scheduler",
        *common,
    )


def start_containerd(namespace: Namespace) -> None:
    places.CONTAINERD.mkdir()
    config = places.CONTAINERD / "config.toml"
    config.write_text(
        CONTAINERD.format(
            root=places.CONTAINERD, socket=places.CONTAINERD_SOCKET, pause=places.PAUSE_IMAGE, cni=places.CNI
        )
    )
    namespace.start("containerd", "containerd", "--config", config, "--log-level", "warn")
    wait_until(places.CONTAINERD_SOCKET.exists, "containerd")


def start_kubelet(namespace: Namespace, **changes: object) -> None:
    places.KUBELET.mkdir(exist_ok=True)
    config = places.KUBELET / "config.json"
    config.write_text(json.dumps({**kubelet_configuration(), **changes}))
    namespace.start(
        "kubelet",
        binary("kubelet"),
        f"--config={config}",
        f"--kubeconfig={kubeconfig('node')}",
        f"--root-dir={places.KUBELET}",
        f"--cert-dir={places.KUBELET}/pki",
        f"--hostname-override={places.NAME}",
        f"--node-ip={places.NODE}",
    )


def kubelet_configuration() -> dict[str, object]:
    """The node: small, on cgroups of either version, keeping its folders where they are removed."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{places.KEYS}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{places.CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{places.NAME}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "seccompDefault": True,
        "resolvConf": "",
        "clusterDNS": [places.DNS],
        "podLogsDir": f"{places.LOGS}/pods",
        "volumePluginDir": f"{places.KUBELET}/volume-plugins",
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "eventRecordQPS": 0,
        "maxPods": 110,
        "imageGCHighThresholdPercent": 100,
        "evictionPressureTransitionPeriod": "2s",
        "evictionHard": {"memory.available": "64Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }


def ctr(namespace: Namespace, *arguments: str | Path) -> str:
    """What containerd's own client says of the kubelet's images and containers."""
    address = ["ctr", "--address", str(places.CONTAINERD_SOCKET), "--namespace", "k8s.io"]
    return namespace.run(*address, *arguments).stdout
