"""What a network and a busy server do to a store in a bucket: it survives, or says clearly that it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from beds.faults import Changed, Cut, Held, Lost, Proxy, Refused, every, faulty, first
from beds.gcs import CloudStorage
from beds.held import free_port
from hilum.errors import TerminalError, TransientError, UsageError
from hilum.storage import CreationInDoubt, ObjectMissing, Storage, open_storage
from hilum.storage.gcs import client, transfer
from hilum.storage.gcs import storage as adapter
from hilum.storage.interface import ChecksumMismatch

CREATOR = """
import sys
from hilum.storage import open_storage
open_storage(sys.argv[1]).create("commit", b"content" * 1000)
"""
KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
LARGE = os.urandom(1 << 20) * 9


@pytest.fixture
def proxy(cloud_storage: CloudStorage) -> Iterator[Proxy]:
    with faulty(cloud_storage.host) as proxy:
        yield proxy


@pytest.fixture
def storage(bucket: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """A store that is reached through the proxy."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
    monkeypatch.setattr(adapter, "FIRST_WAIT", 0.01)
    return open_storage(f"gs://{bucket}/store")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Requests are given up after a second."""
    monkeypatch.setattr(client, "PATIENCE", 1.0)
    client.retries.cache_clear()
    yield
    client.retries.cache_clear()


def uploads(proxy: Proxy) -> int:
    return sum(request.path.startswith("/upload/") for request in proxy.seen)


class TestCreating:
    @pytest.mark.parametrize("fault", [Lost(), Lost(503), Lost(500), Lost(504)], ids=repr)
    def test_who_created_an_object_knows_it_though_the_answer_was_lost(
        self, fault: Lost, storage: Storage, proxy: Proxy
    ) -> None:
        proxy.rule = first(fault, "POST")
        assert storage.create("commit", b"ours")
        assert uploads(proxy) == 2
        assert storage.read("commit") == b"ours"

    @pytest.mark.parametrize("fault", [Refused(503), Refused(429)], ids=repr)
    def test_whoever_was_refused_tries_again(self, fault: Refused, storage: Storage, proxy: Proxy) -> None:
        proxy.rule = first(fault, "POST", times=3)
        assert storage.create("commit", b"ours")
        assert uploads(proxy) == 4

    def test_whoever_was_refused_and_then_second_has_not_won_though_the_content_is_the_same(
        self, storage: Storage, proxy: Proxy
    ) -> None:
        storage.create("commit", b"same")
        proxy.rule = first(Refused(503), "POST")
        assert not storage.create("commit", b"same")

    def test_a_large_object_of_which_the_last_answer_is_lost_is_created_once(
        self, storage: Storage, proxy: Proxy
    ) -> None:
        proxy.rule = first(Lost(503), "PUT")
        assert storage.create("commit", LARGE)
        assert not storage.create("commit", LARGE)
        assert storage.read("commit") == LARGE

    def test_of_32_writers_whose_answers_are_lost_exactly_one_wins(
        self, storage: Storage, proxy: Proxy
    ) -> None:
        proxy.rule = every(3, Lost(), Refused(429), Lost(503), Refused(503))
        start = Barrier(32)

        def race(number: int) -> list[bool]:
            start.wait()
            return [storage.create(f"race/{each}", b"same for all") for each in range(4)]

        with ThreadPoolExecutor(32) as threads:
            won = list(threads.map(race, range(32)))
        assert [sum(wins[each] for wins in won) for each in range(4)] == [1, 1, 1, 1]
        assert proxy.faulted > 40

    def test_where_nothing_ever_answers_it_is_said_that_the_object_may_be_there(
        self, storage: Storage, proxy: Proxy
    ) -> None:
        proxy.rule = every(1, Lost())
        with pytest.raises(CreationInDoubt) as caught:
            storage.create("commit", b"ours")
        assert caught.value.transient
        proxy.rule = every(1 << 30, Lost())
        assert storage.read("commit") == b"ours"

    def test_a_creator_killed_before_the_answer_leaves_the_whole_object(
        self, storage: Storage, proxy: Proxy
    ) -> None:
        held = Held()
        proxy.rule = first(held, "POST")
        creator = subprocess.Popen([sys.executable, "-c", CREATOR, storage.uri])
        assert held.done.wait(60)
        creator.kill()
        creator.wait()
        held.go.set()
        assert storage.read("commit") == b"content" * 1000
        assert not storage.create("commit", b"another")

    def test_other_bytes_than_were_sent_are_never_an_object(self, storage: Storage, proxy: Proxy) -> None:
        proxy.rule = first(Changed({b"secret": b"s3cret"}), "POST")
        assert storage.create("commit", b"secret")
        assert storage.read("commit") == b"secret"
        assert uploads(proxy) == 2


class TestFiles:
    @pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
    def test_a_file_goes_and_comes_whole_whatever_breaks(
        self, content: bytes, storage: Storage, proxy: Proxy, tmp_path: Path
    ) -> None:
        (tmp_path / "made").write_bytes(content)
        for number, fault in enumerate(
            (Refused(503), Refused(429), Cut(len(content) // 2), Lost(502), Cut(0))
        ):
            proxy.rule = first(fault, "GET" if isinstance(fault, Cut) else "POST")
            storage.put_file(f"mask/{number}", tmp_path / "made")
            storage.fetch(f"mask/{number}", tmp_path / f"copy {number}")
            assert (tmp_path / f"copy {number}").read_bytes() == content
        assert proxy.faulted == 5

    @pytest.mark.parametrize("fault", [Refused(503), Lost(), Lost(503)], ids=repr)
    def test_a_large_file_begins_anew_when_its_session_is_lost(
        self, fault: Refused | Lost, impatient: None, storage: Storage, proxy: Proxy, tmp_path: Path
    ) -> None:
        (tmp_path / "made").write_bytes(LARGE)
        proxy.rule = first(fault, "PUT")
        storage.put_file("mask", tmp_path / "made")
        assert storage.read("mask") == LARGE
        sessions = sum(request.method == "POST" for request in proxy.seen)
        assert sessions == (
            1 if isinstance(fault, Refused) else 2
        )  # this server forgets a session that is done

    def test_a_broken_download_goes_on_where_it_was(self, storage: Storage, proxy: Proxy) -> None:
        storage.create("mask", LARGE)
        proxy.seen.clear()
        proxy.rule = first(Cut(6 << 20), "GET")
        assert storage.read("mask") == LARGE
        assert [request.headers.get("range") for request in proxy.seen] == [None, f"bytes={6 << 20}-"]

    def test_a_file_changed_on_its_way_is_sent_again(
        self, storage: Storage, proxy: Proxy, tmp_path: Path
    ) -> None:
        (tmp_path / "made").write_bytes(b"secret")
        proxy.rule = first(Changed({b"secret": b"s3cret"}), "POST")
        storage.put_file("mask", tmp_path / "made")
        assert storage.read("mask") == b"secret"
        assert uploads(proxy) == 2

    def test_a_file_that_always_arrives_changed_is_an_error_and_no_object(
        self, storage: Storage, proxy: Proxy, tmp_path: Path
    ) -> None:
        (tmp_path / "made").write_bytes(b"secret")
        proxy.rule = every(1, Changed({b"secret": b"s3cret"}))
        with pytest.raises(ChecksumMismatch) as caught:
            storage.put_file("mask", tmp_path / "made")
        assert caught.value.transient
        assert storage.stat("mask") is None

    def test_where_a_server_does_not_check_its_answer_is_and_the_object_goes(
        self, storage: Storage, proxy: Proxy, tmp_path: Path
    ) -> None:
        (tmp_path / "made").write_bytes(b"secret")
        proxy.rule = every(1, Changed({b"secret": b"s3cret", b'"crc32c"': b'"ignore"'}))
        with pytest.raises(ChecksumMismatch):
            storage.put_file("mask", tmp_path / "made")
        assert [request.method for request in proxy.seen] == ["POST", "DELETE"] * adapter.UPLOADS
        assert storage.stat("mask") is None

    def test_a_download_changed_on_its_way_is_fetched_again(self, storage: Storage, proxy: Proxy) -> None:
        storage.create("mask", b"secret")
        proxy.rule = first(Changed({b"secret": b"s3cret"}, on_the_way_back=True), "GET")
        assert storage.read("mask") == b"secret"

    def test_a_download_that_always_comes_changed_is_an_error_and_leaves_no_file(
        self, storage: Storage, proxy: Proxy, tmp_path: Path
    ) -> None:
        storage.create("mask", b"secret")
        proxy.rule = every(1, Changed({b"secret": b"s3cret"}, on_the_way_back=True))
        with pytest.raises(ChecksumMismatch) as caught:
            storage.fetch("mask", tmp_path / "copy")
        assert caught.value.transient
        assert not (tmp_path / "copy").exists()
        with pytest.raises(ChecksumMismatch):
            storage.read("mask")
        assert sum(request.method == "GET" for request in proxy.seen) == 2 * transfer.DOWNLOADS


class TestSaying:
    def test_a_server_that_stays_busy_is_a_transient_failure(
        self, impatient: None, storage: Storage, proxy: Proxy, tmp_path: Path
    ) -> None:
        (tmp_path / "made").write_bytes(b"content")
        proxy.rule = every(1, Refused(503))
        for use in (
            lambda: storage.read("mask"),
            lambda: storage.fetch("mask", tmp_path / "copy"),
            lambda: storage.put_file("mask", tmp_path / "made"),
            lambda: storage.stat("mask"),
            lambda: storage.delete("mask"),
            lambda: list(storage.list()),
        ):
            with pytest.raises(TransientError) as caught:
                use()
            assert caught.value.reason == "storage-unavailable"
            assert "503" in caught.value.message

    def test_a_server_that_is_gone_is_a_transient_failure(
        self, impatient: None, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{free_port()}")
        with pytest.raises(TransientError) as caught:
            open_storage(f"gs://{bucket}").read("mask")
        assert caught.value.reason == "storage-unavailable"

    @pytest.mark.parametrize(
        ("status", "reason", "hint"),
        [(401, "storage-credentials", "gcloud auth"), (403, "storage-refused", "roles/storage")],
    )
    def test_refused_access_says_what_is_needed(
        self, status: int, reason: str, hint: str, storage: Storage, proxy: Proxy
    ) -> None:
        proxy.rule = every(1, Refused(status))
        for use in (lambda: storage.read("mask"), lambda: storage.create("mask", b"")):
            with pytest.raises(TerminalError) as caught:
                use()
            assert caught.value.reason == reason
            assert hint in caught.value.hint

    def test_a_bucket_that_does_not_exist_is_named_so(self, storage: Storage, tmp_path: Path) -> None:
        nowhere = open_storage("gs://no-such-bucket/store")
        (tmp_path / "made").write_bytes(b"content")
        for use in (
            lambda: nowhere.create("mask", b""),
            lambda: nowhere.put_file("mask", tmp_path / "made"),
            lambda: list(nowhere.list()),
        ):
            with pytest.raises(TerminalError) as caught:
                use()
            assert caught.value.reason == "bucket-missing"
        with pytest.raises(ObjectMissing):
            nowhere.read("mask")

    def test_an_error_tells_nothing_that_the_server_said(self, storage: Storage, proxy: Proxy) -> None:
        proxy.rule = every(1, Refused(403))
        with pytest.raises(TerminalError) as caught:
            storage.read("a name")
        assert "a name" not in str(caught.value)
        assert caught.value.__cause__ is None


class TestAsking:
    def test_who_pays_is_said_with_every_request_and_the_key_with_every_upload(
        self, bucket: str, storage: Storage, proxy: Proxy, tmp_path: Path
    ) -> None:
        (tmp_path / "made").write_bytes(LARGE)
        billed = open_storage(f"gs://{bucket}/p?user_project=payer&kms_key={KEY}")
        billed.create("small", b"content")
        billed.put_file("large", tmp_path / "made")
        billed.read("small")
        billed.stat("small")
        list(billed.list())
        billed.delete("small")
        begun = [request for request in proxy.seen if request.method != "PUT"]  # those belong to a session
        assert {tuple(request.query["userProject"]) for request in begun} == {("payer",)}
        keys = [request.query.get("kmsKeyName") for request in begun]
        assert keys == [[KEY] if request.method == "POST" else None for request in begun]
        assert {request.method for request in begun} == {"POST", "GET", "DELETE"}

    def test_nothing_is_asked_that_need_not_be(self, storage: Storage, proxy: Proxy) -> None:
        storage.create("a", b"content")
        storage.create("a", b"other")
        storage.read("a")
        storage.stat("a")
        storage.delete("a")
        assert [request.method for request in proxy.seen] == ["POST", "POST", "GET", "GET", "DELETE"]

    def test_a_listing_comes_in_pages_and_in_order(
        self, storage: Storage, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = sorted(f"{number}/é" for number in range(25))
        for name in names:
            storage.create(name, b"")
        proxy.seen.clear()
        proxy.rule = every(2, Refused(503))
        monkeypatch.setattr(adapter, "PAGE", 10)
        assert [stat.name for stat in storage.list()] == names
        assert len(proxy.seen) - proxy.faulted == 3

    def test_a_store_sees_nothing_of_another_prefix(self, bucket: str, storage: Storage) -> None:
        other = open_storage(f"gs://{bucket}/store2")
        other.create("a", b"")
        assert list(storage.list()) == []
        assert storage.stat("a") is None


class TestAddresses:
    @pytest.mark.parametrize(
        "uri",
        [
            "gs://bucket",
            "gs://bucket/a/b",
            "gs://bucket/a%20b%3F%23%25",
            f"gs://bucket/a?user_project=p&kms_key={KEY}",
            "gs://bucket?user_project=example.com%3Ap",
        ],
    )
    def test_an_address_means_the_same_when_it_is_opened_again(self, uri: str) -> None:
        assert open_storage(uri).uri == uri

    def test_a_slash_at_the_end_means_nothing(self) -> None:
        assert open_storage("gs://bucket/a/").uri == "gs://bucket/a"

    @pytest.mark.parametrize(
        "uri",
        ["gs://", "gs:///a", "gs://B", "gs://bucket/a//b", "gs://bucket/../a", "gs://bucket?kms_key=mine"],
    )
    def test_an_address_that_cannot_be_meant_so_is_refused(self, uri: str) -> None:
        with pytest.raises(UsageError) as caught:
            open_storage(uri)
        assert caught.value.reason == "bad-bucket-address"

    def test_a_mistyped_option_is_named_with_the_nearest_one(self) -> None:
        with pytest.raises(UsageError) as caught:
            open_storage("gs://bucket?userproject=p")
        assert "user_project" in caught.value.hint
