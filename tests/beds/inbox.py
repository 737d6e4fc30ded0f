"""A bucket that tells Pub/Sub of what happens in it, with Google's own client for whoever puts things there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from beds.gcs import CloudStorage, started
from beds.pubsub import PROJECT, Lane, PubSub

EMULATOR = "STORAGE_EMULATOR_HOST"


class Inbox:
    """A bucket, and the lane that its notifications go to.

    Attributes:
        bucket: its name. lane: of its notifications.
    """

    def __init__(self, bucket: str, lane: Lane) -> None:
        from google.cloud import storage

        self.bucket, self.lane = bucket, lane
        self._bucket = storage.Client(project=PROJECT).bucket(bucket)
        topic = lane.topic.rpartition("/")[2]
        self._bucket.notification(
            topic_name=topic, topic_project=PROJECT, payload_format="JSON_API_V1"
        ).create()

    def put(self, name: str, content: bytes | Path) -> dict[str, str]:
        """Make an object, or a newer generation of it; its resource, as events carry it."""
        blob = self._bucket.blob(name)
        blob.upload_from_string(content if isinstance(content, bytes) else content.read_bytes())
        return {
            "bucket": self.bucket,
            "name": name,
            "generation": str(blob.generation),
            "size": str(blob.size),
            "md5Hash": blob.md5_hash,
            "crc32c": blob.crc32c,
        }

    def delete(self, name: str) -> None:
        """Delete an object."""
        self._bucket.blob(name).delete()

    def label(self, name: str) -> None:
        """Change an object's metadata."""
        blob = self._bucket.blob(name)
        blob.metadata = {"seen": "yes"}
        blob.patch()


@pytest.fixture(scope="session")
def talking_storage(pubsub_server: PubSub) -> Iterator[CloudStorage]:
    """A storage server that finds the emulator of Pub/Sub."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUBSUB_EMULATOR_HOST", pubsub_server.address)
        server = started()
    yield server
    server.stop()


@pytest.fixture
def inbox(
    talking_storage: CloudStorage, pubsub: Callable[..., Lane], monkeypatch: pytest.MonkeyPatch
) -> Inbox:
    """A new bucket with notifications, to which clients of this test and of what it starts find by themselves."""
    monkeypatch.setenv(EMULATOR, talking_storage.host)
    return Inbox(talking_storage.create_bucket(), pubsub())


def resources(inbox: Inbox, paths: list[Path] | tuple[Path, ...], folder: str = "in") -> list[dict[str, Any]]:
    """Put files; their resources."""
    return [inbox.put(f"{folder}/{path.parent.name}/{path.name}", path) for path in paths]
