from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest

from hilum.kernel.address import (
    archive_of,
    is_local,
    is_of_version,
    local_path,
    member_uri,
    member_version,
    shown,
)


@pytest.mark.parametrize(
    "name",
    [b"plain", b"with space", b"new\nline", b"100%", b"%41", b"a?b#c;d", "größe".encode(), b"latin \xff\xe9"],
)
def test_every_name_of_a_file_survives_its_address(name):
    path = Path("/scans") / name.decode(errors="surrogateescape")
    assert local_path(path.as_uri()) == str(path)


def test_only_files_of_this_machine_are_local():
    assert is_local("file:///scans/1")
    assert not is_local("gs://bucket/1")
    assert not is_local("file://elsewhere/1")


ARCHIVE = "file:///scans/b%20c.zip"


@pytest.mark.parametrize(
    "name", [b"a", b"d/e f.dcm", b"x!/y", b"!", b"x!2", b"latin \xff\n", b"../up", b"/root"]
)
def test_a_member_has_an_address_that_tells_its_archive(name):
    uri = member_uri(ARCHIVE, name)
    assert archive_of(uri) == ARCHIVE
    assert uri.isascii()
    assert unquote_to_bytes(uri.removeprefix(f"{ARCHIVE}!/")) == name


def test_members_of_one_name_have_different_addresses():
    addresses = [member_uri(ARCHIVE, b"a"), member_uri(ARCHIVE, b"a", 2), member_uri(ARCHIVE, b"a!2")]
    assert addresses == [f"{ARCHIVE}!/a", f"{ARCHIVE}!/a!2", f"{ARCHIVE}!/a%212"]


def test_a_file_is_no_member_whatever_its_name():
    assert archive_of(Path("/scans/b.zip!/a").as_uri()) == ""


def test_a_member_has_no_path_but_can_be_shown():
    uri = member_uri(ARCHIVE, "größe.dcm".encode())
    with pytest.raises(ValueError, match="no path"):
        local_path(uri)
    assert shown(uri) == "/scans/b c.zip!/größe.dcm"
    assert shown("gs://bucket/a%20b") == "gs://bucket/a%20b"


def test_the_version_of_a_member_is_its_archives_and_its_own():
    version = member_version("12-34", "abc")
    assert is_of_version(version, "12-34")
    assert not is_of_version(version, "12-3")
    assert not is_of_version("12-34", "12-34")
