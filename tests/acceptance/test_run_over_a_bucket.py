"""`hilum run gs://...` does as on a folder; `hilum sweep` finds what no event told of."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

import hilum as library
from beds.commands import hilum
from beds.faults import Proxy, Refused, Request, faulty
from beds.gcs import CloudStorage
from hilum.dicom.phantom import chest_ct
from hilum.engine.serve import serve
from hilum.sources.bucket import WatchedBucket

MEASURED = "SELECT step, name, value FROM measurements ORDER BY ALL"
CHECK = "name: check\nsettle: {quiet: 0s}\nsteps:\n  qc: {uses: qc}\n"


class Shelf:
    """A bucket for a series, filled directly; Hilum reaches it through a proxy that keeps what was asked."""

    def __init__(self, bucket: str, proxy: Proxy, folder: Path) -> None:
        from google.cloud import storage

        self.address, self.proxy = f"gs://{bucket}/in", proxy
        self.client = storage.Client(project="test")
        self.bucket: Any = self.client.bucket(bucket)
        self.paths = chest_ct(folder / "scans" / "ct", slices=20, rows=16, columns=16).paths

    def put(self, *paths: Path) -> None:
        for path in paths:
            self.bucket.blob(f"in/ct/{path.name}").upload_from_filename(path)

    def reads(self) -> list[str]:
        """Names of objects whose bytes were asked for so far."""
        return [unquote(each.path.rpartition("/o/")[2]) for each in self.proxy.seen if is_read(each)]


def is_read(request: Request) -> bool:
    return request.method == "GET" and request.query.get("alt") == ["media"]


@pytest.fixture
def shelf(
    bucket: str, cloud_storage: CloudStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shelf]:
    with faulty(cloud_storage.host) as proxy:
        shelf = Shelf(bucket, proxy, tmp_path)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        yield shelf


def test_a_bucket_gives_what_the_same_folder_gives_and_is_not_read_again(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.put(*shelf.paths)
    hilum("run", "scans", home=tmp_path / "of-folder", cwd=tmp_path)
    hilum("run", shelf.address, home=tmp_path / "of-bucket", cwd=tmp_path)
    for sql in ("SELECT SOPInstanceUID, Rows FROM dicom_metadata ORDER BY ALL", MEASURED):
        asked = [
            hilum("query", "--json", sql, home=tmp_path / name).out for name in ("of-folder", "of-bucket")
        ]
        assert asked[0] == asked[1]
        assert asked[0].strip()
    before = len(shelf.reads())
    assert before >= len(shelf.paths)
    again = hilum("run", "--json", shelf.address, home=tmp_path / "of-bucket", cwd=tmp_path).json
    assert again["arrivals"] == {"unchanged": len(shelf.paths)}
    assert len(shelf.reads()) == before


class TestBetweenListingAndReading:
    def test_poison_deleted_and_replaced_objects_each_say_what_happened(
        self, shelf: Shelf, tmp_path: Path
    ) -> None:
        """The object is deleted, and another replaced, once the listing that names them has been answered."""
        shelf.put(*shelf.paths)
        gone, replaced = shelf.paths[3].name, shelf.paths[5].name
        (tmp_path / "cut").write_bytes(shelf.paths[7].read_bytes()[:300])
        shelf.bucket.blob("in/ct/poison.dcm").upload_from_filename(tmp_path / "cut")
        other = chest_ct(tmp_path / "other", slices=1, rows=16, columns=16, seed=9).paths[0]
        done: list[bool] = []

        def after_listing(request: Request) -> None:
            if is_read(request) and not done:
                done.append(True)
                shelf.bucket.blob(f"in/ct/{gone}").delete()
                shelf.bucket.blob(f"in/ct/{replaced}").upload_from_filename(other)

        shelf.proxy.rule = after_listing
        home = tmp_path / "home"
        hilum("run", shelf.address, home=home, cwd=tmp_path, code=1)
        sql = "SELECT uri, outcome, reason FROM arrivals WHERE reason <> '' ORDER BY ALL"
        rows = hilum("query", "--json", sql, home=home).rows
        told = {(row["uri"].rpartition("/")[2], row["outcome"]): row["reason"] for row in rows}
        assert told[gone, "quarantined"] == "object-missing"
        assert told["poison.dcm", "quarantined"] not in ("", "object-missing")
        assert told[replaced, "ignored"] == "object-replaced"


class TestSweep:
    def test_what_no_event_told_of_is_found_once_and_nothing_known_is_read(
        self, shelf: Shelf, tmp_path: Path
    ) -> None:
        home = tmp_path / "home"
        shelf.put(*shelf.paths[1:])
        hilum("run", shelf.address, home=home, cwd=tmp_path)
        shelf.put(shelf.paths[0])
        before = len(shelf.reads())
        first = hilum("sweep", shelf.address, "--grace", "0", "--json", home=home).json
        assert first == {"objects": 20, "known": 19, "found": {"accepted": 1}, "interrupted": False}
        assert set(shelf.reads()[before:]) == {f"in/ct/{shelf.paths[0].name}"}
        again = hilum("sweep", shelf.address, "--grace", "0", home=home)
        assert "nothing was lost" in again.out
        with library.open(home) as opened:
            assert opened.ledger.levels(opened.clock.now()).found_by_sweep == 1

    def test_an_object_whose_event_may_be_under_way_is_left_out(self, shelf: Shelf, tmp_path: Path) -> None:
        shelf.put(*shelf.paths[:2])
        told = hilum("sweep", shelf.address, "--grace", "3600", "--json", home=tmp_path / "home").json
        assert told["objects"] == 0

    def test_broken_off_it_keeps_what_it_has_and_the_next_reads_only_the_rest(
        self, shelf: Shelf, tmp_path: Path
    ) -> None:
        shelf.put(*chest_ct(tmp_path / "many", slices=300, rows=8, columns=8).paths)
        asked = count()
        with library.open(tmp_path / "home", workers=1) as home:
            first = home.sweep(shelf.address, grace=0, stop=lambda: next(asked) > 0)
            second = home.sweep(shelf.address, grace=0)
        assert 0 < first.counts["accepted"] < 300
        assert second.counts == {
            "accepted": 300 - first.counts["accepted"],
            "unchanged": first.counts["accepted"],
        }
        assert len(shelf.reads()) == len(set(shelf.reads())) == 300

    def test_five_of_a_hundred_events_are_lost_and_a_serving_engine_ends_complete(
        self, shelf: Shelf, tmp_path: Path
    ) -> None:
        """The events that came are stood in for by a run over all but every twentieth object."""
        paths = chest_ct(tmp_path / "many", slices=100, rows=8, columns=8).paths
        shelf.put(*(path for number, path in enumerate(paths) if number % 20))
        (tmp_path / "check.yaml").write_text(CHECK)
        with library.open(tmp_path / "home") as home:
            home.run(shelf.address, pipelines=[tmp_path / "check.yaml"])
            shelf.put(*(path for number, path in enumerate(paths) if not number % 20))
            engine = home.engine([tmp_path / "check.yaml"])
            source = WatchedBucket(shelf.address, home.clock, sweep=0.2, grace=0.0)

            def done() -> bool:
                return (
                    home.ledger.levels(home.clock.now()).found_by_sweep == 5 and not home.ledger.unfinished()
                )

            try:
                serve(engine, [source], home.clock, done)
            finally:
                engine.close()
            assert sum(home.status().arrivals.values()) == 100

    def test_a_bucket_that_is_away_ends_a_listing_and_not_the_engine(
        self, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from hilum.storage.gcs import client

        monkeypatch.setattr(client, "PATIENCE", 0.1)
        client.retries.cache_clear()
        shelf.put(shelf.paths[0])
        shelf.proxy.rule = lambda request: Refused(503)
        with library.open(tmp_path / "home") as home:
            source = WatchedBucket(shelf.address, home.clock, sweep=0.0, grace=0.0)
            assert list(source.scan()) == []
            shelf.proxy.rule = lambda request: None
            assert [each.source for each in source.scan()] == ["sweep"]
        client.retries.cache_clear()
