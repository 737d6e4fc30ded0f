"""Google's own Cloud Storage, BigQuery and Pub/Sub, for the suite in tests/on_google: what is made there bears the
suite's name, and is gone when the test or the session ends, whether or not it failed.

The project is that of HILUM_TEST_PROJECT, the credentials Google's application default ones. In a rehearsal
(beds/google_rehearsal.py) the same code talks to emulators, which shows that the suite and its removal work; that of
BigQuery does not outlive many statements, so each test has one of its own.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from beds.bigquery import serving_bigquery
from beds.pubsub import Lane

PROJECT, LOCATION, REHEARSAL = "HILUM_TEST_PROJECT", "HILUM_TEST_LOCATION", "HILUM_TEST_REHEARSAL"
NAME = "hilum-test-"
"""Begins the name of everything that the suite makes; a dataset has underscores for dashes."""
ABSENT = f"{PROJECT} names no project on Google Cloud; docs/how-to/test-on-google-cloud.md says what it takes"


def rehearsing() -> bool:
    """Whether emulators stand for Google."""
    return bool(os.environ.get(REHEARSAL))


def fresh() -> str:
    """A name that nothing has yet."""
    return NAME + uuid.uuid4().hex[:12]


@dataclass
class Project:
    """Where the suite runs; ``location``: of its buckets and datasets, empty for Google's default."""

    name: str
    location: str


@dataclass
class Datasets:
    """Addresses of datasets, as :class:`beds.bigquery.Served` gives them; ``made`` are those that were given."""

    project: Project
    made: list[str] = field(default_factory=list)

    def address(self) -> str:
        """A new dataset's, which nobody has made yet."""
        self.made.append(fresh().replace("-", "_"))
        options = ["nesting=1"] if rehearsing() else []
        options += [f"location={self.project.location}"] if self.project.location else []
        query = f"?{'&'.join(options)}" if options else ""
        return f"bigquery://{self.project.name}/{self.made[-1]}{query}"

    def remove(self) -> None:
        """Take away those that were made, tables and all."""
        from google.cloud.bigquery.retry import DEFAULT_RETRY

        with bigquery_client(self.project) as client:
            for name in self.made:
                client.delete_dataset(
                    f"{self.project.name}.{name}",
                    delete_contents=True,
                    not_found_ok=True,
                    retry=DEFAULT_RETRY.with_timeout(60),
                )


def bigquery_client(project: Project) -> Any:
    """Google's own client of BigQuery, for what stands beside the suite."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.bigquery import Client

    credentials = AnonymousCredentials() if rehearsing() else None  # type: ignore[no-untyped-call]
    return Client(project=project.name, credentials=credentials)


@pytest.fixture(scope="session")
def google_project() -> Project:
    """The project; without one the test is skipped."""
    if not os.environ.get(PROJECT):
        pytest.skip(ABSENT)
    return Project(os.environ[PROJECT], os.environ.get(LOCATION, ""))


@pytest.fixture(scope="session")
def google_bucket(google_project: Project) -> Iterator[str]:
    """A bucket for the session; a project may make one in two seconds only."""
    from google.cloud.storage import Client

    client = Client(project=google_project.name)
    made = client.create_bucket(fresh(), location=google_project.location or None)
    yield made.name
    for blob in client.list_blobs(made.name, versions=True):
        blob.delete()
    made.delete()
    client.close()


@pytest.fixture
def google_datasets(google_project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Datasets]:
    """Datasets of the test's own."""
    with ExitStack() as stack:
        if rehearsing():
            stack.enter_context(serving_bigquery()).point(monkeypatch)
        datasets = Datasets(google_project)
        yield datasets
        datasets.remove()
        with bigquery_client(google_project) as client:
            there = {each.dataset_id for each in client.list_datasets()}
        assert not there & set(datasets.made), "a dataset is left behind"


@pytest.fixture
def google_lanes(google_project: Project) -> Iterator[Callable[..., Lane]]:
    """Makes topics with subscriptions."""
    made: list[Lane] = []

    def lane(**options: Any) -> Lane:
        made.append(Lane(google_project.name, fresh(), options))
        return made[-1]

    yield lane
    for each in made:
        each.remove()
