"""A namespace of a test's own on the tests' cluster, under the restricted pod security standard: with volumes that
are folders of this machine, and with kubeconfigs of its service accounts.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from beds.cluster.cluster import Cluster

USER = 65534
"""Whom Hilum's containers run as."""


class Namespace:
    """It is gone with all that it holds when its block ends."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self.name = f"chart-{secrets.token_hex(4)}"
        self._folder = folder

    def kubectl(self, *arguments: str) -> str:
        """What kubectl says of this namespace."""
        return self.cluster.kubectl("--namespace", self.name, *arguments)

    def got(self, *arguments: str) -> Any:
        """What `kubectl get` finds, as it is."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def apply(self, *objects: Mapping[str, Any], dry: bool = False) -> str:
        """Make objects, or ask whether they could be made: unknown fields are errors."""
        path = self._file("objects.json", json.dumps({"kind": "List", "apiVersion": "v1", "items": objects}))
        return self.kubectl(
            *("apply", "--validate=strict", "-f", str(path)), *(["--dry-run=server"] if dry else [])
        )

    def volume(self, folder: Path, claim: str = "") -> None:
        """A volume that is a folder of this machine, for any claim or for one that is made with it."""
        give_away(folder)
        common = {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
        }
        reserved = {"claimRef": {"namespace": self.name, "name": claim}} if claim else {}
        name = f"{self.name}-{secrets.token_hex(4)}"
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": name, "labels": {"namespace": self.name}},
            "spec": {
                **common,
                **reserved,
                "capacity": {"storage": "1Ti"},
                "hostPath": {"path": str(folder)},
                "persistentVolumeReclaimPolicy": "Retain",
            },
        }
        claims = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": claim},
            "spec": {**common, "volumeName": name, "resources": {"requests": {"storage": "1Gi"}}},
        }
        self.apply(volume, *([claims] if claim else []))

    def identity(self, service_account: str) -> Path:
        """A kubeconfig of a service account."""
        token = self.kubectl("create", "token", service_account).strip()
        config = yaml.safe_load(self.cluster.kubeconfig.read_text())
        config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
        config["contexts"][0]["context"]["namespace"] = self.name
        return self._file("kubeconfig", json.dumps(config))

    def rights(self, service_account: str = "default", namespace: str = "") -> set[tuple[str, str, str]]:
        """Group, resource and verb of whatever a service account may do in a namespace, here if none is named."""
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace or self.name},
        }
        path = self._file("review.json", json.dumps(review))
        who = f"system:serviceaccount:{self.name}:{service_account}"
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{self.name}", "system:authenticated"]
        asked = [f"--as={who}", *(f"--as-group={group}" for group in groups)]
        create = ("create", "--validate=false", *asked, "-f", str(path), "-o", "json")
        said = json.loads(self.cluster.kubectl(*create))["status"]
        assert not said["incomplete"]
        return {
            (group, resource, verb)
            for rule in said["resourceRules"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for verb in rule["verbs"]
        } | {
            ("", url, verb)
            for rule in said["nonResourceRules"]
            for url in rule["nonResourceURLs"]
            for verb in rule["verbs"]
        }

    def _file(self, name: str, text: str) -> Path:
        path = self._folder / f"{secrets.token_hex(4)}-{name}"
        path.write_text(text)
        path.chmod(0o600)
        return path


@contextmanager
def namespace_of(cluster: Cluster) -> Iterator[Namespace]:
    """A namespace while the block runs."""
    with tempfile.TemporaryDirectory() as folder:
        namespace = Namespace(cluster, Path(folder))
        cluster.kubectl("create", "namespace", namespace.name)
        try:
            standard = "pod-security.kubernetes.io/enforce=restricted"
            cluster.kubectl("label", "namespace", namespace.name, standard)
            yield namespace
        finally:
            cluster.kubectl("delete", "namespace", namespace.name)
            cluster.kubectl("delete", "persistentvolume", "-l", f"namespace={namespace.name}")


def give_away(folder: Path) -> None:
    """Let the user of Hilum's containers own a folder, as it owns a shared volume."""
    subprocess.run(["chown", "-R", f"{USER}:{USER}", os.fspath(folder)], check=True)
