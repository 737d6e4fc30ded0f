"""One place opens what an address names: a file, a member, many of them in one pass."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from beds.archives import KINDS, zipped
from beds.opens import opens
from hilum.errors import TerminalError, UnreadableError
from hilum.storage.objects import open_object, open_objects, version_at

FILES = {f"{number}.dcm": b"%d" % number for number in range(20)}


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return path.as_uri()


def reason(uri: str) -> str:
    with pytest.raises(UnreadableError) as caught, open_object(uri):
        pass
    return caught.value.reason


def test_a_file_is_opened_by_its_address(tmp_path: Path) -> None:
    with open_object(write(tmp_path / "a b#", b"content")) as stream:
        assert stream.read() == b"content"


@pytest.mark.parametrize("name", KINDS)
def test_a_member_of_any_kind_of_archive_is_opened_by_its_address(name: str, tmp_path: Path) -> None:
    uri = write(tmp_path / name, KINDS[name](FILES))
    with open_object(f"{uri}!/7.dcm") as stream:
        stream.seek(0, os.SEEK_END)
        assert stream.tell() == 1
        stream.seek(0)
        assert stream.read() == b"7"


@pytest.mark.parametrize("name", KINDS)
def test_many_members_take_one_pass_over_their_archive(name: str, tmp_path: Path) -> None:
    uri = write(tmp_path / name, KINDS[name](FILES))
    wanted = [f"{uri}!/{number}.dcm" for number in (9, 3, 15)]
    with opens(tmp_path) as opened:
        found = {
            at: opened.read() for at, opened in open_objects(wanted) if not isinstance(opened, TerminalError)
        }
    assert found == {wanted[0]: b"9", wanted[1]: b"3", wanted[2]: b"15"}
    assert opened == [name]


def test_each_has_its_own_reason_and_the_next_is_opened(tmp_path: Path) -> None:
    archive = write(tmp_path / "a.zip", zipped(FILES))
    wanted = [
        f"{archive}!/none",
        (tmp_path / "gone").as_uri(),
        f"{(tmp_path / 'gone.zip').as_uri()}!/1",
        "ftp://somewhere/object",
        f"{archive}!/1.dcm",
    ]
    found = {
        uri: opened.reason if isinstance(opened, TerminalError) else opened.read()
        for uri, opened in open_objects(wanted)
    }
    assert list(found.values()) == ["member-missing", "unreadable", "unreadable", "unknown-address", b"1"]


def test_what_lies_behind_the_cut_has_the_archives_reason(tmp_path: Path) -> None:
    whole = KINDS["gzip.tgz"]({name: os.urandom(3000) for name in FILES})
    uri = write(tmp_path / "a.tgz", whole[: len(whole) // 2])
    assert reason(f"{uri}!/19.dcm") == "archive-truncated"


def test_a_member_of_what_is_no_archive_is_missing(tmp_path: Path) -> None:
    assert reason(f"{write(tmp_path / 'a.dcm', b'DICM')}!/1") == "member-missing"


def test_a_device_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    assert reason(f"{(tmp_path / 'a.zip').as_uri()}!/1") == "not-regular"


def test_the_version_of_a_member_is_where_its_archive_is(tmp_path: Path) -> None:
    uri = write(tmp_path / "a.zip", zipped(FILES))
    assert version_at(f"{uri}!/1.dcm") == version_at(uri) is not None
    assert version_at(f"{uri}x!/1.dcm") is None
