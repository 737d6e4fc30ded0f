"""A ledger that was begun anew beside an older warehouse must not write over what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

import hilum
from hilum.dicom.phantom import many_instances

COUNT = "SELECT count(*) AS n FROM dicom_metadata"


def test_an_older_warehouse_is_refused_and_keeps_its_rows(tmp_path: Path) -> None:
    list(many_instances(tmp_path / "first", 3, per_series=1))
    list(many_instances(tmp_path / "second", 3, per_series=1, seed=2))
    with hilum.open(tmp_path / "home") as home:
        home.run(tmp_path / "first")
        home.run(tmp_path / "second")
        before = home.query(COUNT).to_pylist()
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"):
        (tmp_path / "home" / name).unlink(missing_ok=True)
    with hilum.open(tmp_path / "home") as home:
        with pytest.raises(hilum.HilumError) as caught:
            home.run(tmp_path / "second")
        assert caught.value.reason == "batch-out-of-order"
        assert home.query(COUNT).to_pylist() == before == [{"n": 6}]
