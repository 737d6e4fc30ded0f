"""`hilum demo`: the first thing that anybody sees of Hilum."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from beds.commands import Said, hilum

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    folder = tmp_path_factory.mktemp("demo")
    return folder, hilum("demo", cwd=folder)


def test_it_shows_what_came_out_a_picture_a_query_and_a_lineage(demo: tuple[Path, Said]) -> None:
    folder, said = demo
    assert "162 objects: 152 accepted, 10 ignored" in said.out
    assert "CT 2 Chest axial\t64\tpass\t\t64 slices" in said.out
    assert "CT\t7\t127\t" in said.out
    assert "64 instances  revision " in said.out
    with Image.open(folder / "demo" / "montage.png") as sheet:
        assert sheet.width > 500


def test_its_example_finds_the_volumes_that_the_phantom_was_made_with(demo: tuple[Path, Said]) -> None:
    _, said = demo
    lungs = [
        line.split("\t") for line in said.out.splitlines() if line.startswith(("left lung", "right lung"))
    ]
    assert len(lungs) == 2
    assert all(abs(float(off.rstrip("%"))) < 3 for *_, off in lungs)


def test_the_second_time_nothing_is_computed(demo: tuple[Path, Said]) -> None:
    folder, _ = demo
    said = hilum("demo", cwd=folder)
    assert "162 objects: 162 unchanged" in said.out
    assert "up to date, nothing had to be computed" in said.out


def test_its_sheet_has_the_pictures_of_a_store_in_a_bucket_too(
    demo: tuple[Path, Said], bucket: str, tmp_path: Path
) -> None:
    hilum("demo", cwd=tmp_path, HILUM_STORE=f"gs://{bucket}/hilum")
    sheets = [Image.open(folder / "demo" / "montage.png") for folder in (demo[0], tmp_path)]
    assert sheets[0].tobytes() == sheets[1].tobytes()
