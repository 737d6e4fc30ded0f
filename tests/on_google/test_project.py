"""The suite may be run in a project that has other things in it, so it has to clear up after itself."""

from __future__ import annotations

import pytest

from beds.google import Datasets, Project, bigquery_client, fresh
from beds.pubsub import Lane
from hilum.warehouse.bigquery.address import parse_address
from hilum.warehouse.bigquery.warehouse import BigQueryWarehouse


def test_a_dataset_is_gone_with_its_tables_once_its_test_is_over(
    google_project: Project, google_datasets: Datasets
) -> None:
    warehouse = BigQueryWarehouse(parse_address(google_datasets.address()))
    warehouse.fitting("runs", [])
    warehouse.close()
    with bigquery_client(google_project) as client:
        [made] = google_datasets.made
        assert made in [each.dataset_id for each in client.list_datasets()]
        google_datasets.remove()
        assert made not in [each.dataset_id for each in client.list_datasets()]


def test_a_topic_is_gone_with_its_subscription_once_its_test_is_over(google_project: Project) -> None:
    from google.api_core.exceptions import NotFound
    from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

    lane = Lane(google_project.name, fresh(), {})
    lane.publish(b"hello")
    lane.remove()
    with pytest.raises(NotFound):
        PublisherClient().get_topic(request={"topic": lane.topic})
    with pytest.raises(NotFound):
        SubscriberClient().get_subscription(request={"subscription": lane.subscription})
