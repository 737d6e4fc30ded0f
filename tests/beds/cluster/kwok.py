"""Fake nodes beside the real one: kwok plays the kubelet of each, so that thousands of pods pass through the real API
server, scheduler and Job controller without anything being started.

    with fake_nodes(cluster, 20):
        ...    # pods that choose FAKE and tolerate TAINT run there

A fake kubelet does no work. It says that a pod's init containers have ended and that its main container runs, and
leaves it at that; who needs results has to bring somebody who makes them: :mod:`beds.cluster.stand_in`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from beds.cluster import places
from beds.cluster.build import binary
from beds.cluster.certificates import kubeconfig
from beds.cluster.cluster import Cluster

MARK = "kwok.x-k8s.io/node"
FAKE = {"type": "kwok"}
"""A label of fake nodes."""
TAINT = {"key": MARK, "value": "fake", "effect": "NoSchedule"}
"""Keeps everybody off them who does not tolerate it."""
ROOM = {"cpu": "64", "memory": "256Gi", "pods": "110", "ephemeral-storage": "1Ti"}
"""Of one node; 110 pods are a kubelet's usual most."""

READY = """\
{{ $now := Now }}
conditions:
- type: Ready
  status: "True"
  reason: Fake
  message: fake
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
phase: Running
"""
RUNNING = """\
{{ $now := Now }}
phase: Running
startTime: {{ $now | Quote }}
podIP: 10.216.0.1
conditions:
{{ range $type := (list "Initialized" "ContainersReady" "Ready") }}
- {type: {{ $type }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
{{ end }}
{{ with .spec.initContainers }}
initContainerStatuses:
{{ range . }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  state:
    terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}
{{ end }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  state: {running: {startedAt: {{ $now | Quote }}}}
{{ end }}
"""


def stages() -> list[dict[str, Any]]:
    """What kwok does when: a node is ready, a pod that was given to one runs, and goes when it is deleted."""

    def stage(name: str, kind: str, *when: dict[str, Any], **then: Any) -> dict[str, Any]:
        return {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "Stage",
            "metadata": {"name": name},
            "spec": {
                "resourceRef": {"apiGroup": "v1", "kind": kind},
                "selector": {"matchExpressions": list(when)},
                "next": then,
            },
        }

    def is_(key: str, *values: str) -> dict[str, Any]:
        return {"key": key, "operator": "In", "values": list(values)}

    deleted = ".metadata.deletionTimestamp"
    new_node = {
        "key": '.status.conditions.[] | select( .type == "Ready" ) | .status',
        "operator": "NotIn",
        "values": ["True"],
    }
    return [
        stage("node-ready", "Node", new_node, statusTemplate=READY),
        stage(
            "pod-running",
            "Pod",
            {"key": deleted, "operator": "DoesNotExist"},
            is_(".status.phase", "Pending"),
            statusTemplate=RUNNING,
        ),
        stage("pod-gone", "Pod", {"key": deleted, "operator": "Exists"}, delete=True),
    ]


def node(name: str) -> dict[str, Any]:
    """A fake node as it registers itself."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": FAKE, "annotations": {MARK: "fake"}},
        "spec": {"taints": [TAINT]},
        "status": {"capacity": ROOM, "allocatable": ROOM},
    }


@contextmanager
def fake_nodes(cluster: Cluster, count: int) -> Iterator[None]:
    """So many fake nodes, ready, while the block runs."""
    config, nodes = places.ROOT / "kwok.yaml", places.ROOT / "kwok-nodes.json"
    _write(config, stages())
    items = [node(f"fake-{number:03}") for number in range(count)]
    nodes.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    cluster.namespace.start(
        "kwok",
        binary("kwok"),
        f"--kubeconfig={kubeconfig('kwok')}",
        f"--config={config}",
        "--manage-all-nodes=false",
        f"--manage-nodes-with-annotation-selector={MARK}=fake",
        f"--node-ip={places.NODE}",
        "--node-lease-duration-seconds=40",
    )
    try:
        cluster.kubectl("create", "-f", str(nodes))
        cluster.kubectl("wait", "node", "-l", "type=kwok", "--for=condition=Ready", "--timeout=60s")
        yield
    finally:
        cluster.kubectl("delete", "-f", str(nodes), "--wait=false")
        cluster.kill("kwok")


def _write(path: Path, documents: list[dict[str, Any]]) -> None:
    path.write_text("\n---\n".join(json.dumps(each) for each in documents))
