"""Commands that are given nothing to do, or what is not there, say so with a line of help."""

from __future__ import annotations

from pathlib import Path

import pytest

from beds.commands import here


def test_serving_without_anything_to_watch_is_refused(tmp_path: Path) -> None:
    said = here("serve", home=tmp_path / "home", code=2).err
    assert said.startswith("hilum: nothing is named to watch\n")
    assert "with --watch" in said


@pytest.mark.parametrize("text", [None, "name: x\nsteps: {qc: {uses: nope}}\n"])
def test_a_pipeline_file_that_cannot_be_taken_is_told_of_as_any_other_error(
    tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "nope.yaml"
    if text:
        file.write_text(text)
    said = here("validate", file, code=2).err
    assert said.startswith("hilum: ")
    if not text:
        assert "\n  help: check the path" in said
