"""A pipeline with one image of each contract gives the same on a laptop and on a cluster: the same artifacts by
digest, the same measurements. Python steps run in Hilum's own image there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

import hilum
from beds.cluster import places
from beds.cluster.cluster import Cluster
from beds.commands import hilum as command
from beds.contract_images import PIPELINE, images
from beds.docker_engine import docker_engine_running
from beds.images import docker_archive
from hilum.dicom.phantom import mr_series
from hilum.model.image import ResolvedImage

MADE = """
SELECT step, name, path, digest FROM artifacts
UNION ALL
SELECT step, name, unit, CAST(coalesce(CAST(value AS VARCHAR), text) AS VARCHAR) FROM measurements
ORDER BY ALL
"""


class NodeImages:
    """What references mean on the node. It stands for a registry, which the node of the tests cannot reach."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._made = {image.name: image for image in images()}

    def resolve(self, reference: str, pull: str, wanted: Sequence[str] = ()) -> ResolvedImage:
        files = self._made[reference].files
        texts = {path: str(files[path]) for path in wanted if path in files}
        return ResolvedImage(reference, self._cluster.digest(reference), {}, texts)


@pytest.fixture(scope="module")
def steps(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = docker_archive(tmp_path_factory.mktemp("images") / "images.tar", *images())
    cluster.load(archive)
    return archive


def kubernetes(image: str, folder: Path) -> dict[str, object]:
    """Settings of a cluster whose pods share a folder with this machine, as root, as whose the tests run."""
    return {
        "image": image,
        "pull": "Never",
        "kubeconfig": str(places.KUBECONFIG),
        "user": 0,
        "volumes": [{"source": {"hostPath": {"path": str(folder)}}, "path": str(folder)}],
    }


def test_a_pipeline_gives_the_same_in_docker_and_on_kubernetes(
    cluster: Cluster, image: str, steps: Path, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    mr_series(tmp_path / "mr", slices=4, rows=32, columns=32)
    file = tmp_path / "pipeline.yaml"
    file.write_text(PIPELINE)
    (tmp_path / "weights.bin").write_text("weights")
    with docker_engine_running() as engine:
        engine.load(steps)
        with hilum.open(tmp_path / "docker", docker=engine.host) as home:
            local = home.run(tmp_path / "mr", pipelines=[file])
            home.record()
            expected = home.query(MADE).to_pylist()
    with hilum.open(
        tmp_path / "cluster", executor="kubernetes", kubernetes=kubernetes(image, tmp_path)
    ) as home:
        home.__dict__["images"] = NodeImages(cluster)
        there = home.run(tmp_path / "mr", pipelines=[file])
        tasks = {
            task.step: (str(task.state), task.reason, task.detail)
            for task in home.ledger.tasks([there.runs[0].id])
        }
        assert {state for state, *_ in tasks.values()} == {"succeeded"}, tasks
        home.record()
        assert home.query(MADE).to_pylist() == expected
        executors = home.query("SELECT DISTINCT executor FROM attempts").to_pylist()
        assert executors == [{"executor": "kubernetes"}]
    assert [run.state for run in local.runs] == [run.state for run in there.runs]
    assert expected


def test_what_the_cluster_would_refuse_is_told_before_anything_runs(
    cluster: Cluster, image: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "hilum.toml").touch()
    cluster.kubectl("create", "namespace", "strict")
    cluster.kubectl("label", "namespace", "strict", "pod-security.kubernetes.io/enforce=restricted")
    try:
        settings = {**kubernetes(image, tmp_path), "namespace": "strict", "user": 65534, "volumes": []}
        (tmp_path / "fine.yaml").write_text("name: fine\nsteps: {qc: {uses: qc}}\n")
        digest = f"registry.example/a@sha256:{'a' * 64}"
        (tmp_path / "root.yaml").write_text(
            f"name: root\nsteps: {{a: {{image: '{digest}', pull: never, security: {{user: 0}}}}}}\n"
        )
        environment = {"HILUM_EXECUTOR": "kubernetes", "HILUM_KUBERNETES": json.dumps(settings)}
        said = command("validate", "--cluster", tmp_path / "fine.yaml", home=home, **environment)
        assert "valid (fine, 1 steps)" in said.out
        said = command("validate", "--cluster", tmp_path / "root.yaml", home=home, code=2, **environment)
        assert "violates PodSecurity" in said.err
        assert "runs as root" in said.out
        assert cluster.kubectl("get", "jobs,pods", "-n", "strict", "-o", "name") == ""
    finally:
        cluster.kubectl("delete", "namespace", "strict", "--wait=false")
