"""`hilum doctor --google` before a real Pub/Sub, a storage server and a warehouse, as far as the emulators here go:
they know no permissions and no quotas, whose checks are held in tests/unit/app/test_google.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from beds.bigquery import Served
from beds.gcs import CloudStorage
from beds.pubsub import Lane
from hilum.app.google.ask import Google
from hilum.app.google.deployment import Deployment
from hilum.app.google.events import dead_letters, kept, notification, subscription
from hilum.app.google.schema import schema_drift
from hilum.engine.doctor import Finding, Health
from hilum.warehouse.bigquery.address import parse_address
from hilum.warehouse.bigquery.client import DatasetClient
from hilum.warehouse.bigquery.warehouse import BigQueryWarehouse

NEVER: dict[str, Any] = {"expiration_policy": {}}


def said(found: list[Finding]) -> list[tuple[str, str]]:
    return [(each.health.value, each.message) for each in found]


class TestSubscriptions:
    def test_one_whose_dead_letters_are_kept_is_sound(self, pubsub: Callable[..., Lane]) -> None:
        dead = pubsub()
        lane = pubsub(dead_letter_policy={"dead_letter_topic": dead.topic}, **NEVER)
        assert said(list(subscription(Google(), lane.subscription))) == []
        assert said(list(dead_letters(Google(), Deployment(dead_letters=dead.topic)))) == []

    def test_one_without_dead_letters(self, pubsub: Callable[..., Lane]) -> None:
        lane = pubsub(**NEVER)
        [found] = subscription(Google(), lane.subscription)
        assert "never put aside" in found.message

    def test_dead_letters_that_nobody_keeps(self, pubsub: Callable[..., Lane]) -> None:
        dead = pubsub()
        dead.subscriber.delete_subscription(request={"subscription": dead.subscription})
        [found] = kept(Google(), dead.topic)
        assert (found.health, "forgotten" in found.message) == (Health.ERROR, True)
        dead.publisher.delete_topic(request={"topic": dead.topic})
        [found] = kept(Google(), dead.topic)
        assert "is not there" in found.message

    def test_one_that_has_outlived_its_topic(self, pubsub: Callable[..., Lane]) -> None:
        lane = pubsub()
        lane.publisher.delete_topic(request={"topic": lane.topic})
        [found] = subscription(Google(), lane.subscription)
        assert "topic is gone" in found.message


class TestNotifications:
    @pytest.fixture
    def lane(self, pubsub: Callable[..., Lane]) -> Lane:
        return pubsub()

    def notify(self, cloud_storage: CloudStorage, bucket: str, **fields: Any) -> None:
        made = requests.post(
            f"{cloud_storage.host}/storage/v1/b/{bucket}/notificationConfigs", json=fields, timeout=10
        )
        made.raise_for_status()

    def found(self, lane: Lane, bucket: str) -> list[tuple[str, str]]:
        wanted = Deployment(subscriptions=(lane.subscription,))
        return said(list(notification(Google(), wanted, bucket)))

    def test_the_right_one_is_sound(self, lane: Lane, bucket: str, cloud_storage: CloudStorage) -> None:
        topic = f"//pubsub.googleapis.com/{lane.topic}"
        kinds = ["OBJECT_FINALIZE", "OBJECT_DELETE"]
        self.notify(cloud_storage, bucket, topic=topic, payload_format="JSON_API_V1", event_types=kinds)
        assert self.found(lane, bucket) == []

    def test_none_and_one_to_another_topic(
        self, lane: Lane, bucket: str, cloud_storage: CloudStorage
    ) -> None:
        for _ in range(2):
            [(health, message)] = self.found(lane, bucket)
            assert (health, "no topic" in message) == ("error", True)
            self.notify(
                cloud_storage,
                bucket,
                topic="//pubsub.googleapis.com/projects/other/topics/t",
                payload_format="JSON_API_V1",
            )

    def test_one_that_tells_too_little(self, lane: Lane, bucket: str, cloud_storage: CloudStorage) -> None:
        self.notify(
            cloud_storage,
            bucket,
            topic=f"//pubsub.googleapis.com/{lane.topic}",
            payload_format="NONE",
            event_types=["OBJECT_DELETE"],
            object_name_prefix="part/",
        )
        assert [health for health, _ in self.found(lane, bucket)] == ["error", "warning", "warning"]


class TestSchema:
    def test_tables_that_hilum_made_have_not_drifted_and_others_have(self, bigquery: Served) -> None:
        dataset = parse_address(bigquery.address())
        [found] = schema_drift(dataset)
        assert (found.health, "no tables yet" in found.message) == (Health.WARNING, True)
        warehouse = BigQueryWarehouse(dataset)
        warehouse.tables()
        warehouse.close()
        assert said(list(schema_drift(dataset))) == []
        client = DatasetClient(dataset)
        client._client.delete_table(f"{dataset.path}.quarantine_rows")
        client.close()
        assert ("error", "quarantine_rows is not there") in said(list(schema_drift(dataset)))
