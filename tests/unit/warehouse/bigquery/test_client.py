from __future__ import annotations

from pathlib import Path

import pytest

import hilum
from beds.absent import GOOGLE, without
from hilum.warehouse.bigquery import faults


@pytest.mark.parametrize("emulated", [False, True])
def test_a_home_in_bigquery_says_which_extra_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emulated: bool
) -> None:
    without(monkeypatch, *GOOGLE)
    monkeypatch.delenv(faults.EMULATOR, raising=False)
    if emulated:
        monkeypatch.setenv(faults.EMULATOR, "http://127.0.0.1:1")
    with hilum.open(tmp_path, warehouse="bigquery://my-project/imaging") as home:
        for ask in (lambda: home.query("SELECT 1"), lambda: home.estimate("SELECT 1"), home.warehouse.tables):
            with pytest.raises(hilum.UsageError) as caught:
                ask()
            assert caught.value.reason == "extra-missing"
            assert "hilum[bigquery]" in caught.value.hint
