"""What every storage must do, of Cloud Storage itself."""

from __future__ import annotations

import pytest

from contract.test_storage import TestAbsence, TestCreating, TestFiles, TestListing, TestNames, file
from hilum.storage import Storage, open_storage

__all__ = ["TestAbsence", "TestCreating", "TestFiles", "TestListing", "TestNames", "file"]


@pytest.fixture
def storage(bucket: str) -> Storage:
    return open_storage(f"gs://{bucket}/some folder/store")
