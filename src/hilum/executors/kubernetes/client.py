"""A client of the cluster that several threads may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightkube import Client

PATIENCE = 10.0
"""Seconds for an answer."""
SERVED = 240
"""Seconds after which the API server is asked to end a watch; it is begun anew then."""
SLACK = 30
"""Seconds that a watch may say nothing beyond that; then its connection is dead."""


def connect(kubeconfig: str, namespace: str) -> Client:
    """A client of the cluster, for use by any number of threads.

    Args:
        kubeconfig: a file; empty: a pod's service account, else as kubectl finds one.
        namespace: empty: the kubeconfig's.
    """
    import httpx2
    from lightkube import Client, KubeConfig

    _learn_types()
    config = KubeConfig.from_file(kubeconfig).get() if kubeconfig else None
    return Client(
        config, namespace=namespace or None, timeout=httpx2.Timeout(PATIENCE), field_manager="hilum"
    )


def _learn_types() -> None:
    """Let msgspec look at the types of all objects that are read or answered with, before there is a second thread:
    it does so at the first use of each, and two threads that do it at once crash the process (msgspec 0.22)."""
    from lightkube.core.decoders import decode_list, decode_status, decode_watch_event
    from lightkube.resources.batch_v1 import Job
    from lightkube.resources.core_v1 import ConfigMap, Event, Secret

    from hilum.executors.kubernetes.seen import SeenJob, SeenPod

    for resource in (Job, ConfigMap, Secret):
        decode_list(b'{"items":[]}', resource)
        resource.from_dict({})
    for only_read in (Event, SeenJob, SeenPod):
        decode_list(b'{"items":[]}', only_read)
    decode_status(b"{}")
    decode_watch_event(b'{"type":"","object":{}}')
