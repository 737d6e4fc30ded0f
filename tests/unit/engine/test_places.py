"""How an instance is at its place: what cannot be read is not there, and no reason for anything else to end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from google.cloud import storage

from hilum.engine.places import Found, look
from hilum.kernel.address import file_version
from hilum.kernel.digest import digest_bytes
from hilum.model.subject import Member
from hilum.storage.objects import version_at

UID, OLD, NEW = "1.2.3", b"old bytes", b"new bytes, and more of them"


def test_a_file_that_the_disk_does_not_give_is_changed_and_the_others_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No disk can be made to fail just so, so reading does."""
    (tmp_path / "good").write_bytes(OLD)
    (tmp_path / "bad").write_bytes(NEW)

    def member(name: str, uid: str, content: bytes) -> Member:
        path = tmp_path / name
        return Member(uid, digest_bytes(content), path.as_uri(), len(content), file_version(os.stat(path)))

    def broken(stream: object, uid: str, digest: str) -> bool:
        if uid == "1.2":
            raise OSError(5, "Input/output error")
        return True

    monkeypatch.setattr("hilum.engine.places.is_content", broken)
    found = look([member("good", "1.1", OLD), member("bad", "1.2", NEW)], deep=True)
    assert found == {"1.1": Found.THERE, "1.2": Found.CHANGED}


@pytest.mark.parametrize(("written", "found"), [(NEW, Found.CHANGED), (OLD, Found.THERE)])
def test_of_an_object_that_was_written_over_its_bytes_decide(
    bucket: str, written: bytes, found: Found
) -> None:
    """The storage server here keeps no older generations; Cloud Storage may, and then the older one is read."""
    there = storage.Client(project="test").bucket(bucket)
    there.blob("a.dcm").upload_from_string(OLD)
    uri = f"gs://{bucket}/a.dcm"
    member = Member(UID, digest_bytes(OLD), uri, len(OLD), version_at(uri) or "")
    assert look([member]) == {UID: Found.THERE}
    there.blob("a.dcm").upload_from_string(written)
    assert version_at(uri) != member.version
    assert look([member]) == {UID: found}
    there.blob("a.dcm").delete()
    assert look([member]) == {UID: Found.GONE}
