"""Credentials of one attempt: what they allow is what it does, before a real storage server whose requests are held
against the boundary of their token by beds/tokens.py's gate, since no server here obeys such tokens itself.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from beds.api_server import ApiServer, Refusal, api_server
from beds.attempts import SubjectInBucket, plan
from beds.faults import Proxy, faulty
from beds.gcs import CloudStorage
from beds.tokens import Gate, TokenService, token_service
from hilum.errors import StepError
from hilum.executors import staged
from hilum.executors.kubernetes import manifests
from hilum.executors.kubernetes.client import connect
from hilum.executors.kubernetes.credentials import AGAIN, Tokens, rules
from hilum.executors.kubernetes.jobs import ClusterGone, Jobs
from hilum.executors.kubernetes.settings import DOWNSCOPED, KubernetesSettings
from hilum.executors.outputs import Made, MadeFile, commit
from hilum.kernel.clock import ManualClock, SystemClock
from hilum.model.image import ImagePlan
from hilum.model.keys import artifact_object, manifest_object, revision_object
from hilum.model.work import AttemptSpec, StepPlan, TaskState
from hilum.storage import open_storage
from hilum.storage.gcs.client import _client
from hilum.storage.gcs.credentials import READ, TOKEN_FILE, Token

DIGEST = f"sha256:{'a' * 64}"
SETTINGS = KubernetesSettings(image="hilum:1", credentials="downscoped")
CLOCK = SystemClock()


@pytest.fixture
def service() -> Iterator[TokenService]:
    with token_service() as service:
        yield service


@pytest.fixture
def proxy(bucket: str, cloud_storage: CloudStorage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    with faulty(cloud_storage.host) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
        yield proxy


@pytest.fixture
def spec(bucket: str, proxy: Proxy, tmp_path: Path) -> AttemptSpec:
    """An attempt at an image step that needs another one, all of it in a bucket."""
    subject = SubjectInBucket(tmp_path / "subject", bucket=bucket)
    step = StepPlan(
        name="step",
        uses="",
        code={"image": DIGEST},
        needs=("before",),
        light=False,
        image=ImagePlan(reference="a/b:1", digest=DIGEST, contract="native"),
    )
    spec = subject.spec(step, done={"before": "ab" * 32})
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "mask").write_text("made before")
    files = (MadeFile("mask", "mask", "text/plain"),)
    made = Made("step", "ab" * 32, {}, files, (), "2026-01-01T00:00:00+00:00")
    commit(subject.store, replace(spec, id="g-before.1"), made, tmp_path / "before", "here", CLOCK)
    return spec


@contextmanager
def limited_to(token: Token, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the block asks of storage it asks with this token, as a pod does."""
    (folder / "token.json").write_bytes(token.data())
    with monkeypatch.context() as patched:
        patched.setenv(TOKEN_FILE, str(folder / "token.json"))
        _client.cache_clear()
        yield
    _client.cache_clear()


def test_an_attempt_can_do_what_it_has_to(
    spec: AttemptSpec, proxy: Proxy, service: TokenService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = Tokens(service.broker, CLOCK).mint(spec)
    proxy.rule = gate = Gate(service.given)
    folder = tmp_path / "attempt"
    with limited_to(token, tmp_path, monkeypatch):
        storage = open_storage(spec.store)
        assert staged.stage(spec, storage, folder, CLOCK) is None
        (folder / "out").mkdir(exist_ok=True)
        (folder / "out" / "result.txt").write_text("what the step made")
        result = staged.collect(spec, storage, folder, "node", CLOCK)
        again = staged.stage(replace(spec), storage, tmp_path / "again", CLOCK)
    assert (result.state, result.reason) == (TaskState.SUCCEEDED, "")
    assert again is not None
    assert again.reused
    assert gate.refused == []
    assert {action for action, _ in gate.passed} == {"get", "create"}


@pytest.mark.parametrize(
    ("action", "name"),
    [
        ("read", "store/tasks/cd/" + "cd" * 32 + "/manifest.json"),
        ("read", "in/another patient/1.dcm"),
        ("write", "in/patient/instance 0#.dcm"),
        ("delete", "in/patient/instance 0#.dcm"),
        ("write", "store/revisions/mine.jsonl"),
        ("delete", "store/tasks/ab/" + "ab" * 32 + "/manifest.json"),
        ("write", "store/tasks/ab/" + "ab" * 32 + "/g-other.1/mask"),
        ("list", ""),
    ],
)
def test_it_can_do_nothing_else(
    spec: AttemptSpec,
    bucket: str,
    proxy: Proxy,
    service: TokenService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    name: str,
) -> None:
    token = Tokens(service.broker, CLOCK).mint(spec)
    proxy.rule = gate = Gate(service.given)
    with limited_to(token, tmp_path, monkeypatch):
        everything = open_storage(f"gs://{bucket}")
        (tmp_path / "file").write_text("x")
        tries: dict[str, Any] = {
            "read": lambda: everything.read(name),
            "write": lambda: everything.create(name, b"x"),
            "delete": lambda: everything.delete(name),
            "list": lambda: list(everything.list()),
        }
        with pytest.raises(Exception, match="refuses"):
            tries[action]()
    assert len(gate.refused) == 1
    assert gate.passed == []


def test_its_own_manifest_can_be_made_but_not_taken_away(spec: AttemptSpec) -> None:
    read, create, write = (
        rule for rule in rules(spec, open_storage(spec.store), CLOCK) if "store" in rule.condition
    )
    [manifest] = create.names
    assert manifest.endswith("/manifest.json")
    assert write.prefixes == (f"{manifest.removesuffix('manifest.json')}{spec.id}/",)
    assert not manifest.startswith(write.prefixes[0])
    assert f"store/{manifest_object('ab' * 32)}".startswith(read.prefixes)
    assert not f"store/{artifact_object('cd' * 32, 'g-1.1', 'x')}".startswith(read.prefixes)


def test_python_steps_may_write_results_and_read_their_instances(spec: AttemptSpec) -> None:
    python = replace(spec, steps=(plan("sizes"), plan("random")), done={})
    found = rules(python, open_storage(spec.store), CLOCK)
    assert [(rule.role.rpartition(".")[2], rule.names[:1] + rule.prefixes) for rule in found[:2]] == [
        ("objectViewer", (f"store/{revision_object(spec.revision)}",)),
        ("objectUser", ("store/tasks/",)),
    ]
    assert all(name.startswith("in/patient/") for name in found[2].names)


@pytest.mark.parametrize(
    ("done", "said"), [({"before": None}, ("skipped", "need-skipped")), ({}, ("blocked", "need-dead"))]
)
def test_one_whose_need_was_skipped_or_never_done_may_read_and_says_so(
    spec: AttemptSpec,
    proxy: Proxy,
    service: TokenService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    done: dict[str, str | None],
    said: tuple[str, str],
) -> None:
    spec = replace(spec, done=done)
    assert {rule.role for rule in rules(spec, open_storage(spec.store), CLOCK)} == {READ}
    token = Tokens(service.broker, CLOCK).mint(spec)
    proxy.rule = gate = Gate(service.given)
    with limited_to(token, tmp_path, monkeypatch):
        result = staged.stage(spec, open_storage(spec.store), tmp_path / "attempt", CLOCK)
    assert result is not None
    assert (result.state, result.reason) == said
    assert gate.refused == []


class TestPods:
    def pod(self, spec: AttemptSpec) -> dict[str, Any]:
        template = manifests.pod_template(spec, SETTINGS)
        job = manifests.job(template, [spec], SETTINGS, "home")
        found: dict[str, Any] = job["spec"]["template"]["spec"]
        return found

    def test_only_containers_of_ours_mount_the_token(self, spec: AttemptSpec) -> None:
        pod = self.pod(spec)
        mounts = {
            each["name"]: {mount["name"] for mount in each["volumeMounts"]}
            for each in [*pod["initContainers"], *pod["containers"]]
        }
        assert {name for name, mounted in mounts.items() if "token" in mounted} == {"stage", "collect"}
        [step] = [each for each in pod["initContainers"] if each["name"] == "step"]
        assert TOKEN_FILE not in {each["name"] for each in step["env"]}
        [volume] = [each for each in pod["volumes"] if each["name"] == "token"]
        assert volume["secret"] == {"secretName": manifests.job_name("home", [spec])}

    def test_each_attempt_has_a_job_and_a_secret_of_its_own(self, spec: AttemptSpec) -> None:
        both = [spec, replace(spec, id="g-other.1")]
        own = replace(SETTINGS, credentials="own")
        assert [len(batch.specs) for batch in manifests.batches(both, SETTINGS, room=2)] == [1, 1]
        assert [len(batch.specs) for batch in manifests.batches(both, own, room=2)] == [2]

    def test_attempts_with_credentials_share_no_pod(self, spec: AttemptSpec) -> None:
        light = replace(spec, steps=(StepPlan("qc", "qc", {}),))
        many = [replace(light, id=f"g-{number}.1") for number in range(4)]
        assert [batch.per_pod for batch in manifests.batches(many, SETTINGS, room=4)] == [1] * 4
        own = replace(SETTINGS, credentials="own")
        assert [batch.per_pod for batch in manifests.batches(many, own, room=1)] == [4]

    def test_the_secret_goes_with_its_job_and_the_job_tells_nothing_of_it(self, spec: AttemptSpec) -> None:
        secret = manifests.secret("uid", [spec], "home", Token("the-token", CLOCK.now()).data())
        assert secret["metadata"]["ownerReferences"][0]["uid"] == "uid"
        assert "the-token" not in json.dumps(self.pod(spec))
        assert manifests.job_name("home", [spec]) == secret["metadata"]["name"]

    def test_without_it_nothing_of_it_is_there(self, spec: AttemptSpec) -> None:
        own = replace(SETTINGS, credentials="own")
        job = manifests.job(manifests.pod_template(spec, own), [spec], own, "home")
        assert "token" not in {each["name"] for each in job["spec"]["template"]["spec"]["volumes"]}
        assert DOWNSCOPED not in json.dumps(job)


class TestMaking:
    """What the API server is asked for. It is a stand-in, which can be made to refuse at a given moment."""

    @pytest.fixture
    def server(self) -> Iterator[ApiServer]:
        with api_server() as server:
            yield server

    @pytest.fixture
    def jobs(self, server: ApiServer, service: TokenService, tmp_path: Path) -> Iterator[Jobs]:
        client = connect(str(server.kubeconfig(tmp_path)), "default")
        yield Jobs(client, SETTINGS, "home", Tokens(service.broker, CLOCK))
        client.close()

    def make(self, jobs: Jobs, spec: AttemptSpec) -> str:
        name, _ = jobs.make(manifests.pod_template(spec, SETTINGS), [spec])
        return name

    def token(self, server: ApiServer, name: str) -> str:
        """The text of the token in a Secret."""
        data = server.objects["Secret", name]["data"][manifests.TOKEN_FILE_NAME]
        text: str = json.loads(base64.b64decode(data))["token"]
        return text

    def test_by_what_a_job_is_found_comes_last(
        self, server: ApiServer, jobs: Jobs, spec: AttemptSpec
    ) -> None:
        self.make(jobs, spec)
        assert [asked.kind for asked in server.asked if asked.verb == "create"] == [
            "Job",
            "Secret",
            "ConfigMap",
        ]

    @pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
    def test_nothing_is_left_of_a_job_of_which_a_part_was_refused(
        self, server: ApiServer, jobs: Jobs, spec: AttemptSpec, kind: str
    ) -> None:
        server.rule = lambda asked: Refusal(403) if (asked.verb, asked.kind) == ("create", kind) else None
        with pytest.raises(StepError, match="Kubernetes refuses"):
            self.make(jobs, spec)
        assert server.objects == {}

    def test_one_that_is_made_again_has_its_newest_token(
        self, server: ApiServer, jobs: Jobs, service: TokenService, spec: AttemptSpec
    ) -> None:
        server.rule = lambda asked: Refusal(503) if asked.kind == "ConfigMap" else None
        with pytest.raises(ClusterGone):
            self.make(jobs, spec)
        server.rule = lambda asked: None
        name = self.make(jobs, spec)
        assert self.token(server, name) == list(service.given)[-1]
        assert len(service.given) == 2


class TestRenewal:
    def test_a_token_is_renewed_ten_minutes_before_it_runs_out(
        self, spec: AttemptSpec, service: TokenService
    ) -> None:
        clock = ManualClock(CLOCK.now())
        tokens = Tokens(service.broker, clock)
        tokens.mint(spec)
        clock.advance(timedelta(minutes=49).total_seconds())
        assert list(tokens.due()) == []
        clock.advance(timedelta(minutes=2).total_seconds())
        assert list(tokens.due()) == [spec.id]
        assert list(tokens.due()) == []

    def test_where_no_younger_one_can_be_had_it_is_tried_each_minute(
        self, spec: AttemptSpec, service: TokenService
    ) -> None:
        clock = ManualClock(CLOCK.now())
        service.lifetime = timedelta(minutes=8)
        tokens = Tokens(service.broker, clock)
        tokens.mint(spec)
        assert list(tokens.due()) == []
        clock.advance(AGAIN.total_seconds())
        assert list(tokens.due()) == [spec.id]

    def test_a_second_token_of_an_attempt_has_one_renewal_with_the_first(
        self, spec: AttemptSpec, service: TokenService
    ) -> None:
        clock = ManualClock(CLOCK.now())
        tokens = Tokens(service.broker, clock)
        tokens.mint(spec)
        tokens.mint(spec)
        clock.advance(timedelta(minutes=51).total_seconds())
        assert list(tokens.due()) == [spec.id]
