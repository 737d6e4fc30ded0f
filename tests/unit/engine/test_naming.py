"""What is known under another name is read once more, and no more than that, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from beds.archives import gzipped_tar, zipped
from beds.faults import Changed, Proxy, Refused, Request, faulty
from beds.gcs import CloudStorage
from hilum.dicom.phantom import chest_ct
from hilum.engine.intake import Intake
from hilum.errors import TransientError
from hilum.kernel.clock import ManualClock
from hilum.ledger import open_ledger
from hilum.sources.folder import FolderSource
from hilum.sources.inputs import Inputs
from hilum.storage import open_storage

SLICES = 12
CLOCK = ManualClock()


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """Small objects: each is read whole at once."""
    paths = chest_ct(tmp_path / "ct", slices=SLICES, rows=16, columns=16).paths
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield Intake(ledger, CLOCK)
    ledger.close()


@pytest.fixture
def proxy(bucket: str, cloud_storage: CloudStorage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with faulty(cloud_storage.host) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        yield proxy


def put(bucket: str, name: str, content: bytes, folder: Path) -> str:
    (folder / "put").write_bytes(content)
    open_storage(f"gs://{bucket}").put_file(name, folder / "put")
    return f"gs://{bucket}/{name}"


@pytest.mark.parametrize(("name", "packed"), [("a.zip", zipped), ("a.tar.gz", gzipped_tar)])
def test_members_of_an_archive_in_a_bucket_that_are_known_as_objects_cost_one_more_pass_over_it(
    name: str,
    packed: Callable[[dict[str, bytes]], bytes],
    files: dict[str, bytes],
    intake: Intake,
    bucket: str,
    proxy: Proxy,
    tmp_path: Path,
) -> None:
    for each, content in files.items():
        put(bucket, f"in/{each}", content, tmp_path)
    archive = put(bucket, name, packed(files), tmp_path)
    assert intake.take(Inputs([f"gs://{bucket}/in"], CLOCK)).counts == {"accepted": SLICES}
    source = Inputs([archive], CLOCK)
    proxy.seen.clear()
    assert intake.take(source).counts == {"duplicate": SLICES, "ignored": 1}
    assert len([request for request in proxy.seen if request.path.endswith(name)]) < SLICES


def test_objects_that_are_known_as_files_are_the_same_also_when_they_are_verified(
    files: dict[str, bytes], intake: Intake, bucket: str, tmp_path: Path
) -> None:
    intake.take(FolderSource([tmp_path / "ct"], CLOCK))
    for each, content in files.items():
        put(bucket, f"in/{each}", content, tmp_path)
    source = Inputs([f"gs://{bucket}/in"], CLOCK)
    assert intake.take(source).counts == {"duplicate": SLICES}
    assert intake.take(source, verify=True).counts == {"unchanged": SLICES}
    assert intake.take(source).counts == {"unchanged": SLICES}


def test_an_object_whose_bytes_nobody_lets_us_see_is_put_off_and_no_conflict(
    files: dict[str, bytes], intake: Intake, bucket: str, proxy: Proxy, tmp_path: Path
) -> None:
    """Its header was read, by a function that may do what the engine may not."""
    intake.take(FolderSource([tmp_path / "ct"], CLOCK))
    *others, last = files
    for each in files:
        put(bucket, f"in/{each}", files[each], tmp_path)
    read: list[str] = []

    def refuse_the_second_read(request: Request) -> Refused | None:
        path, query = request.path, request.query
        if not path.endswith(last) or query.get("alt") != ["media"]:
            return None
        read.append(path)
        return Refused(403) if len(read) > 1 else None

    source = Inputs([f"gs://{bucket}/in"], CLOCK)
    proxy.rule = refuse_the_second_read
    with pytest.raises(TransientError) as caught:
        intake.take(source)
    assert caught.value.reason == "storage-refused"
    proxy.rule = lambda request: None
    assert intake.take(source).counts == {"unchanged": len(others), "duplicate": 1}


def test_an_object_that_comes_damaged_when_it_is_compared_is_its_own_outcome(
    files: dict[str, bytes], intake: Intake, bucket: str, proxy: Proxy, tmp_path: Path
) -> None:
    intake.take(FolderSource([tmp_path / "ct"], CLOCK))
    for each in files:
        put(bucket, f"in/{each}", files[each], tmp_path)
    last = list(files)[-1]
    read: list[str] = []

    def change_the_second_read(request: Request) -> Changed | None:
        path, query = request.path, request.query
        if not path.endswith(last) or query.get("alt") != ["media"]:
            return None
        read.append(path)
        return Changed({b"ORIGINAL": b"0RIGINAL"}, on_the_way_back=True) if len(read) > 1 else None

    source = Inputs([f"gs://{bucket}/in"], CLOCK)
    proxy.rule = change_the_second_read
    assert intake.take(source).counts == {"duplicate": SLICES - 1, "quarantined": 1}
