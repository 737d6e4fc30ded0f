"""Commands that are given nothing to do, or what is not there, say so with a line of help."""

from __future__ import annotations

from pathlib import Path

from beds.commands import here


def test_serving_without_anything_to_watch_is_refused(tmp_path: Path) -> None:
    said = here("serve", home=tmp_path / "home", code=2).err
    assert said.startswith("hilum: nothing is named to watch\n")
    assert "with --watch" in said


def test_a_pipeline_file_that_cannot_be_read_is_told_of_as_any_other_error(tmp_path: Path) -> None:
    said = here("validate", tmp_path / "nope.yaml", code=2).err
    assert said.startswith("hilum: pipeline file ")
    assert "\n  help: check the path" in said


def test_what_is_wrong_in_a_pipeline_file_begins_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("name: x\nsteps: {qc: {uses: nope}}\n")
    assert here("validate", tmp_path / "wrong.yaml", code=2).err.startswith(f"{tmp_path}/wrong.yaml:2: ")
