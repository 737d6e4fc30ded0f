"""The cluster's certificates and the kubeconfigs that use them, made anew for each cluster with openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

from beds.cluster import places

IDENTITIES = {
    "admin": "/O=system:masters/CN=admin",
    "apiserver": "/CN=kube-apiserver",
    "kubelet-client": "/O=system:masters/CN=kube-apiserver-kubelet-client",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "kwok": "/O=system:masters/CN=kwok",
    "node": f"/O=system:nodes/CN=system:node:{places.NAME}",
}
NAMES = f"DNS:kubernetes.default.svc,IP:{places.NODE},IP:{places.API_SERVICE},IP:127.0.0.1"
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: cluster
clusters:
- name: cluster
  cluster: {{server: "{server}", certificate-authority: "{keys}/ca.crt"}}
users:
- name: user
  user: {{client-certificate: "{keys}/{identity}.crt", client-key: "{keys}/{identity}.key"}}
contexts:
- name: cluster
  context: {{cluster: cluster, user: user}}
"""


def make() -> None:
    """A CA, a key for service accounts, and a certificate and a kubeconfig for each identity."""
    keys = places.KEYS
    keys.mkdir(mode=0o700)
    ca: list[Path] = [keys / "ca.key", keys / "ca.crt"]
    _openssl("req", "-x509", *KEY, "-subj", "/CN=hilum-test", "-days", "2", "-keyout", ca[0], "-out", ca[1])
    _openssl("genpkey", "-algorithm", "RSA", "-out", keys / "accounts.key")
    _openssl("pkey", "-in", keys / "accounts.key", "-pubout", "-out", keys / "accounts.pub")
    for identity, subject in IDENTITIES.items():
        extensions: list[str | Path] = (
            ["-addext", f"subjectAltName={NAMES}"] if identity == "apiserver" else []
        )
        files: list[str | Path] = ["-keyout", keys / f"{identity}.key", "-out", keys / f"{identity}.crt"]
        signed: list[str | Path] = [
            "-x509",
            "-CA",
            ca[1],
            "-CAkey",
            ca[0],
            "-addext",
            "basicConstraints=critical,CA:false",
        ]
        _openssl("req", *signed, *KEY, "-subj", subject, *extensions, "-days", "2", *files)
        text = KUBECONFIG.format(server=places.API, keys=keys, identity=identity)
        kubeconfig(identity).write_text(text)
    places.KUBECONFIG.write_text(kubeconfig("admin").read_text())


def kubeconfig(identity: str) -> Path:
    """The kubeconfig of an identity."""
    return places.KEYS / f"{identity}.kubeconfig"


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
