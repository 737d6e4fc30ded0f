"""The suites that emulators pass, on Google's own services: `make test-google`, docs/how-to/test-on-google-cloud.md.

The tests are those of tests/contract and tests/cloud, imported; only where buckets, datasets and topics come from is
another. What only files do is left out, and on emulators also what they cannot do. The folder is not called google,
which is the name of Google's own packages.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from beds.google import PROJECT, Datasets, rehearsing
from beds.pubsub import Lane

pytest.register_assert_rewrite("contract.test_storage", "contract.test_warehouse", "cloud.test_pubsub_source")

collect_ignore_glob = [] if os.environ.get(PROJECT) else ["test_[!p]*.py", "test_pubsub*.py"]
"""Without a project one test is left, test_project.py, which says why it is skipped."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    from contract.test_warehouse import not_emulated, only_files

    left_out = [only_files.mark, not_emulated.mark] if rehearsing() else [only_files.mark]

    def is_out(item: pytest.Item) -> bool:
        if Path(__file__).parent not in item.path.parents:
            return False
        if rehearsing() and item.get_closest_marker("slow"):  # an emulator does not outlive a dozen datasets
            return True
        marks = item.iter_markers("parametrize")
        return "local" in getattr(item, "fixturenames", ()) or any(mark in left_out for mark in marks)

    if out := [item for item in items if is_out(item)]:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


@pytest.fixture
def bucket(google_bucket: str) -> str:
    """A place of the test's own in the bucket."""
    return f"{google_bucket}/{uuid.uuid4().hex}"


@pytest.fixture
def bigquery(google_datasets: Datasets) -> Datasets:
    return google_datasets


@pytest.fixture
def pubsub(google_lanes: Callable[..., Lane]) -> Callable[..., Lane]:
    return google_lanes
