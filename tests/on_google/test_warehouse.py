"""What every warehouse promises, of BigQuery itself."""

from __future__ import annotations

import pytest

from contract.test_warehouse import *  # noqa: F403
from contract.test_warehouse import Opened, in_bigquery


@pytest.fixture
def opened(request: pytest.FixtureRequest) -> Opened:
    return in_bigquery(request)
