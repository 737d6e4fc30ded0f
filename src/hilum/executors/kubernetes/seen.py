"""What is read of Jobs and pods, and no more of them.

With every change of a pod the API server tells all of it again: 14 kB, half of which is who set which field. To
decode that takes nine times as long as to decode what anybody here looks at, and a pod changes some ten times.
"""

from __future__ import annotations

from datetime import datetime

from lightkube.core.resource import NamespacedResourceG
from lightkube.models.batch_v1 import JobStatus
from lightkube.models.core_v1 import PodStatus
from lightkube.resources import batch_v1, core_v1
from msgspec import Struct


class Metadata(Struct, frozen=True, rename="camel"):
    """Of ``ObjectMeta``."""

    name: str = ""
    labels: dict[str, str] = {}
    deletion_timestamp: datetime | None = None


class Container(Struct, frozen=True, rename="camel"):
    """Of ``Container``."""

    name: str = ""


class PodSpec(Struct, frozen=True, rename="camel"):
    """Of ``PodSpec``."""

    node_name: str = ""
    init_containers: list[Container] = []


class SeenPod(NamespacedResourceG, Struct, frozen=True):
    """Of ``Pod``; its status is whole."""

    _api_info = core_v1.Pod._api_info

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus | None = None


class JobSpec(Struct, frozen=True, rename="camel"):
    """Of ``JobSpec``."""

    completions: int = 0


class SeenJob(NamespacedResourceG, Struct, frozen=True):
    """Of ``Job``; its status is whole."""

    _api_info = batch_v1.Job._api_info

    metadata: Metadata
    spec: JobSpec = JobSpec()
    status: JobStatus | None = None
