"""The configuration in deploy/terraform, the provider's schema and checkov as fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest

from beds.terraform.policies import Checkov, installed
from beds.terraform.provider import Schema
from beds.terraform.provider import google_schema as schema
from terraform import Module, modules

ROOT = Path(__file__).parents[3] / "deploy" / "terraform"


@pytest.fixture(scope="session")
def configuration() -> list[Module]:
    """Every module, examples included."""
    return modules(ROOT)


@pytest.fixture(scope="session")
def google_schema() -> Schema:
    """The schema of Google's provider."""
    return schema()


@pytest.fixture(scope="session")
def checkov() -> Checkov:
    """checkov at its pinned version."""
    return installed()
