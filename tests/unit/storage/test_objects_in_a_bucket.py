"""Instances that lie in a bucket: opened by address, read no further than needed, and staged as what they were."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from beds.archives import KINDS, gzipped_tar, zipped
from beds.engines import wait_until
from beds.faults import Changed, Cut, Held, Lost, Proxy, Refused, every, faulty, first
from beds.gcs import CloudStorage
from beds.headers import instance, written
from hilum.dicom.header import read_header
from hilum.engine.settle import write_members
from hilum.errors import TerminalError, TransientError
from hilum.executors.staging import stage_instances
from hilum.kernel.address import bucket_object, bucket_object_uri
from hilum.kernel.ahead import AT_ONCE
from hilum.kernel.digest import digest_bytes, digest_stream
from hilum.model.subject import Member, revision_digest
from hilum.storage import Storage, open_storage
from hilum.storage.gcs import client
from hilum.storage.interface import ChecksumMismatch
from hilum.storage.objects import open_object, open_objects, version_at

LARGE = os.urandom(1 << 20) * 20


@pytest.fixture
def proxy(bucket: str, cloud_storage: CloudStorage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with faulty(cloud_storage.host) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        yield proxy


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage((tmp_path / "store").as_uri())


def put(bucket: str, name: str, content: bytes, folder: Path) -> str:
    """The address of an object, which takes the place of any there was."""
    (folder / "put").write_bytes(content)
    open_storage(f"gs://{bucket}").put_file(name, folder / "put")
    return bucket_object_uri(bucket, name)


def reason(uri: str) -> str:
    with pytest.raises(TerminalError) as caught, open_object(uri) as stream:
        stream.read()
    return caught.value.reason


class TestAddresses:
    @pytest.mark.parametrize("name", ["a/b.dcm", "a b", "50%", "a!/b", "q?#", "é"])
    def test_a_name_comes_back_from_its_address(self, name: str) -> None:
        assert bucket_object(bucket_object_uri("bucket", name)) == ("bucket", name)
        assert "!/" not in bucket_object_uri("bucket", name)


class TestReading:
    @pytest.mark.parametrize("name", ["a/b.dcm", "a b#?%.dcm"])
    def test_an_object_is_opened_by_its_address(self, name: str, bucket: str, tmp_path: Path) -> None:
        with open_object(put(bucket, name, b"content", tmp_path)) as stream:
            assert stream.seek(0, io.SEEK_END) == 7
            assert stream.seek(2) == 2
            assert stream.read() == b"ntent"

    def test_an_empty_object_is_empty(self, bucket: str, tmp_path: Path) -> None:
        with open_object(put(bucket, "empty", b"", tmp_path)) as stream:
            assert stream.read() == b""

    def test_the_header_of_a_large_object_costs_its_first_64_kib(
        self, bucket: str, proxy: Proxy, tmp_path: Path
    ) -> None:
        content = written(instance(PixelData=bytes(1 << 24), Rows=1 << 12, Columns=1 << 12, BitsAllocated=8))
        uri = put(bucket, "large.dcm", content, tmp_path)
        proxy.seen.clear()
        with open_object(uri) as stream:
            header = read_header(Path(), stream)
        assert header == read_header(Path(), io.BytesIO(content))
        assert sum(request.answered for request in proxy.seen) < (1 << 16) + 4096
        assert len(proxy.seen) == 2

    def test_who_jumps_gets_the_bytes_that_are_there(self, bucket: str, proxy: Proxy, tmp_path: Path) -> None:
        uri = put(bucket, "large", LARGE, tmp_path)
        proxy.seen.clear()
        with open_object(uri) as stream:
            for at, size in ((0, 16), (15 << 20, 100), (1 << 16, 1 << 16), (len(LARGE) - 3, 10), (5, 5)):
                stream.seek(at)
                assert stream.read(size) == LARGE[at : at + size]
        assert sum(request.answered for request in proxy.seen) < 6 << 16

    def test_reading_from_front_to_back_takes_few_requests(
        self, bucket: str, proxy: Proxy, tmp_path: Path
    ) -> None:
        uri = put(bucket, "large", LARGE, tmp_path)
        proxy.seen.clear()
        with open_object(uri) as stream:
            assert digest_stream(stream) == digest_bytes(LARGE)
            stream.seek(0)
            assert stream.read(1000) == LARGE[:1000]
        assert len(proxy.seen) < 12
        assert sum(request.answered for request in proxy.seen) < len(LARGE) + 4096

    def test_what_breaks_on_the_way_is_asked_for_again(
        self, bucket: str, proxy: Proxy, tmp_path: Path
    ) -> None:
        uri = put(bucket, "large", LARGE, tmp_path)
        proxy.rule = every(3, Refused(503), Cut(1000), Lost(), Refused(429))
        with open_object(uri) as stream:
            assert stream.read() == LARGE
        assert proxy.faulted >= 4

    def test_bytes_changed_on_their_way_are_noticed_at_the_end(
        self, bucket: str, proxy: Proxy, tmp_path: Path
    ) -> None:
        uri = put(bucket, "a", b"a secret", tmp_path)
        proxy.rule = every(1, Changed({b"secret": b"s3cret"}, on_the_way_back=True))
        with open_object(uri) as stream:
            for _ in range(2):
                with pytest.raises(ChecksumMismatch):
                    stream.read()
                stream.seek(0)
            proxy.rule = lambda request: None
            assert stream.read() == b"a secret"

    def test_who_reads_an_object_that_comes_damaged_is_told_and_the_next_is_read(
        self, bucket: str, proxy: Proxy, tmp_path: Path
    ) -> None:
        uris = [put(bucket, name, b"a secret", tmp_path) for name in ("bad", "good")]
        damaged = Changed({b"secret": b"s3cret"}, on_the_way_back=True)
        proxy.rule = lambda request: damaged if request.path.endswith("bad") else None
        found = []
        for _, opened in open_objects(uris):
            assert not isinstance(opened, TerminalError)
            try:
                found.append(opened.read())
            except ChecksumMismatch:
                found.append(b"")
        assert found == [b"", b"a secret"]

    def test_an_object_that_is_replaced_while_it_is_read_is_said_to_have_changed(
        self, bucket: str, tmp_path: Path
    ) -> None:
        uri = put(bucket, "a", LARGE, tmp_path)
        with open_object(uri) as stream:
            stream.read(1)
            put(bucket, "a", LARGE[::-1], tmp_path)
            with pytest.raises(TerminalError) as caught:
                stream.read()
        assert caught.value.reason == "changed-while-read"

    def test_an_object_that_is_deleted_while_it_is_read_is_said_to_have_changed(
        self, bucket: str, tmp_path: Path
    ) -> None:
        uri = put(bucket, "a", LARGE, tmp_path)
        with open_object(uri) as stream:
            stream.read(1)
            open_storage(f"gs://{bucket}").delete("a")
            with pytest.raises(TerminalError) as caught:
                stream.read()
        assert caught.value.reason == "changed-while-read"

    def test_an_absent_object_is_missing_and_a_fault_of_ours_is_not_said_of_the_object(
        self, bucket: str, proxy: Proxy
    ) -> None:
        uri = f"gs://{bucket}/nothing"
        assert reason(uri) == "object-missing"
        proxy.rule = every(1, Refused(403))
        assert reason(uri) == "storage-refused"
        proxy.rule = every(1, Refused(401))
        for ask in (lambda: reason(uri), lambda: version_at(uri), lambda: list(open_objects([uri]))):
            with pytest.raises(TransientError) as caught:
                ask()
            assert caught.value.reason == "storage-credentials"
        proxy.rule = every(1, Refused(400))
        with pytest.raises(TransientError):
            version_at(uri)

    @pytest.mark.parametrize("name", KINDS)
    def test_members_of_an_archive_in_a_bucket_are_read(self, name: str, bucket: str, tmp_path: Path) -> None:
        files = {f"{number}.dcm": os.urandom(5000) for number in range(20)}
        uri = put(bucket, name, KINDS[name](files), tmp_path)
        wanted = [f"{uri}!/{number}.dcm" for number in (9, 3, 15)]
        found = {
            at: opened.read() for at, opened in open_objects(wanted) if not isinstance(opened, TerminalError)
        }
        assert found == {at: files[at.rpartition("/")[2]] for at in wanted}

    def test_several_objects_are_asked_for_while_the_first_is_waited_for(
        self, bucket: str, proxy: Proxy, tmp_path: Path
    ) -> None:
        uris = [put(bucket, str(number), bytes([number]), tmp_path) for number in range(AT_ONCE)]
        held = Held()
        proxy.rule = first(held, "GET")
        proxy.seen.clear()

        def names() -> set[str]:
            return {request.path.rpartition("/")[2] for request in list(proxy.seen)}

        def others_came() -> None:
            asked = wait_until(lambda: names() == {str(number) for number in range(AT_ONCE)}, patience=20.0)
            held.go.set()
            came.append(asked)

        came: list[bool] = []
        watcher = Thread(target=others_came)
        watcher.start()
        contents = [
            opened.read() for _, opened in open_objects(uris) if not isinstance(opened, TerminalError)
        ]
        watcher.join()
        assert came == [True]
        assert contents == [bytes([number]) for number in range(AT_ONCE)]

    def test_who_pays_is_said_with_every_request(
        self, bucket: str, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uri = put(bucket, "a", LARGE, tmp_path)
        monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "payer")
        proxy.seen.clear()
        with open_object(uri) as stream:
            stream.read()
        version_at(uri)
        assert {tuple(request.query.get("userProject", ())) for request in proxy.seen} == {("payer",)}

    def test_the_version_changes_with_the_content(self, bucket: str, tmp_path: Path) -> None:
        uri = put(bucket, "a", b"one", tmp_path)
        before = version_at(uri)
        assert before is not None
        assert version_at(f"{uri}!/1.dcm") == version_at(uri) == before
        put(bucket, "a", b"two", tmp_path)
        assert version_at(uri) not in (None, before)
        assert version_at(f"gs://{bucket}/nothing") is None


class TestStaging:
    CONTENTS = tuple(os.urandom(30000) for _ in range(20))

    def pinned(self, storage: Storage, bucket: str, folder: Path) -> str:
        members = []
        for number, content in enumerate(self.CONTENTS):
            uri = put(bucket, f"in/{number}.dcm", content, folder)
            members.append(Member(f"1.2.{number}", digest_bytes(content), uri, len(content), "0"))
        revision = revision_digest([member.digest for member in members])
        write_members(storage, revision, members)
        return revision

    def test_objects_are_files_with_the_bytes_that_the_revision_names(
        self, storage: Storage, bucket: str, tmp_path: Path
    ) -> None:
        revision = self.pinned(storage, bucket, tmp_path)
        staged = stage_instances(storage, revision, tmp_path / "attempt")
        assert [each.path.read_bytes() for each in staged] == list(self.CONTENTS)
        assert [each.sop_instance_uid for each in staged] == [f"1.2.{number}" for number in range(20)]
        assert {each.path.parent for each in staged} == {tmp_path / "attempt"}

    def test_they_come_whole_through_a_bad_network(
        self, storage: Storage, bucket: str, proxy: Proxy, tmp_path: Path
    ) -> None:
        revision = self.pinned(storage, bucket, tmp_path)
        proxy.rule = every(4, Refused(503), Cut(10000), Lost(), Refused(429))
        staged = stage_instances(storage, revision, tmp_path / "attempt")
        assert [each.path.read_bytes() for each in staged] == list(self.CONTENTS)
        assert proxy.faulted > 5

    def test_an_object_that_is_gone_is_missing_and_one_with_other_bytes_has_changed(
        self, storage: Storage, bucket: str, tmp_path: Path
    ) -> None:
        revision = self.pinned(storage, bucket, tmp_path)
        put(bucket, "in/7.dcm", b"other", tmp_path)
        with pytest.raises(TerminalError) as caught:
            stage_instances(storage, revision, tmp_path / "attempt")
        assert caught.value.reason == "input-changed"
        open_storage(f"gs://{bucket}").delete("in/7.dcm")
        with pytest.raises(TerminalError) as caught:
            stage_instances(storage, revision, tmp_path / "again")
        assert caught.value.reason == "input-missing"

    def test_a_bucket_that_cannot_be_reached_is_a_transient_failure(
        self, storage: Storage, bucket: str, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        revision = self.pinned(storage, bucket, tmp_path)
        monkeypatch.setattr(client, "PATIENCE", 0.5)
        client.retries.cache_clear()
        proxy.rule = every(1, Refused(503))
        try:
            with pytest.raises(TransientError):
                stage_instances(storage, revision, tmp_path / "attempt")
        finally:
            client.retries.cache_clear()

    def test_archives_and_objects_of_buckets_go_together(
        self, storage: Storage, bucket: str, tmp_path: Path
    ) -> None:
        files = {"0.dcm": self.CONTENTS[0], "1.dcm": self.CONTENTS[1]}
        uris = [
            put(bucket, "a.zip", zipped(files), tmp_path) + "!/0.dcm",
            put(bucket, "a.tgz", gzipped_tar(files), tmp_path) + "!/1.dcm",
            put(bucket, "2.dcm", self.CONTENTS[2], tmp_path),
        ]
        members = [
            Member(f"1.2.{number}", digest_bytes(content), uris[number], len(content), "0")
            for number, content in enumerate(self.CONTENTS[:3])
        ]
        revision = revision_digest([member.digest for member in members])
        write_members(storage, revision, members)
        staged = stage_instances(storage, revision, tmp_path / "attempt")
        assert [each.path.read_bytes() for each in staged] == list(self.CONTENTS[:3])
