"""A home whose store is in a bucket gives what one with a folder gives, also over a bad network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import hilum as api
from beds.commands import hilum
from beds.faults import Cut, Lost, Refused, every, faulty
from beds.gcs import CloudStorage
from beds.real import real_file

MADE = "SELECT step, path, digest, size FROM artifacts ORDER BY ALL"


@pytest.mark.slow
def test_a_store_in_a_bucket_behind_a_bad_network_holds_the_same_results(
    bucket: str, cloud_storage: CloudStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    phantom = [sys.executable, "-m", "hilum.dicom.phantom", "scans", "head"]
    subprocess.run(phantom, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    hilum("--home", "folder", "run", "scans", cwd=tmp_path)
    in_folder = hilum("--home", "folder", "query", "--json", MADE, cwd=tmp_path).out
    with faulty(cloud_storage.host) as proxy:
        proxy.rule = every(4, Refused(503), Lost(), Refused(429), Cut(10), Lost(502))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        settings = tmp_path / "bucket" / "hilum.toml"
        settings.parent.mkdir()
        settings.write_text(f'store = "gs://{bucket}/hilum"\n')
        hilum("--home", "bucket", "run", "scans", cwd=tmp_path)
        again = hilum("--home", "bucket", "run", "scans", cwd=tmp_path)
        hilum("--home", "bucket", "export", "out", cwd=tmp_path)
        in_bucket = hilum("--home", "bucket", "query", "--json", MADE, cwd=tmp_path).out
    assert in_bucket == in_folder
    assert "nothing had to be computed" in again.out
    assert list((tmp_path / "out").rglob("*.nii.gz"))
    assert proxy.faulted > 5


def test_where_results_are_in_a_bucket_its_address_is_told_and_no_tree_of_empty_folders_made(
    bucket: str, tmp_path: Path
) -> None:
    store = {"HILUM_STORE": f"gs://{bucket}/hilum"}
    said = hilum("run", real_file("CT_small.dcm"), cwd=tmp_path, **store).out
    assert said.splitlines()[-1] == f"1 run; results in gs://{bucket}/hilum: see `hilum export`"
    hilum("doctor", "--mend", cwd=tmp_path, **store)
    assert not (tmp_path / ".hilum" / "results").exists()
    with api.open(tmp_path / ".hilum", store=store["HILUM_STORE"]) as home:
        assert home.links is None
    hilum("export", "out", cwd=tmp_path, **store)
    assert list((tmp_path / "out").rglob("montage.png"))
