"""What the fuzzer once found, or what shows how a rule of its is meant, stays mended."""

from __future__ import annotations

from pathlib import Path

import pytest

from beds.fuzzing import check

FOUND = sorted(Path(__file__).with_name("found").iterdir())


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_stays_mended(path: Path) -> None:
    check(path.read_bytes())
