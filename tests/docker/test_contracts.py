"""One image of each contract in one pipeline, in real containers."""

from __future__ import annotations

from pathlib import Path

import pytest

import hilum
from beds.contract_images import PIPELINE, images
from beds.docker_engine import DockerEngine
from beds.images import Image, docker_archive
from hilum.dicom.phantom import mr_series
from hilum.errors import UsageError


@pytest.fixture(scope="module")
def engine(docker_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> DockerEngine:
    archive = docker_archive(
        tmp_path_factory.mktemp("images") / "images.tar",
        *images(),
        Image("bed/no-package:1", entrypoint=["/bin/true"]),
    )
    docker_engine.docker("load", "-i", str(archive))
    return docker_engine


def test_an_image_of_each_contract_does_its_work(engine: DockerEngine, tmp_path: Path) -> None:
    mr_series(tmp_path / "mr", slices=4, rows=32, columns=32)
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "weights.bin").write_text("weights")
    with hilum.open(tmp_path / "home", docker=engine.host) as home:
        report = home.run(tmp_path / "mr", pipelines=[tmp_path / "pipeline.yaml"])
        (run,) = [run for run in report.runs if run.pipeline == "contracts"]
        tasks = {task.step: (str(task.state), task.reason) for task in home.ledger.tasks([run.id])}
        assert tasks == dict.fromkeys(
            ["nifti", "tool", "native", "package", "module", "app"], ("succeeded", "")
        )
        home.record()
        found = home.query(
            "SELECT step, name, value, unit FROM measurements WHERE step IN ('native', 'module')"
        )
        assert {(row["step"], row["name"], row["unit"]) for row in found.to_pylist()} == {
            ("native", "bytes", "By"),
            ("module", "lung_volume", "mL"),
            ("module", "sigma", "1"),
        }
        assert home.run(tmp_path / "mr", pipelines=[tmp_path / "pipeline.yaml"]).started == []


def test_an_image_that_is_no_package_is_refused_before_anything_runs(
    engine: DockerEngine, tmp_path: Path
) -> None:
    (tmp_path / "pipeline.yaml").write_text(
        "name: x\nsteps: {a: {image: 'bed/no-package:1', contract: map}}\n"
    )
    with hilum.open(tmp_path / "home", docker=engine.host) as home, pytest.raises(UsageError) as caught:
        home.pipelines([tmp_path / "pipeline.yaml"])
    assert "app.json" in str(caught.value)
