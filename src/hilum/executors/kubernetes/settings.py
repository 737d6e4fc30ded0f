"""What an installation decides about its pods: where they run, what they mount, how long to be patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

DOWNSCOPED = "downscoped"


@dataclass(frozen=True, slots=True)
class Volume:
    """Something that Hilum's own containers mount and a step's never does: shared storage, credentials.

    Attributes:
        source: a Kubernetes volume source, e.g. ``{"persistentVolumeClaim": {"claimName": "store"}}``.
        path: where it is mounted. A shared volume has to be where the engine has it, since addresses name paths.
    """

    source: Mapping[str, Any]
    path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class KubernetesSettings:
    """How attempts run on a cluster.

    Attributes:
        image: Hilum's own, at the engine's version.
        pull: its imagePullPolicy.
        namespace: where Jobs are made; empty: the kubeconfig's.
        kubeconfig: a file; empty: the service account in a cluster, else as kubectl finds one.
        pods: at once; how many of them find room is the scheduler's business.
        shard: attempts at light Python steps that share a pod, one after the other, at most.
        volumes, env: for Hilum's own containers.
        user: user id of Hilum's own containers; a shared volume has to be its. Steps run as their own user.
        service_account: of the pods. No token of it is mounted; where nodes give credentials to whole pods (workload
            identity), a step with network can ask for them.
        credentials: ``own``: Hilum's containers have what ``volumes``, ``env`` or the service account give them;
            ``downscoped``: a token of Cloud Storage that is good for the attempt's own objects, which the engine
            makes of its credentials and renews. Then each attempt has a Job of its own.
        gpu_node_selector: on top of ``node_selector``, for steps that ask for a graphics card.
        node_selector, tolerations, priority_class, queue: as Kubernetes and Kueue (``queue``) understand them.
        startup: seconds that a pod gets, beside the step's timeout, to pull images, stage and collect.
        kept: seconds that a finished Job stays, for its logs and for an engine that was away.
        blocked: seconds until a container that cannot start (its image, its settings) counts as failed.
        pending: seconds until an attempt that no node takes counts as failed.
    """

    image: str
    pull: str = "IfNotPresent"
    namespace: str = ""
    kubeconfig: str = ""
    pods: int = 100
    shard: int = 200
    volumes: tuple[Volume, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    user: int = 65534
    service_account: str = "default"
    credentials: Literal["own", "downscoped"] = "own"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    gpu_node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    priority_class: str = ""
    queue: str = ""
    startup: float = 600.0
    kept: int = 600
    blocked: float = 60.0
    pending: float = 1800.0

    @property
    def sharing(self) -> int:
        """Light attempts that may share a pod; those with credentials of their own share nothing."""
        return 1 if self.credentials == DOWNSCOPED else self.shard
