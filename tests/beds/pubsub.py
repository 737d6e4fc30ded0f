"""Google's Pub/Sub emulator for tests: a jar of the Google Cloud CLI, run by Java. It ends with the test process, see
beds/held.py, and forgets everything then.

What it does not do as Google does: filters, retry backoff, exactly-once and tokens on push are accepted and ignored.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from beds.held import HeldServer

JAR = "HILUM_PUBSUB_EMULATOR_JAR"
PLACES = ("/usr/lib", "/usr/share", "/opt", "/usr/local", str(Path.home()))
BELOW = "google-cloud-sdk/platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"
EMULATOR = "PUBSUB_EMULATOR_HOST"
PROJECT = "hilum-test"


def missing() -> str:
    """What is lacking to run the emulator, and how to get it; empty where nothing is."""
    if shutil.which("java") is None:
        return "no Java to run Pub/Sub's emulator with: apt-get install default-jre-headless"
    if jar() is None:
        return (
            f"no Pub/Sub emulator: it comes with the Google Cloud CLI (google-cloud-cli-pubsub-emulator); {JAR} names"
            " its jar where it lies elsewhere"
        )
    return ""


def jar() -> Path | None:
    """The emulator's program."""
    if JAR in os.environ:
        return Path(os.environ[JAR]) if Path(os.environ[JAR]).is_file() else None
    return next((found for place in PLACES for found in sorted(Path(place).glob(BELOW))), None)


class PubSub(HeldServer):
    """A running emulator. ``address`` is what PUBSUB_EMULATOR_HOST takes.

    Args:
        heap: the most memory of it; it keeps messages that were acknowledged, too.
    """

    def __init__(self, heap: str = "512m") -> None:
        def command(_folder: Path, port: int) -> list[str | Path]:
            found = jar()
            assert found is not None, missing()
            memory = [f"-Xmx{heap}", "-XX:+UseSerialGC"]
            return ["java", *memory, "-jar", found, "--host=127.0.0.1", f"--port={port}"]

        super().__init__("hilum-pubsub-", command)
        self.address = self.host.removeprefix("http://")
        self._numbers = count(1)

    def lane(self, **options: Any) -> Lane:
        """A new topic with a subscription; ``options`` are fields of the subscription."""
        os.environ.setdefault(EMULATOR, self.address)
        return Lane(PROJECT, f"lane-{next(self._numbers)}", options)


class Lane:
    """A topic and a subscription to it, with Google's own client, for whoever plays the other side.

    Args:
        options: fields of the subscription.

    Attributes:
        topic, subscription: their full names.
        address: of the subscription, as a source of Hilum.
    """

    def __init__(self, project: str, name: str, options: Mapping[str, Any]) -> None:
        from google.cloud import pubsub_v1

        self.publisher = pubsub_v1.PublisherClient()
        self.subscriber = pubsub_v1.SubscriberClient()
        self.topic = f"projects/{project}/topics/{name}-topic"
        self.subscription = f"projects/{project}/subscriptions/{name}"
        self.address = f"pubsub://{project}/{name}"
        self.publisher.create_topic(request={"name": self.topic})
        self.subscriber.create_subscription(
            request={"name": self.subscription, "topic": self.topic, "ack_deadline_seconds": 10, **options}
        )

    def remove(self) -> None:
        """Take both away, and give the connections back."""
        self.subscriber.delete_subscription(request={"subscription": self.subscription})
        self.publisher.delete_topic(request={"topic": self.topic})
        self.subscriber.close()
        self.publisher.stop()

    def publish(self, data: bytes, attributes: Mapping[str, str] | None = None) -> None:
        """One message; it is there when this returns."""
        self.publisher.publish(self.topic, data, **(attributes or {})).result(30)

    def take(self, wanted: int = 1, patience: float = 20.0) -> list[Any]:
        """Messages that lie in the subscription, acknowledged; fewer than wanted once the patience is over."""
        found: list[Any] = []
        end = time.monotonic() + patience
        while len(found) < wanted and time.monotonic() < end:
            found += self._pulled(
                max(1.0, end - time.monotonic())
            )  # one that is given up may take messages along
        return found

    def rest(self, patience: float = 1.0) -> list[Any]:
        """What still lies there and nobody holds, acknowledged."""
        return self._pulled(patience)

    def _pulled(self, patience: float) -> list[Any]:
        """What there is. No pull waits at the server, which would give messages to one that nobody is behind now."""
        request = {"subscription": self.subscription, "max_messages": 1000, "return_immediately": True}
        end = time.monotonic() + patience
        while not (received := self.subscriber.pull(request=request).received_messages):
            if time.monotonic() >= end:
                return []
            time.sleep(0.05)
        ids = [each.ack_id for each in received]
        self.subscriber.acknowledge(request={"subscription": self.subscription, "ack_ids": ids})
        return [each.message for each in received]


@pytest.fixture(scope="session")
def pubsub_server() -> Iterator[PubSub]:
    """The emulator that the tests of this process share."""
    if lacking := missing():
        pytest.skip(lacking)
    server = PubSub()
    yield server
    server.stop()


@pytest.fixture
def pubsub(pubsub_server: PubSub, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Lane]:
    """Makes topics with subscriptions, to which clients of this test and of what it starts find by themselves."""
    monkeypatch.setenv(EMULATOR, pubsub_server.address)
    return pubsub_server.lane
