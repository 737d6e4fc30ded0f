from pathlib import Path

import pytest

from hilum.kernel.address import is_local, local_path


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
