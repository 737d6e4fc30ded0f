"""A client of the cluster, with what lightkube lacks and what takes its inner parts: an end to a watch whose
connection died without a word, a container's output as the bytes that it printed, and decoding in several threads.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightkube import Client

PATIENCE = 10.0
SERVED = 240
"""Seconds after which the API server ends a watch; one that says nothing for longer is dead."""
SLACK = 30


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
    client = Client(
        config, namespace=namespace or None, timeout=httpx2.Timeout(PATIENCE), field_manager="hilum"
    )
    client._client._watch_timeout = httpx2.Timeout(PATIENCE, read=SERVED + SLACK)
    return client


def _learn_types() -> None:
    """Let msgspec look at the types of all objects that are read, before there is a second thread: it does so at the
    first use of each, and two threads that do it at once crash the process (msgspec 0.22)."""
    from lightkube.core.decoders import decode_list, decode_status, decode_watch_event
    from lightkube.resources.batch_v1 import Job
    from lightkube.resources.core_v1 import ConfigMap, Event, Pod

    for resource in (Job, Pod, ConfigMap):
        decode_list(b'{"items":[]}', resource)
        resource.from_dict({})
    decode_list(b'{"items":[]}', Event)
    decode_status(b"{}")
    decode_watch_event(b'{"type":"","object":{}}')


def printed(
    client: Client, pod: str, container: str, *, follow: bool = False, lines: int | None = None
) -> Iterator[bytes]:
    """What a container has printed, in pieces, of which the first is empty; nothing where there is no such container.

    Args:
        follow: go on until it ends.
        lines: only the last so many.
    """
    import httpx2
    from lightkube.resources.core_v1 import PodLog

    asked = client._client.prepare_request(
        "get", PodLog, name=pod, params={"container": container, "follow": follow, "tailLines": lines}
    )
    asked.timeout = httpx2.Timeout(PATIENCE, read=None if follow else PATIENCE)
    response = client._client.send(client._client.build_adapter_request(asked), stream=True)
    try:
        if response.is_success:
            yield b""
            yield from response.iter_bytes()
    finally:
        response.close()
