"""What a real API server says of the Helm chart: its objects are taken, its pods admitted by the restricted standard,
and the engine's service account can do what the executor does and nothing else.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lightkube import Client

from beds.attempts import Subject, SubjectInBucket, collect, run
from beds.chart import EXAMPLES, NAME, SMALLEST, one, pod_templates, rendered, values_file
from beds.cluster import places
from beds.cluster.cluster import Cluster
from beds.cluster.images import HILUM
from beds.engines import wait_until
from beds.executor_suite import Bench
from beds.faults import faulty
from beds.gcs import CloudStorage
from beds.helm import Helm, helm
from beds.namespaces import Namespace, namespace_of
from beds.tokens import token_service
from hilum.executors.kubernetes import manifests
from hilum.executors.kubernetes.client import connect
from hilum.executors.kubernetes.executor import KubernetesExecutor
from hilum.executors.kubernetes.settings import KubernetesSettings, Volume
from hilum.model.work import AttemptOutcome, AttemptSpec, StepPlan
from hilum.settings import load_settings

__all__ = ["helm"]

NO_OPERATORS = (
    "--set=metrics.podMonitoring.enabled=false",
    "--set=metrics.serviceMonitor.enabled=false",
)
"""The kinds of Prometheus' and Google's operators are not on this cluster."""


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[Namespace]:
    """A namespace of the test's own."""
    with namespace_of(cluster) as namespace:
        yield namespace


@pytest.fixture(params=[*EXAMPLES, None], ids=lambda path: path.stem if path else "smallest")
def objects(request: pytest.FixtureRequest, helm: Helm, tmp_path: Path) -> list[dict[str, Any]]:
    """What the chart makes of values that people start from."""
    return rendered(helm, request.param or values_file(tmp_path, SMALLEST), *NO_OPERATORS)


def values(credentials: str) -> dict[str, Any]:
    """The smallest values of a release whose attempts have such credentials."""
    return {**SMALLEST, "attempts": {"credentials": credentials}}


def settings_of(objects: list[dict[str, Any]], folder: Path) -> KubernetesSettings:
    """The executor's settings in the rendered hilum.toml."""
    (folder / "hilum.toml").write_text(one(objects, "ConfigMap")["data"]["hilum.toml"])
    settings = load_settings(folder, environment={}).kubernetes
    assert settings is not None
    return settings


def pod(template: dict[str, Any], name: str) -> dict[str, Any]:
    """A pod of a template, for asking whether it is admitted; whatever else has to be there for it is left out."""
    spec = {**template["spec"], "serviceAccountName": "default", "restartPolicy": "Never"}
    spec.pop("priorityClassName", None)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def test_every_object_is_taken(objects: list[dict[str, Any]], namespace: Namespace) -> None:
    said = namespace.apply(*objects, dry=True).splitlines()
    assert len(said) == len(objects)
    assert all(line.endswith("created (server dry run)") for line in said)


def test_its_pods_are_admitted(objects: list[dict[str, Any]], namespace: Namespace) -> None:
    templates = pod_templates(objects)
    namespace.apply(*(pod(template, name) for name, template in templates.items()), dry=True)
    loose = copy.deepcopy(templates["engine"])
    del loose["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"]
    with pytest.raises(RuntimeError, match="violates PodSecurity"):
        namespace.apply(pod(loose, "loose"), dry=True)


def test_attempts_pods_are_admitted(
    objects: list[dict[str, Any]], namespace: Namespace, bench: Bench, tmp_path: Path
) -> None:
    settings = settings_of(objects, tmp_path)
    step = bench.plan("sizes")
    python = replace(step, image=None, uses="qc")
    for name, plan in (("image", step), ("python", python)):
        spec = bench.subject.spec(plan)
        job = manifests.job(manifests.pod_template(spec, settings), [spec], settings, "home")
        namespace.apply(pod(job["spec"]["template"], name), dry=True)


@pytest.mark.parametrize("credentials", ["own", "downscoped"])
def test_service_accounts_may_do_what_the_readme_says_and_nothing_else(
    helm: Helm, namespace: Namespace, tmp_path: Path, credentials: str
) -> None:
    objects = rendered(helm, values_file(tmp_path, values(credentials)), "--namespace", namespace.name)
    anybody = namespace.rights()
    namespace.apply(*(each for each in objects if each["kind"] in ("ServiceAccount", "Role", "RoleBinding")))
    assert namespace.rights(NAME) - anybody == RIGHTS | (SECRETS if credentials == "downscoped" else set())
    assert namespace.rights(f"{NAME}-attempts") == anybody
    assert namespace.rights(NAME, "default") == anybody


RIGHTS = {
    *(("batch", "jobs", verb) for verb in ("create", "get", "list", "watch", "delete")),
    *(("", "configmaps", verb) for verb in ("create", "list")),
    *(("", "pods", verb) for verb in ("list", "watch", "delete")),
    ("", "pods/log", "get"),
    ("", "events", "list"),
}
SECRETS = {("", "secrets", verb) for verb in ("create", "patch")}
"""What attempts with credentials of their own take beside."""
ALONE = ("", "pods", "delete")
"""What is not asked for where each attempt has a Job of its own."""
VERBS = {"POST": "create", "DELETE": "delete", "PATCH": "patch"}
PATH = re.compile(
    r"/api(?:s/(?P<group>[^/]+))?/v1/namespaces/[^/]+/(?P<what>[^/]+)(?:/(?P<name>[^/]+))?(?P<sub>/.*)?"
)


class Asked:
    """What executors ask of the API server, in the words of roles."""

    def __init__(self) -> None:
        self.for_: set[tuple[str, str, str]] = set()

    def connect(self, *arguments: str) -> Client:
        """A client that is listened to."""
        client = connect(*arguments)
        client._client._client.event_hooks = {"request": [self._take], "response": []}
        return client

    def _take(self, request: Any) -> None:
        found = PATH.fullmatch(request.url.path)
        assert found is not None, request.url.path
        reads = "get" if found["name"] else "watch" if request.url.params.get("watch") else "list"
        verb = VERBS.get(request.method, reads)
        self.for_.add((found["group"] or "", found["what"] + (found["sub"] or ""), verb))


class TestRights:
    """The executor's work with the engine's own service account, in a namespace under the restricted standard."""

    @pytest.fixture(params=["own", "downscoped"])
    def credentials(self, request: pytest.FixtureRequest) -> str:
        found: str = request.param
        return found

    @pytest.fixture
    def bucket_for_pods(
        self, storage_server: CloudStorage, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[tuple[str, str]]:
        """A bucket, and the storage server as pods reach it."""
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage_server.host)
        with faulty(storage_server.host, places.MACHINE) as proxy:
            yield storage_server.create_bucket(), proxy.host

    @pytest.fixture
    def subject(
        self, credentials: str, bench: Bench, request: pytest.FixtureRequest, tmp_path: Path
    ) -> Subject:
        """In a bucket, where credentials are for buckets alone."""
        if credentials == "own":
            return bench.subject
        bucket, _ = request.getfixturevalue("bucket_for_pods")
        return SubjectInBucket(tmp_path / "in", bucket=bucket)

    @pytest.fixture
    def settings(
        self,
        credentials: str,
        helm: Helm,
        namespace: Namespace,
        bench: Bench,
        tmp_path: Path,
        request: pytest.FixtureRequest,
    ) -> KubernetesSettings:
        objects = rendered(helm, values_file(tmp_path, values(credentials)), "--namespace", namespace.name)
        namespace.apply(
            *(each for each in objects if each["kind"] in ("ServiceAccount", "Role", "RoleBinding"))
        )
        found = replace(
            settings_of(objects, tmp_path), pull="Never", kubeconfig=str(namespace.identity(NAME))
        )
        if credentials == "own":
            namespace.volume(tmp_path, "shared")
            shared = Volume({"persistentVolumeClaim": {"claimName": "shared"}}, str(tmp_path))
            return replace(found, image=HILUM, volumes=(shared,))
        _, storage = request.getfixturevalue("bucket_for_pods")
        image = request.getfixturevalue("image")
        return replace(found, image=image, volumes=(), env={"STORAGE_EMULATOR_HOST": storage})

    @pytest.fixture
    def opened(self, settings: KubernetesSettings, home: str) -> Iterator[Callable[..., KubernetesExecutor]]:
        """Makes executors of one home."""
        with token_service() as tokens:

            def make(**others: Any) -> KubernetesExecutor:
                return KubernetesExecutor(replace(settings, **others), home, broker=tokens.broker)

            yield make

    def test_everything_that_it_does_is_allowed_and_nothing_else_is_needed(
        self,
        credentials: str,
        settings: KubernetesSettings,
        namespace: Namespace,
        bench: Bench,
        subject: Subject,
        opened: Callable[..., KubernetesExecutor],
        home: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        asked = Asked()
        monkeypatch.setattr("hilum.executors.kubernetes.executor.connect", asked.connect)
        plan = bench.plan

        def attempt(plan: StepPlan) -> AttemptSpec:
            return subject.spec(plan, cpu=0.1, memory=64 << 20)

        first = opened()
        [done] = run(first, attempt(plan("sizes")))
        assert (done.outcome, done.reason) == (AttemptOutcome.SUCCEEDED, "")
        [failed] = run(first, spec := attempt(plan("leave", "3")))
        assert failed.exit_code == 3
        assert b"about to leave" in b"".join(first.logs(spec.id))

        alike = plan("sleep", "600")
        together = [attempt(alike), attempt(alike)]
        alone = attempt(plan("sleep", "601"))
        for each in (*together, alone):
            first.submit(each)
        begun: set[str] = set()

        def all_begun() -> bool:
            begun.update(event.attempt_id for event in first.watch(1.0))
            return len(begun) == 3

        assert wait_until(all_begun)
        first._jobs.make(manifests.pod_template(alone, settings), [alone])
        first.close()

        second = opened()
        assert {each.id for each in second.adopt({alone.id, together[0].id})} == {alone.id, together[0].id}
        second.cancel(alone.id)
        second.cancel(together[0].id)
        reports, _ = collect(second, 2)
        assert {report.outcome for report in reports} == {AttemptOutcome.CANCELLED}

        namespace.kubectl("create", "quota", "none", "--hard=pods=0")
        hungry = attempt(plan("sizes"))
        second.submit(hungry)
        second.watch(2.0)
        job = manifests.job_name(home, [hungry])
        assert wait_until(lambda: "quota" in second._jobs.why_no_pod(job), every=0.2)
        second.close()
        assert asked.for_ == (RIGHTS if credentials == "own" else (RIGHTS - {ALONE}) | SECRETS)

    def test_without_them_nothing_is(
        self,
        namespace: Namespace,
        bench: Bench,
        subject: Subject,
        opened: Callable[..., KubernetesExecutor],
    ) -> None:
        executor = opened(kubeconfig=str(namespace.identity(f"{NAME}-attempts")))
        [report] = run(executor, subject.spec(bench.plan("sizes")))
        executor.close()
        assert (report.outcome, report.reason) == (AttemptOutcome.FAILED, "job-refused")
