"""What the executor asks a cluster for and in what order, where it has too little room, where answers are lost, and
where it is refused. The API server is a stand-in that can be made to fail at a given moment, and pods are what a test
says of them; tests/cluster has real ones.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from beds.api_server import ApiServer, Asked, Refusal, api_server
from beds.attempts import Subject
from beds.faults import Refused, faulty
from beds.gcs import CloudStorage
from hilum.executors.kubernetes import manifests
from hilum.executors.kubernetes.executor import GATHER, KubernetesExecutor
from hilum.executors.kubernetes.settings import KubernetesSettings
from hilum.kernel.clock import ManualClock, SystemClock
from hilum.model.codec import to_json
from hilum.model.image import ImagePlan
from hilum.model.keys import report_object
from hilum.model.work import AttemptOutcome, AttemptReport, AttemptSpec, StepPlan, TaskResult, TaskState
from hilum.storage import Storage, open_storage

DIGEST = f"sha256:{'a' * 64}"
IMAGE = StepPlan("step", "", {}, light=False, image=ImagePlan("a/b:1", DIGEST, contract="command"))
LIGHT = StepPlan("qc", "qc", {})
LONGER_THAN_ANY_PAUSE = 60.0
PATIENCE = 30.0


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_server() as server:
        yield server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(SystemClock().now())


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject(tmp_path / "subject")


Open = Callable[..., KubernetesExecutor]


@pytest.fixture
def opened(server: ApiServer, clock: ManualClock, tmp_path: Path) -> Iterator[Open]:
    """Makes executors of one home."""
    made: list[KubernetesExecutor] = []

    def make(**settings: Any) -> KubernetesExecutor:
        given = KubernetesSettings(image="hilum:1", kubeconfig=str(server.kubeconfig(tmp_path)), **settings)
        made.append(KubernetesExecutor(given, "home", clock=clock))
        return made[-1]

    yield make
    for executor in made:
        executor.close()


def attempts(server: ApiServer) -> dict[str, list[list[str]]]:
    """Ids of the attempts of each pod, by Job, as the cluster was told."""
    found = {}
    for job in server.named("Job"):
        data = server.objects["ConfigMap", job]["binaryData"][manifests.SPECS_FILE]
        shards = manifests.specs_of(base64.b64decode(data))
        assert server.objects["Job", job]["spec"]["completions"] == len(shards)
        found[job] = [[spec.id for spec in shard] for shard in shards]
    return found


def pods(server: ApiServer) -> int:
    """How many pods were asked for."""
    return sum(len(shards) for shards in attempts(server).values())


def succeeded(spec: AttemptSpec) -> dict[str, Any]:
    """The state of a pod whose attempt was alone in it and ended well."""
    results = [to_json(TaskResult(step.name, TaskState.SUCCEEDED, "ab" * 32)) for step in spec.steps]
    message = json.dumps({"results": results, "current": ""})
    name = manifests.COLLECT if spec.steps[0].image else manifests.WORK
    return {"phase": "Succeeded", "containerStatuses": [container(name, exitCode=0, message=message)]}


def container(name: str, **terminated: Any) -> dict[str, Any]:
    """A container that has ended."""
    fixed = {"image": "", "imageID": "", "ready": False, "restartCount": 0}
    return {"name": name, **fixed, "state": {"terminated": terminated}}


OVER = {"phase": "Succeeded", "containerStatuses": [container(manifests.WORK, exitCode=0)]}
"""The state of a pod that several attempts shared."""


def submit(executor: KubernetesExecutor, specs: Sequence[AttemptSpec]) -> None:
    for spec in specs:
        executor.submit(spec)


def told(executor: KubernetesExecutor, count: int) -> list[AttemptReport]:
    """Reports, as many as are waited for."""
    found: list[AttemptReport] = []
    end = SystemClock().monotonic() + PATIENCE
    while len(found) < count:
        assert SystemClock().monotonic() < end, f"only {found}"
        found += [each for each in executor.watch(0.2) if isinstance(each, AttemptReport)]
    return found


def once(wanted: Asked, refusal: Refusal) -> Callable[[Asked], Refusal | None]:
    """A rule that refuses the first request of this verb and kind."""
    left = [refusal]
    return lambda asked: (
        left.pop() if left and (asked.verb, asked.kind) == (wanted.verb, wanted.kind) else None
    )


class TestRoom:
    def test_there_are_never_more_pods_than_there_may_be_and_the_rest_waits_its_turn(
        self, server: ApiServer, clock: ManualClock, subject: Subject, opened: Open
    ) -> None:
        executor = opened(pods=4)
        specs = [subject.spec(IMAGE) for _ in range(10)]
        submit(executor, specs)
        reports: list[AttemptReport] = []
        ended = 0
        while len(reports) < 10:
            executor.watch(0.0)
            assert 0 < pods(server) - ended <= 4
            for job, shards in attempts(server).items():
                for index in range(len(shards)):
                    server.pod(job, index, **succeeded(specs[0]))
            reports += told(executor, pods(server) - ended)
            ended = len(reports)
            clock.advance(GATHER)
        assert [each.outcome for each in reports] == [AttemptOutcome.SUCCEEDED] * 10
        assert {each.attempt_id for each in reports} == {spec.id for spec in specs}

    def test_kinds_that_come_together_share_the_room(
        self, server: ApiServer, subject: Subject, opened: Open
    ) -> None:
        executor = opened(pods=10)
        other = StepPlan("other", "qc", {})
        few = [subject.spec(LIGHT, cpu=0.5) for _ in range(20)]
        many = [subject.spec(other) for _ in range(60)]
        images = [subject.spec(IMAGE) for _ in range(2)]
        submit(executor, [*images, *few, *many])
        executor.watch(0.0)
        sizes = [Counter(len(shard) for shard in shards) for shards in attempts(server).values()]
        assert sizes == [{1: 2}, {10: 2}, {10: 6}]

    def test_one_that_has_taken_over_more_than_it_may_have_makes_nothing_and_goes_on_later(
        self, server: ApiServer, clock: ManualClock, subject: Subject, opened: Open
    ) -> None:
        before = opened(pods=6)
        old = [subject.spec(IMAGE) for _ in range(6)]
        submit(before, old)
        before.watch(0.0)
        before.close()
        executor = opened(pods=2)
        assert len(executor.adopt([spec.id for spec in old])) == 6
        assert executor.capacity() == 0
        new = [subject.spec(LIGHT) for _ in range(5)]
        submit(executor, new)
        executor.watch(0.0)
        assert pods(server) == 6
        [job] = server.named("Job")
        for index in range(4):
            server.pod(job, index, **succeeded(old[0]))
        told(executor, 4)
        clock.advance(GATHER)
        executor.watch(0.0)
        assert pods(server) == 6
        for index in range(4, 6):
            server.pod(job, index, **succeeded(old[0]))
        told(executor, 2)
        clock.advance(GATHER)
        executor.watch(0.0)
        assert pods(server) in (
            6 + 1,
            6 + 2,
        )  # the two ends may come one after the other, and five share one pod then

    def test_light_ones_do_not_lead_to_hundreds_of_others(self, subject: Subject, opened: Open) -> None:
        executor = opened(pods=10)
        assert executor.capacity() == 10
        submit(executor, [subject.spec(LIGHT) for _ in range(10)])
        assert executor.watch(0.0) == ()
        assert executor.capacity() == 10
        submit(executor, [subject.spec(IMAGE) for _ in range(10)])
        assert executor.capacity() == 0

    def test_light_ones_are_asked_for_until_pods_are_full_of_them(
        self, subject: Subject, opened: Open
    ) -> None:
        executor = opened(pods=10, shard=20)
        came = 0
        while room := executor.capacity():
            came += room
            submit(executor, [subject.spec(LIGHT) for _ in range(room)])
        assert came == 10 * 20


class TestLostAnswers:
    """The API server goes away while a Job is made."""

    @pytest.mark.parametrize("kind", ["Job", "ConfigMap"])
    @pytest.mark.parametrize("done", [False, True])
    def test_the_same_job_is_asked_for_again_whatever_came_meanwhile(
        self, server: ApiServer, clock: ManualClock, subject: Subject, opened: Open, kind: str, done: bool
    ) -> None:
        executor = opened(pods=4)
        first, second = ([subject.spec(LIGHT) for _ in range(6)] for _ in range(2))
        server.rule = once(Asked("create", kind), Refusal(503, done))
        submit(executor, first)
        executor.watch(0.0)
        submit(executor, second)
        clock.advance(LONGER_THAN_ANY_PAUSE)
        executor.watch(0.0)
        ids = [spec.id for spec in first]
        assert list(attempts(server).values()) == [
            [ids[0:2], ids[2:4], ids[4:6]],
            [[spec.id for spec in second]],
        ]

    def test_one_that_was_cancelled_meanwhile_is_ended_as_soon_as_its_job_is_known(
        self, server: ApiServer, clock: ManualClock, subject: Subject, opened: Open
    ) -> None:
        executor = opened(pods=4)
        spec = subject.spec(IMAGE)
        server.rule = once(Asked("create", "ConfigMap"), Refusal(503))
        executor.submit(spec)
        executor.watch(0.0)
        executor.cancel(spec.id)
        assert server.named("Job")
        clock.advance(LONGER_THAN_ANY_PAUSE)
        [report] = told(executor, 1)
        assert report.outcome is AttemptOutcome.CANCELLED
        assert server.named("Job") == []

    def test_one_that_was_adopted_meanwhile_is_there_once(
        self, server: ApiServer, clock: ManualClock, subject: Subject, opened: Open
    ) -> None:
        executor = opened(pods=4)
        spec = subject.spec(IMAGE)
        server.rule = once(Asked("create", "ConfigMap"), Refusal(503, done=True))
        executor.submit(spec)
        executor.watch(0.0)
        assert [each.id for each in executor.adopt([spec.id])] == [spec.id]
        clock.advance(LONGER_THAN_ANY_PAUSE)
        executor.watch(0.0)
        [job] = server.named("Job")
        server.pod(job, **succeeded(spec))
        [report] = told(executor, 1)
        assert report.outcome is AttemptOutcome.SUCCEEDED
        assert list(executor.watch(0.2)) == []


class TestRefusals:
    def test_a_job_whose_attempts_cannot_be_told_to_its_pods_is_taken_back(
        self, server: ApiServer, subject: Subject, opened: Open
    ) -> None:
        executor = opened(pods=4)
        server.rule = once(Asked("create", "ConfigMap"), Refusal(403))
        executor.submit(subject.spec(IMAGE))
        [report] = told(executor, 1)
        assert (report.outcome, report.reason) == (AttemptOutcome.FAILED, "job-refused")
        assert server.objects == {}


class TestSharedPods:
    """Attempts that share a pod leave reports of their own in storage."""

    def begin(
        self, server: ApiServer, opened: Open, specs: Sequence[AttemptSpec]
    ) -> tuple[KubernetesExecutor, str]:
        """Attempts in one pod, and their Job."""
        executor = opened(pods=1)
        submit(executor, specs)
        executor.watch(0.0)
        executor.watch(0.0)
        [job] = server.named("Job")
        assert attempts(server) == {job: [[spec.id for spec in specs]]}
        return executor, job

    def leave(self, storage: Storage, spec: AttemptSpec) -> None:
        """What the attempt's pod leaves."""
        report = AttemptReport(spec.id, AttemptOutcome.SUCCEEDED, executor="process")
        storage.create(report_object(spec.id), json.dumps(to_json(report)).encode())

    def test_a_report_stays_until_whoever_was_told_asks_again(
        self, server: ApiServer, subject: Subject, opened: Open
    ) -> None:
        specs = [subject.spec(LIGHT) for _ in range(2)]
        executor, job = self.begin(server, opened, specs)
        for spec in specs:
            self.leave(subject.store, spec)
        server.pod(job, **OVER)
        reports = told(executor, 2)
        assert {each.outcome for each in reports} == {AttemptOutcome.SUCCEEDED}
        assert all(subject.store.stat(report_object(spec.id)) for spec in specs)
        executor.watch(0.0)
        assert list(subject.store.list("attempts/")) == []

    def test_one_that_ended_before_its_engine_told_of_it_is_told_of_by_the_next(
        self, server: ApiServer, subject: Subject, opened: Open
    ) -> None:
        specs = [subject.spec(LIGHT) for _ in range(2)]
        executor, job = self.begin(server, opened, specs)
        for spec in specs:
            self.leave(subject.store, spec)
        server.pod(job, **OVER)
        told(executor, 2)
        executor.close()
        following = opened(pods=1)
        following.adopt([spec.id for spec in specs])
        assert {each.outcome for each in told(following, 2)} == {AttemptOutcome.SUCCEEDED}

    @pytest.mark.parametrize("damage", ["no text", "no report", "no file"])
    def test_a_report_that_cannot_be_read_is_nobody_elses_trouble(
        self, server: ApiServer, subject: Subject, opened: Open, damage: str
    ) -> None:
        specs = [subject.spec(LIGHT) for _ in range(2)]
        executor, job = self.begin(server, opened, specs)
        if damage == "no file":
            (subject.folder / "store" / report_object(specs[0].id)).mkdir(parents=True)
        else:
            data = {"no text": b"\xff", "no report": b"[]"}[damage]
            subject.store.create(report_object(specs[0].id), data)
        self.leave(subject.store, specs[1])
        server.pod(job, **OVER)
        ends = {each.attempt_id: each.outcome for each in told(executor, 2)}
        assert ends == {specs[0].id: AttemptOutcome.LOST, specs[1].id: AttemptOutcome.SUCCEEDED}

    def test_a_report_that_cannot_be_removed_was_told_all_the_same(
        self,
        server: ApiServer,
        bucket: str,
        cloud_storage: CloudStorage,
        subject: Subject,
        opened: Open,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        with faulty(cloud_storage.host) as proxy:
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.host)
            store = open_storage(f"gs://{bucket}/store")
            specs = [subject.spec(LIGHT, store=store.uri) for _ in range(2)]
            executor, job = self.begin(server, opened, specs)
            for spec in specs:
                self.leave(store, spec)
            proxy.rule = lambda request: Refused(403) if request.method == "DELETE" else None
            server.pod(job, **OVER)
            assert {each.outcome for each in told(executor, 2)} == {AttemptOutcome.SUCCEEDED}
            assert list(executor.watch(0.0)) == []
            assert len(list(store.list("attempts/"))) == 2

    def test_a_pod_is_taken_away_once_whatever_it_had(
        self, server: ApiServer, clock: ManualClock, subject: Subject, opened: Open
    ) -> None:
        """Both pods of a Job come to work and take too long."""
        executor = opened(pods=2)
        specs = [subject.spec(LIGHT, timeout=10.0) for _ in range(6)]
        submit(executor, specs)
        executor.watch(0.0)
        executor.watch(0.0)
        [job] = server.named("Job")
        running = {"name": manifests.WORK, "image": "", "imageID": "", "ready": True, "restartCount": 0}
        names = [
            server.pod(job, n, phase="Running", containerStatuses=[{**running, "state": {"running": {}}}])
            for n in range(2)
        ]
        begun: set[str] = set()
        while len(begun) < 6:
            begun |= {each.attempt_id for each in executor.watch(0.2)}
        clock.advance(31.0)
        executor.watch(0.0)
        assert [asked.name for asked in server.asked if asked.verb == "delete"] == names
        assert {each.outcome for each in told(executor, 6)} == {AttemptOutcome.TIMEOUT}
