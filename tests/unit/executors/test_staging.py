"""An attempt's inputs from archives: copied out in one pass, and held against what the revision names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from beds.archives import KINDS, gzipped_tar, zipped
from beds.opens import opens
from hilum.engine.settle import write_members
from hilum.errors import TerminalError
from hilum.executors.staging import stage_instances
from hilum.kernel.address import file_version, member_uri
from hilum.kernel.digest import digest_bytes
from hilum.model.subject import Member, revision_digest
from hilum.storage import Storage, open_storage

CONTENTS = {f"{number}.dcm": os.urandom(2000) for number in range(6)}


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage((tmp_path / "store").as_uri())


def pinned(storage: Storage, *archives: Path, names: tuple[str, ...] = tuple(CONTENTS)) -> str:
    """A revision of these members, each of the archive whose turn it is."""
    members = []
    for number, name in enumerate(names):
        archive = archives[number % len(archives)]
        uri = member_uri(archive.as_uri(), name.encode())
        content = CONTENTS[name]
        members.append(Member(f"1.2.{number}", digest_bytes(content), uri, len(content), "1-2/0"))
    revision = revision_digest([member.digest for member in members])
    write_members(storage, revision, members)
    return revision


def reason(storage: Storage, revision: str, folder: Path) -> str:
    with pytest.raises(TerminalError) as caught:
        stage_instances(storage, revision, folder)
    return caught.value.reason


@pytest.mark.parametrize("name", KINDS)
def test_members_are_files_with_the_bytes_that_the_revision_names(name, storage, tmp_path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(KINDS[name](CONTENTS))
    revision = pinned(storage, tmp_path / "in" / name)
    with opens(tmp_path / "in") as opened:
        staged = stage_instances(storage, revision, tmp_path / "attempt")
    assert [each.path.read_bytes() for each in staged] == list(CONTENTS.values())
    assert [each.sop_instance_uid for each in staged] == [f"1.2.{number}" for number in range(6)]
    assert opened == [name]
    assert {each.path.parent for each in staged} == {tmp_path / "attempt"}


def test_each_archive_is_opened_once_however_its_members_are_mixed(storage, tmp_path) -> None:
    (tmp_path / "in").mkdir()
    for name, make in (("a.zip", zipped), ("b.tgz", gzipped_tar)):
        (tmp_path / "in" / name).write_bytes(make(CONTENTS))
    revision = pinned(storage, tmp_path / "in" / "a.zip", tmp_path / "in" / "b.tgz")
    with opens(tmp_path / "in") as opened:
        stage_instances(storage, revision, tmp_path / "attempt")
    assert opened == ["a.zip", "b.tgz"]


def test_a_plain_file_stays_where_it_is_and_nothing_is_copied(storage, tmp_path) -> None:
    path = tmp_path / "0.dcm"
    path.write_bytes(b"plain")
    member = Member("1.2", digest_bytes(b"plain"), path.as_uri(), 5, file_version(path.stat()))
    write_members(storage, "a" * 64, [member])
    (staged,) = stage_instances(storage, "a" * 64, tmp_path / "attempt")
    assert staged.path == path
    assert not (tmp_path / "attempt").exists()


def test_an_archive_or_member_that_is_gone_is_missing(storage, tmp_path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped({"0.dcm": CONTENTS["0.dcm"]}))
    assert reason(storage, pinned(storage, archive), tmp_path / "attempt") == "input-missing"
    archive.unlink()
    assert reason(storage, pinned(storage, archive), tmp_path / "again") == "input-missing"


def test_a_member_with_other_bytes_has_changed(storage, tmp_path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped({**CONTENTS, "3.dcm": b"other"}))
    assert reason(storage, pinned(storage, archive), tmp_path / "attempt") == "input-changed"


def test_an_archive_that_was_cut_meanwhile_is_unreadable(storage, tmp_path) -> None:
    archive = tmp_path / "a.tgz"
    archive.write_bytes(gzipped_tar(CONTENTS)[:4000])
    assert reason(storage, pinned(storage, archive), tmp_path / "attempt") == "input-unreadable"


def test_a_name_that_leads_out_is_never_written(storage, tmp_path) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(zipped({"../0.dcm": CONTENTS["0.dcm"]}))
    uri = member_uri(archive.as_uri(), b"../0.dcm")
    write_members(storage, "b" * 64, [Member("1.2", digest_bytes(CONTENTS["0.dcm"]), uri, 2000, "1/0")])
    assert reason(storage, "b" * 64, tmp_path / "attempt") == "input-unreadable"
    assert not (tmp_path / "0.dcm").exists()
