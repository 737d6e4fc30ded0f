"""A folder as a source: everything once, whatever it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hilum.errors import UsageError
from hilum.kernel.clock import ManualClock
from hilum.sources.folder import FolderSource


def names(source: FolderSource) -> list[str]:
    return [arrival.uri.rpartition("/")[2] for arrival in source.scan()]


def source(*roots: Path, skip: tuple[Path, ...] = ()) -> FolderSource:
    return FolderSource(roots, ManualClock(), skip)


def test_files_come_in_the_order_of_names_depth_first(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("c", "b/2", "b/1", "a"):
        (tmp_path / name).write_text(name)
    assert names(source(tmp_path)) == ["a", "1", "2", "c"]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("x")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to("self")
    assert sorted(names(source(tmp_path))) == ["file", "self"]


def test_a_folder_that_is_linked_twice_is_entered_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("x")
    (tmp_path / "also").symlink_to("real")
    assert names(source(tmp_path)) == ["file"]


def test_a_single_file_is_a_source_too(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("x")
    assert names(source(tmp_path / "one")) == ["one"]


def test_the_home_within_the_folder_is_left_out(tmp_path: Path) -> None:
    (tmp_path / ".hilum").mkdir()
    (tmp_path / ".hilum" / "ledger.sqlite").write_text("x")
    (tmp_path / "scan").write_text("x")
    assert names(source(tmp_path, skip=(tmp_path / ".hilum",))) == ["scan"]


def test_a_dangling_link_is_an_arrival_that_intake_will_explain(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("nowhere")
    (arrival,) = source(tmp_path).scan()
    assert arrival.version.startswith("unreadable-")


def test_names_of_any_bytes_have_an_address(tmp_path: Path) -> None:
    odd = os.fsdecode(b"odd \xff\n name")
    (tmp_path / odd).write_text("x")
    (arrival,) = source(tmp_path).scan()
    assert arrival.uri.isascii()
    assert "\n" not in arrival.uri
    assert arrival.size == 1


def test_a_version_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    (before,) = source(tmp_path).scan()
    os.utime(path, ns=(1, 1))
    (after,) = source(tmp_path).scan()
    assert before.version != after.version


def test_a_place_where_nothing_is_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        source(tmp_path / "nowhere")
    assert caught.value.reason == "no-such-path"
