"""One cluster for all tests of a session, and a home of its own on it for each test."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beds.attempts import Subject
from beds.cluster.cluster import Cluster, cluster_running, missing
from beds.cluster.images import hilum_archive
from beds.deploy_images import ATTEMPT, ENGINE, build_images
from beds.docker_engine import docker_engine_running
from beds.docker_engine import missing as no_docker
from beds.executor_suite import IMAGE, Bench
from beds.gcs import CloudStorage, started
from beds.images import docker_archive
from hilum.executors.kubernetes.manifests import HOME
from hilum.kernel.digest import short_id
from hilum.model.work import AttemptSpec, StepPlan

USER = 65534


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster, with Hilum's image and the suite's. One is enough for this machine, so xdist is refused."""
    if os.environ.get("PYTEST_XDIST_WORKER"):
        pytest.fail("tests on a cluster run without xdist: pytest -p no:xdist tests/cluster")
    if why := missing():
        pytest.skip(why)
    archives = tmp_path_factory.mktemp("images")
    with cluster_running() as cluster:
        cluster.load(hilum_archive(archives / "hilum.tar"))
        cluster.load(docker_archive(archives / "steps.tar", IMAGE))
        yield cluster


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Both images as a file."""
    if why := no_docker():
        pytest.skip(why)
    with docker_engine_running() as engine:
        saved = build_images(engine, tmp_path_factory.mktemp("deploy")).save(ENGINE, ATTEMPT)
    yield saved
    saved.unlink()


@pytest.fixture(scope="session")
def image(archive: Path, cluster: Cluster) -> str:
    """The engine's image, on the node, and so is the small one."""
    cluster.load(archive)
    return ENGINE


@pytest.fixture(scope="session")
def storage_server() -> Iterator[CloudStorage]:
    """A storage server of these tests' own: those that take ``cloud_storage`` are run in several processes."""
    server = started()
    yield server
    server.stop()


@pytest.fixture
def home() -> str:
    """A home's mark on the cluster."""
    return secrets.token_hex(8)


class ClusterSubject(Subject):
    """A subject whose files belong to the user that Hilum's containers run as."""

    def spec(self, *steps: StepPlan, **fields: Any) -> AttemptSpec:
        give_away(self.folder)
        return super().spec(*steps, **fields)


def give_away(folder: Path) -> None:
    """Let the user of Hilum's containers own a folder, as it owns a shared volume."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)


def over(pod: dict[str, Any]) -> bool:
    """Whether a pod's last container has ended; its phase says so only when its network is gone, too."""
    last = pod["status"].get("containerStatuses", [{}])[0]
    return pod["status"]["phase"] in ("Succeeded", "Failed") or "terminated" in last.get("state", {})


@pytest.fixture
def bench(cluster: Cluster, home: str, tmp_path: Path) -> Iterator[Bench]:
    """A bench for the suite of executors."""

    def at_work() -> list[str]:
        pods = json.loads(cluster.kubectl("get", "pods", "-l", f"{HOME}={home}", "-o", "json"))["items"]
        return [pod["metadata"]["name"] for pod in pods if not over(pod)]

    def remove(attempt: str) -> None:
        job = f"batch.kubernetes.io/job-name={short_id('hilum', home, attempt)}"
        cluster.kubectl("delete", "pod", "-l", job, "--wait=false")

    give_away(tmp_path)
    yield Bench(
        kind="beds.cluster.bench:open_executor",
        settings={"home": home, "folder": str(tmp_path)},
        subject=ClusterSubject(tmp_path / "subject"),
        digest=cluster.digest(IMAGE.name),
        remove=remove,
        left=at_work,
        many=int(os.environ.get("HILUM_MANY", "200")),
    )
    cluster.kubectl("delete", "jobs", "-l", f"{HOME}={home}", "--wait=false")
