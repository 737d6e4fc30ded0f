"""The input folder: links where they do, copies where not, and originals as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hilum.steps.contracts.inputs import InputFolder


@pytest.fixture
def inputs(tmp_path: Path) -> InputFolder:
    (tmp_path / "in").mkdir(mode=0o700)
    return InputFolder(tmp_path / "in")


def test_a_file_that_all_may_read_is_linked(inputs: InputFolder, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    source.chmod(0o644)
    inputs.add(source, "a/b")
    assert (inputs.folder / "a/b").samefile(source)


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_that_not_all_may_read_is_copied_and_stays_as_it_was(
    inputs: InputFolder, tmp_path: Path, mode: int
) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    source.chmod(mode)
    inputs.add(source, "b")
    copy = inputs.folder / "b"
    assert not copy.samefile(source)
    assert (copy.read_text(), copy.stat().st_mode & 0o777) == ("content", 0o644)
    assert (source.stat().st_mode & 0o777, source.stat().st_nlink) == (mode, 1)


def test_a_link_becomes_the_file_that_it_means(inputs: InputFolder, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    source.chmod(0o644)
    (tmp_path / "link").symlink_to(source)
    inputs.add(tmp_path / "link", "b")
    assert not (inputs.folder / "b").is_symlink()
    assert (inputs.folder / "b").samefile(source)


def test_a_file_of_another_disk_is_copied(inputs: InputFolder) -> None:
    other = Path(f"/dev/shm/hilum-test-{os.getpid()}")
    if not other.parent.is_dir() or other.parent.stat().st_dev == inputs.folder.stat().st_dev:
        pytest.skip("there is no other disk")
    other.write_text("content")
    try:
        inputs.add(other, "b")
    finally:
        other.unlink()
    assert (inputs.folder / "b").read_text() == "content"


def test_every_folder_can_be_entered_and_every_file_read_whatever_the_umask(
    inputs: InputFolder, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_text("content")
    before = os.umask(0o077)
    try:
        inputs.add(source, "deep/er/b")
        inputs.write_json("other/context.json", {})
    finally:
        os.umask(before)
    for path in [inputs.folder, *inputs.folder.rglob("*")]:
        wanted = 0o755 if path.is_dir() else 0o644
        assert path.stat().st_mode & wanted == wanted, path
