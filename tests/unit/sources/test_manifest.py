"""A list of objects, as people and programs write them."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from hilum.sources.manifest import read_manifest


def entries(tmp_path: Path, content: str) -> list[str]:
    (tmp_path / "list").write_bytes(content.encode())
    return list(read_manifest(str(tmp_path / "list")))


def test_a_line_is_an_entry_and_what_says_nothing_is_none(tmp_path: Path) -> None:
    assert entries(tmp_path, "\ufeff# comment\r\na b.dcm\r\n\r\n  # another\n\tfile:///x\n\nlast") == [
        "a b.dcm",
        "file:///x",
        "last",
    ]


@pytest.mark.parametrize(
    "table",
    [
        "StudyDate,FileURI\n2020,file:///a\n2021,file:///b\n",
        '"FileURI";"x"\n"file:///a";1\n"file:///b";"2"\n',
        "n\tpath\n1\tfile:///a\n2\tfile:///b\n",
        "fileuri\nfile:///a\nfile:///b\n",
        "file,URI\nx,file:///a\nx,\n# not this\nx\nx,file:///b\n",
    ],
)
def test_a_table_has_a_column_that_is_meant(tmp_path: Path, table: str) -> None:
    assert entries(tmp_path, table) == ["file:///a", "file:///b"]


def test_commas_in_a_name_make_no_table(tmp_path: Path) -> None:
    assert entries(tmp_path, "Doe, Jane.dcm\nb\n") == ["Doe, Jane.dcm", "b"]


def test_a_quoted_cell_may_hold_what_divides_cells(tmp_path: Path) -> None:
    assert entries(tmp_path, 'id,path\n1,"Doe, Jane.dcm"\n') == ["Doe, Jane.dcm"]


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing\n", "FileURI\n"])
def test_a_list_may_be_empty(tmp_path: Path, content: str) -> None:
    assert entries(tmp_path, content) == []


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\nb\n")))
    assert list(read_manifest("-")) == ["a", "b"]
    assert not sys.stdin.closed


def test_a_list_is_read_as_it_comes() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"a\nb\n")
    assert next(read_manifest(f"/dev/fd/{ours}")) == "a"
    os.close(theirs)
    os.close(ours)
