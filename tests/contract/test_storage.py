"""What every storage must do; the rest of Hilum stands on `create` being won by exactly one."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from hilum.errors import UsageError
from hilum.storage import ObjectMissing, Storage, StorageFull, open_storage
from hilum.storage.local import TEMPORARY

RACERS = """
import os, sys
from hilum.storage import open_storage
storage = open_storage(sys.argv[1])
storage.stat("warm")  # what it needs is loaded, and a connection made, before the forks
wait, go = os.pipe()
for number in range(32):
    if os.fork() == 0:
        os.close(go)
        os.read(wait, 1)
        content = bytes([ord("A") + number]) * 1000
        won = [storage.create(f"race/{each}", content) for each in range(5)]
        os.write(1, f"{number} {' '.join(str(int(each)) for each in won)}\\n".encode())
        os._exit(0)
os.close(go)
for number in range(32):
    os.wait()
"""

KILLED = """
import os, sys
from hilum.storage import open_storage
storage = open_storage(sys.argv[1])
link = os.link
def dying_link(source, target):
    if sys.argv[2] == "after":
        link(source, target)
    os.kill(os.getpid(), 9)
os.link = dying_link
storage.create("a/commit", b"content")
"""


@pytest.fixture
def local(tmp_path: Path) -> Storage:
    return open_storage((tmp_path / "store").as_uri())


@pytest.fixture(params=["local", "gcs"])
def storage(request: pytest.FixtureRequest) -> Storage:
    if request.param == "local":
        storage: Storage = request.getfixturevalue("local")
        return storage
    return open_storage(f"gs://{request.getfixturevalue('bucket')}/some folder/store")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "made"
    path.write_bytes(b"content")
    return path


class TestCreating:
    def test_what_was_created_is_read(self, storage: Storage) -> None:
        assert storage.create("a/b/c", b"content")
        assert storage.read("a/b/c") == b"content"

    def test_a_second_creation_changes_nothing(self, storage: Storage) -> None:
        storage.create("a", b"first")
        assert not storage.create("a", b"second")
        assert storage.read("a") == b"first"

    def test_of_32_threads_that_race_exactly_one_wins(self, storage: Storage) -> None:
        start = Barrier(32)

        def race(number: int) -> list[bool]:
            start.wait()
            return [storage.create(f"race/{each}", b"%d" % number) for each in range(5)]

        with ThreadPoolExecutor(32) as threads:
            won = list(threads.map(race, range(32)))
        for each in range(5):
            [winner] = [number for number, wins in enumerate(won) if wins[each]]
            assert storage.read(f"race/{each}") == b"%d" % winner

    def test_of_32_processes_that_race_exactly_one_wins(self, storage: Storage) -> None:
        ended = subprocess.run(
            [sys.executable, "-c", RACERS, storage.uri], stdout=subprocess.PIPE, text=True, check=True
        )
        lines = [[int(word) for word in line.split()] for line in ended.stdout.splitlines()]
        assert len(lines) == 32
        for each in range(5):
            [winner] = [number for number, *won in lines if won[each]]
            assert storage.read(f"race/{each}") == bytes([ord("A") + winner]) * 1000

    @pytest.mark.parametrize(("when", "created"), [("before", True), ("after", False)])
    def test_a_crash_leaves_the_whole_object_or_none(self, local: Storage, when: str, created: bool) -> None:
        ended = subprocess.run([sys.executable, "-c", KILLED, local.uri, when], check=False)
        assert ended.returncode == -9
        assert (local.stat("a/commit") is None) is created
        assert local.create("a/commit", b"content") is created
        assert [stat.name for stat in local.list()] == ["a/commit"]
        assert local.read("a/commit") == b"content"


class TestFiles:
    def test_a_files_content_is_stored_and_fetched(
        self, storage: Storage, file: Path, tmp_path: Path
    ) -> None:
        storage.put_file("results/mask", file)
        storage.fetch("results/mask", tmp_path / "deep" / "copy")
        assert (tmp_path / "deep" / "copy").read_bytes() == b"content"

    def test_a_fetched_file_outlives_its_deletion(self, storage: Storage, file: Path, tmp_path: Path) -> None:
        storage.put_file("mask", file)
        storage.fetch("mask", tmp_path / "copy")
        (tmp_path / "copy").unlink()
        assert storage.read("mask") == b"content"

    def test_a_stored_file_cannot_be_written_by_a_slip(self, storage: Storage, file: Path) -> None:
        storage.put_file("mask", file)
        path = storage.local_path("mask")
        if path is not None:
            assert path.stat().st_mode & 0o222 == 0

    def test_a_file_from_another_disk_is_stored_whole(self, storage: Storage) -> None:
        other = Path("/dev/shm") / f"hilum-test-{os.getpid()}"
        try:
            other.write_bytes(b"x" * (3 << 20))
        except OSError:
            pytest.skip("no second disk at hand")
        try:
            storage.put_file("mask", other)
        finally:
            other.unlink(missing_ok=True)
        assert storage.stat("mask") is not None
        assert storage.read("mask") == b"x" * (3 << 20)
        assert [stat.name for stat in storage.list()] == ["mask"]


class TestNames:
    @pytest.mark.parametrize(
        "name", ["", "/etc/passwd", "../out", "a/../../out", "a//b", "a/", "./a", "a\0b"]
    )
    def test_a_name_that_could_lead_elsewhere_is_refused(
        self, storage: Storage, name: str, file: Path, tmp_path: Path
    ) -> None:
        for use in (
            lambda: storage.create(name, b""),
            lambda: storage.put_file(name, file),
            lambda: storage.read(name),
            lambda: storage.fetch(name, tmp_path / "copy"),
            lambda: storage.stat(name),
            lambda: storage.delete(name),
        ):
            with pytest.raises(UsageError) as caught:
                use()
            assert caught.value.reason == "bad-object-name"

    def test_names_are_kept_as_they_are(self, storage: Storage) -> None:
        names = ["a b", "ä/ö", "100%", "a#b?c", ".hidden", "A", "a..b"]
        for name in names:
            assert storage.create(name, name.encode())
        assert [stat.name for stat in storage.list()] == sorted(names)
        assert [storage.read(name).decode() for name in names] == names


class TestListing:
    def test_objects_come_by_prefix_in_order_with_their_sizes(self, storage: Storage) -> None:
        for name in ("tasks/ab/2", "tasks/ab/1", "tasks/abc", "revisions/x"):
            storage.create(name, b"x" * len(name))
        assert [(stat.name, stat.size) for stat in storage.list("tasks/ab")] == [
            ("tasks/ab/1", 10),
            ("tasks/ab/2", 10),
            ("tasks/abc", 9),
        ]
        assert [stat.name for stat in storage.list("tasks/ab/")] == ["tasks/ab/1", "tasks/ab/2"]
        assert len(list(storage.list())) == 4

    def test_an_empty_storage_or_prefix_lists_nothing(self, storage: Storage) -> None:
        assert list(storage.list()) == []
        assert list(storage.list("nothing/here/")) == []

    def test_what_is_being_written_is_not_listed(self, storage: Storage, tmp_path: Path) -> None:
        storage.create("a/b", b"")
        path = storage.local_path("a/b")
        if path is not None:
            (path.parent / f"{TEMPORARY}0").write_bytes(b"half")
        assert [stat.name for stat in storage.list()] == ["a/b"]

    def test_what_killed_writers_left_is_swept_once_it_is_old(self, storage: Storage) -> None:
        storage.create("a/b", b"")
        path = storage.local_path("a/b")
        now = datetime.now(UTC)
        if path is not None:
            (path.parent / f"{TEMPORARY}0").write_bytes(b"half")
        assert storage.sweep(now - timedelta(hours=1)) == 0
        assert storage.sweep(now + timedelta(hours=1)) == (path is not None)
        assert storage.read("a/b") == b""
        assert storage.sweep(now + timedelta(hours=1)) == 0


class TestAbsence:
    def test_an_absent_object_is_missing(self, storage: Storage, tmp_path: Path) -> None:
        assert storage.stat("nothing") is None
        assert storage.local_path("nothing") is None
        with pytest.raises(ObjectMissing):
            storage.read("nothing")
        with pytest.raises(ObjectMissing):
            storage.fetch("nothing", tmp_path / "copy")

    def test_a_deleted_object_is_gone_and_can_be_created_again(self, storage: Storage) -> None:
        storage.create("a", b"first")
        storage.delete("a")
        storage.delete("a")
        assert storage.stat("a") is None
        assert storage.create("a", b"second")

    def test_an_address_that_no_adapter_knows_is_refused(self) -> None:
        with pytest.raises(UsageError):
            open_storage("ftp://somewhere/store")


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small disk takes root")
class TestFullDisk:
    def test_a_full_disk_is_a_transient_failure_that_leaves_nothing(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=False).returncode:
            pytest.skip("no disk can be mounted here")
        try:
            storage = open_storage((disk / "store").as_uri())
            made = tmp_path / "made"
            made.write_bytes(b"x" * (2 << 20))
            with pytest.raises(StorageFull) as caught:
                storage.create("tasks/manifest", b"x" * (2 << 20))
            assert caught.value.transient
            with pytest.raises(StorageFull):
                storage.put_file("tasks/mask", made)
            assert made.exists()
            assert list(storage.list()) == []
            assert [path for path in disk.rglob("*") if path.is_file()] == []
            assert storage.create("tasks/manifest", b"small")
        finally:
            subprocess.run(["umount", disk], check=True)
