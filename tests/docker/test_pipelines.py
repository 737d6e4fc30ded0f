"""A pipeline file whose steps are images, from arrival to warehouse, on a real Docker engine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import hilum
from beds.docker_engine import DockerEngine
from beds.images import Image, docker_archive
from hilum.dicom.phantom import chest_ct
from hilum.engine.engine import LOOK_UP_EVERY
from hilum.errors import UsageError
from hilum.kernel.clock import ManualClock

COUNT = """#!/usr/bin/python3
import json, os
folder = os.environ["HILUM_OUT"]
context = json.load(open(os.environ["HILUM_CONTEXT"]))
files = [os.path.join(os.environ["HILUM_IN"], each["path"]) for each in context["instances"]]
sizes = [os.path.getsize(each) for each in files]
print("::progress 0.5 counted", flush=True)
with open(os.path.join(folder, "sizes.json"), "w") as out:
    json.dump({"sizes": sorted(sizes), "factor": context["parameters"].get("factor", 1)}, out)
with open(os.path.join(folder, "measurements.json"), "w") as out:
    json.dump([{"name": "instances", "value": len(files), "unit": "{instances}"}], out)
"""

DERIVE = """#!/usr/bin/python3
import json, os, shutil
context = json.load(open(os.environ["HILUM_CONTEXT"]))
first = os.path.join(os.environ["HILUM_IN"], context["instances"][0]["path"])
data = open(first, "rb").read()
for uid in (context["instances"][0]["sop_instance_uid"], context["instances"][0]["series_instance_uid"]):
    data = data.replace(uid.encode(), (uid[:-1] + "9").encode())
with open(os.path.join(os.environ["HILUM_OUT"], "derived.dcm"), "wb") as out:
    out.write(data)
"""


@pytest.fixture(scope="module")
def images(docker_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> DockerEngine:
    archive = docker_archive(
        tmp_path_factory.mktemp("images") / "images.tar",
        Image("bed/count:1", {"/step": COUNT}, entrypoint=["/step"]),
        Image("bed/derive:1", {"/step": DERIVE}, entrypoint=["/step"]),
    )
    docker_engine.docker("load", "-i", str(archive))
    return docker_engine


@pytest.fixture
def home(images: DockerEngine, tmp_path: Path) -> hilum.Home:
    return hilum.open(tmp_path / "home", docker=images.host)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    chest_ct(folder / "ct", slices=6, rows=32, columns=32)
    return folder


def write(folder: Path, text: str) -> Path:
    path = folder / "pipeline.yaml"
    path.write_text(text)
    return path


def test_an_image_step_gives_artifacts_measurements_and_lineage(
    home: hilum.Home, scans: Path, tmp_path: Path
) -> None:
    file = write(
        tmp_path,
        """
name: counted
steps:
  qc: {uses: qc}
  count:
    image: bed/count:1
    with: {factor: 3}
    needs: [qc]
    measurements: {instances: {kind: integer, unit: "{instances}"}}
  more:
    uses: intensity
    if: count.instances > 5
  none:
    uses: intensity
    if: count.instances > 6
""",
    )
    report = home.run(scans, pipelines=[file])
    (run,) = report.runs
    states = {task.step: str(task.state) for task in home.ledger.tasks([run.id])}
    assert states == {"qc": "succeeded", "count": "succeeded", "more": "succeeded", "none": "skipped"}
    home.record()
    rows = home.query("SELECT name, value, unit FROM measurements WHERE step = 'count'").to_pylist()
    assert rows == [{"name": "instances", "value": 6.0, "unit": "{instances}"}]
    (result,) = home.query("SELECT code, image FROM task_results WHERE step = 'count'").to_pylist()
    assert result["image"] == "bed/count:1"
    assert json.loads(result["code"])["image"].startswith("sha256:")
    (artifact,) = home.query("SELECT artifact_id, object FROM artifacts WHERE step = 'count'").to_pylist()
    sizes = json.loads(home.storage.read(artifact["object"]))
    assert (len(sizes["sizes"]), sizes["factor"]) == (6, 3)
    assert home.lineage(artifact["artifact_id"])
    assert home.run(scans, pipelines=[file]).started == []


def test_dicom_that_a_step_made_is_a_series_of_its_own_and_linked_to_its_task(
    home: hilum.Home, scans: Path, tmp_path: Path
) -> None:
    file = write(tmp_path, "name: derive\nsteps: {derive: {image: 'bed/derive:1'}}\n")
    looking = tmp_path / "look.yaml"
    looking.write_text("name: look\nsteps: {qc: {uses: qc}}\n")
    report = home.run(scans, pipelines=[file, looking])
    assert sorted(run.pipeline for run in report.runs) == ["derive", "look", "look"]
    home.record()
    (task,) = home.query("SELECT task_key FROM task_results WHERE step = 'derive'").to_pylist()
    made = home.query(
        "SELECT SOPInstanceUID FROM dicom_metadata WHERE Source = ?", [f"task:{task['task_key']}"]
    )
    assert made.num_rows == 1
    assert home.run(scans, pipelines=[file, looking]).started == []


def test_a_tag_that_moved_makes_its_tasks_stale(
    home: hilum.Home, images: DockerEngine, scans: Path, tmp_path: Path
) -> None:
    file = write(tmp_path, "name: moving\nsteps: {count: {image: 'bed/moving:1'}}\n")
    for number in (1, 2):
        archive = docker_archive(
            tmp_path / "moving.tar",
            Image("bed/moving:1", {"/step": COUNT, "/number": str(number)}, entrypoint=["/step"]),
        )
        images.docker("load", "-i", str(archive))
        due = home.plan(pipelines=[file])
        assert [each.reasons for each in due] == ([("stale-code",)] if number == 2 else [])
        assert len(home.run(scans, pipelines=[file]).started) == 1


def test_a_serving_engine_notices_that_a_tag_moved(images: DockerEngine, scans: Path, tmp_path: Path) -> None:
    clock = ManualClock()
    home = hilum.open(tmp_path / "home", docker=images.host)
    home.clock = clock
    file = write(tmp_path, "name: served\nsteps: {count: {image: 'bed/served:1'}}\n")
    digests = []
    engine = None
    for number in (1, 2):
        archive = docker_archive(
            tmp_path / "served.tar",
            Image("bed/served:1", {"/step": COUNT, "/number": str(number)}, entrypoint=["/step"]),
        )
        images.docker("load", "-i", str(archive))
        engine = engine or home.engine([file])
        clock.advance(LOOK_UP_EVERY)
        engine.advance(0.0)
        digests.append(engine.planner.pipelines[0].plan.steps[0].code["image"])
    assert engine is not None
    engine.close()
    assert digests[0] != digests[1]


def test_an_image_that_is_nowhere_is_told_before_anything_runs(
    home: hilum.Home, scans: Path, tmp_path: Path
) -> None:
    file = write(tmp_path, "name: lost\nsteps: {a: {image: 'bed/nowhere:1', pull: never}}\n")
    with pytest.raises(UsageError) as caught:
        home.run(scans, pipelines=[file])
    assert caught.value.reason == "image-missing"
    assert home.runs() == []


def test_the_command_line_runs_images_too(images: DockerEngine, scans: Path, tmp_path: Path) -> None:
    file = write(tmp_path, "name: counted\nsteps: {count: {image: 'bed/count:1'}}\n")
    said = subprocess.run(
        ["hilum", "--home", tmp_path / "home", "run", scans, "--pipeline", file],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HILUM_DOCKER": images.host},
        executable=str(Path(".venv/bin/hilum").absolute()),
    )
    assert said.returncode == 0, said.stderr
