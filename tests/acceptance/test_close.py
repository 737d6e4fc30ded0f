"""Somebody says that a series is complete, and it is processed without waiting."""

from __future__ import annotations

from pathlib import Path

import pytest

import hilum
from hilum.dicom.phantom import many_instances
from hilum.sources.folder import FolderSource


def test_a_closed_series_settles_at_once_and_its_study_goes_on_waiting(tmp_path: Path) -> None:
    list(many_instances(tmp_path / "scans", 4, per_series=2))
    with hilum.open(tmp_path / "home") as home:
        engine = home.engine()
        taken = engine.take_in(FolderSource([tmp_path / "scans"], home.clock))
        assert engine.settler.settle() == 0
        series = [each for each in home.ledger.open_subjects() if each.scope.value == "series"]
        assert home.close_subjects([series[0].uid]) == [series[0].id]
        assert engine.settler.settle() == 1
        assert [each.id for each in home.ledger.subjects()] == [series[0].id]
        assert len(taken.subjects) == 3
        assert len(home.close_subjects()) == 2
        engine.close()


def test_what_is_not_open_cannot_be_closed(tmp_path: Path) -> None:
    with hilum.open(tmp_path / "home") as home, pytest.raises(hilum.UsageError) as caught:
        home.close_subjects(["1.2.3"])
    assert caught.value.reason == "unknown-subject"
