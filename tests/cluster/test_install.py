"""The chart installed for real: Hilum's own image, two engines, a ledger in PostgreSQL, and volumes that are folders
of this machine.
"""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beds.attempts import run
from beds.chart import CHART, NAME, RELEASE, values_file
from beds.cluster import places
from beds.cluster.cluster import Cluster
from beds.deploy_images import ATTEMPT
from beds.door import door_to
from beds.engines import wait_until
from beds.executor_suite import Bench
from beds.helm import Helm
from beds.namespaces import Namespace, give_away, namespace_of
from beds.postgresql import Cluster as Postgresql
from hilum.dicom.phantom import chest_ct
from hilum.executors.kubernetes.executor import KubernetesExecutor
from hilum.executors.kubernetes.settings import KubernetesSettings, Volume
from hilum.model.work import AttemptOutcome

PATIENCE = 120.0
ENGINES = f"app.kubernetes.io/component=engine,app.kubernetes.io/instance={RELEASE}"


@pytest.fixture
def ledger(postgresql: Postgresql, cluster: Cluster) -> Iterator[str]:
    """SQLAlchemy's URL of an empty database, as pods reach it."""
    database = postgresql.create()
    with door_to(postgresql.folder / ".s.PGSQL.5432", places.MACHINE) as port:
        yield f"postgresql+psycopg://hilum@{places.MACHINE}:{port}/{database}"
    postgresql.drop(database)


class Installed:
    """A release in a namespace of its own."""

    def __init__(self, helm: Helm, namespace: Namespace, folder: Path, values: dict[str, Any]) -> None:
        self.namespace = namespace
        self.inbox = folder / "inbox"
        self.volumes = [self.inbox, folder / "one", folder / "two"]
        for path in self.volumes:
            path.mkdir()
        namespace.volume(self.inbox, "inbox")
        namespace.volume(folder / "one")
        namespace.volume(folder / "two")
        self._helm, self._folder, self.values = helm, folder, values
        self._do("install")

    def upgrade(self, **values: Any) -> None:
        """The same with other values."""
        self.values |= values
        self._do("upgrade")

    def uninstall(self) -> None:
        self._helm("uninstall", RELEASE, "--namespace", self.namespace.name, "--wait")

    def hilum(self, *arguments: str) -> Any:
        """What Hilum says in an engine's pod."""
        return json.loads(
            self.namespace.kubectl("exec", f"deployment/{NAME}", "--", "hilum", *arguments, "--json")
        )

    def engines(self) -> dict[str, str]:
        """Pods of engines that are not about to end, and their addresses."""
        return {
            pod["metadata"]["name"]: pod["status"]["podIP"]
            for pod in self.namespace.got("pods", "-l", ENGINES)["items"]
            if "deletionTimestamp" not in pod["metadata"] and pod["status"].get("podIP")
        }

    def leaders(self) -> list[str]:
        """Those that say that they lead."""
        return [
            name for name, address in self.engines().items() if "hilum_engine_leads 1.0" in metrics(address)
        ]

    def _do(self, verb: str) -> None:
        values = values_file(self._folder, self.values)
        where = ["--namespace", self.namespace.name, "--wait", f"--timeout={PATIENCE:.0f}s"]
        self._helm(verb, RELEASE, CHART, "--values", values, *where)


def metrics(address: str) -> str:
    """What an engine tells Prometheus; nothing while it does not listen."""
    try:
        with urllib.request.urlopen(f"http://{address}:8080/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return ""


@pytest.fixture
def installed(cluster: Cluster, image: str, ledger: str, tmp_path: Path) -> Iterator[Installed]:
    """The release."""
    repository, _, tag = image.partition(":")
    values = {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        "ledger": {"url": ledger},
        "watch": [{"claim": "inbox", "path": "/data/inbox"}],
        "pipelines": {"check.yaml": "name: check\nsettle: {quiet: 1s}\nsteps:\n  qc: {uses: qc}\n"},
        "engine": {"still": 0.5, "sweep": 1, "workers": 1, "resources": {"requests": {"cpu": "100m"}}},
        # The cluster of the tests has no proxy for service addresses, so pods are told where its API server is.
        "env": {"KUBERNETES_SERVICE_HOST": places.NODE, "KUBERNETES_SERVICE_PORT": "6443"},
    }
    with namespace_of(cluster) as namespace:
        yield Installed(Helm(tmp_path / "helm", cluster.kubeconfig), namespace, tmp_path, values)


def test_two_engines_of_which_one_leads_do_the_work_whoever_it_is(
    installed: Installed, tmp_path: Path
) -> None:
    assert wait_until(lambda: len(installed.leaders()) == 1, PATIENCE, 0.5)
    assert len(installed.engines()) == 2
    first = installed.leaders()

    deliver(installed, tmp_path / "first", seed=1)
    assert wait_until(lambda: succeeded(installed) == 1, PATIENCE, 0.5)

    installed.namespace.kubectl("delete", "pod", *first, "--grace-period=0", "--force")
    assert wait_until(lambda: len(installed.leaders()) == 1, PATIENCE, 0.5)
    assert installed.leaders() != first
    deliver(installed, tmp_path / "second", seed=2)
    assert wait_until(lambda: succeeded(installed) == 2, PATIENCE, 0.5)
    assert installed.hilum("quarantine", "list") == []


def test_upgrade_migrates_and_restarts_and_uninstall_keeps_what_is_worth_keeping(
    installed: Installed,
) -> None:
    before = installed.engines()
    installed.upgrade(replicas=1)
    installed.upgrade(replicas=2, attempts={"pods": 5})
    assert wait_until(lambda: len(installed.leaders()) == 1, PATIENCE, 0.5)
    assert not before.keys() & installed.engines().keys()
    about = f"--field-selector=involvedObject.name={NAME}-migrate,reason=Completed"
    migrated = {each["involvedObject"]["uid"] for each in installed.namespace.got("events", about)["items"]}
    assert len(migrated) == 3
    left = {each["metadata"]["name"] for each in installed.namespace.got("secrets,jobs")["items"]}
    assert f"{NAME}-migrate" not in left
    installed.uninstall()
    claims = {each["metadata"]["name"] for each in installed.namespace.got("persistentvolumeclaims")["items"]}
    assert claims == {"inbox", f"{NAME}-home", f"{NAME}-store"}


def test_small_image_stages_and_collects(image: str, bench: Bench, home: str, tmp_path: Path) -> None:
    shared = Volume({"hostPath": {"path": str(tmp_path)}}, str(tmp_path))
    settings = KubernetesSettings(
        image=ATTEMPT, pull="Never", kubeconfig=str(places.KUBECONFIG), volumes=(shared,)
    )
    executor = KubernetesExecutor(settings, home)
    [report] = run(executor, bench.subject.spec(bench.plan("sizes")))
    executor.close()
    assert (report.outcome, report.reason) == (AttemptOutcome.SUCCEEDED, "")


def deliver(installed: Installed, folder: Path, *, seed: int) -> None:
    """A series of a phantom arrives."""
    chest_ct(folder, seed=seed)
    give_away(folder)
    shutil.copytree(folder, installed.inbox / folder.name)
    give_away(installed.inbox)


def succeeded(installed: Installed) -> int:
    """Runs that did."""
    found: int = installed.hilum("status")["runs"].get("check", {}).get("succeeded", 0)
    return found
