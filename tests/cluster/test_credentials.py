"""Attempts with credentials of their own, in real pods: Secrets of a real API server, brought by a real kubelet, and
before the storage server a gate that obeys the tokens' boundaries as Cloud Storage does. The token service and the
gate stand in for Google's, see beds/tokens.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from beds.attempts import SubjectInBucket, collect, run
from beds.cluster import places
from beds.cluster.bench import open_downscoped
from beds.cluster.cluster import Cluster
from beds.dying_engine import DyingEngine
from beds.engines import wait_until
from beds.executor_suite import IMAGE, at_work
from beds.faults import faulty
from beds.gcs import CloudStorage
from beds.tokens import Gate, TokenService, token_service
from hilum.executors.interface import Executor
from hilum.executors.kubernetes.executor import KubernetesExecutor
from hilum.executors.kubernetes.manifests import HOME, TOKEN, TOKEN_FILE_NAME, job_name
from hilum.kernel.clock import ManualClock, SystemClock
from hilum.kernel.digest import digest_bytes
from hilum.model.image import ImagePlan
from hilum.model.work import AttemptOutcome, AttemptSpec, StepPlan, TaskState

LONG = timedelta(hours=3).total_seconds()
PYTHON = ("/usr/bin/python3", "-IS", "-c")

LOOK = """
import json, os, pathlib, ssl, stat, urllib.error, urllib.request
holding = {"lesser-": [], "second one": []}
for top, folders, names in os.walk("/"):
    folders[:] = [each for each in folders if os.path.join(top, each) not in ("/proc", "/sys")]
    for path in (os.path.join(top, name) for name in names):
        try:
            if stat.S_ISREG(os.lstat(path).st_mode):
                content = pathlib.Path(path).read_bytes()
                for word, found in holding.items():
                    found += [path] if word.encode() in content else []
        except OSError:
            pass
try:
    urllib.request.urlopen(os.environ["SECRET"], context=ssl._create_unverified_context(), timeout=10)
    said = 200
except urllib.error.HTTPError as error:
    said = error.code
mounts = pathlib.Path("/proc/self/mountinfo").read_text()
found = {"files": holding, "environment": dict(os.environ), "mounts": mounts, "api": said}
(pathlib.Path(os.environ["HILUM_OUT"]) / "found.json").write_text(json.dumps(found))
"""
"""Looks everywhere for the text of a token, asks the API server for the Secret, and tells."""

WAIT = """
import os, pathlib, time
print("::progress 0.1 at work", flush=True)
while not (pathlib.Path(os.environ["HILUM_SCRATCH"]) / "go").exists():
    time.sleep(0.1)
(pathlib.Path(os.environ["HILUM_OUT"]) / "made.txt").write_text("made")
"""
"""Is at work until somebody puts a file into its scratch folder."""


@dataclass
class Place:
    """A home on the cluster, its subject in a bucket, and the gate that pods' requests pass."""

    cluster: Cluster
    home: str
    subject: SubjectInBucket
    gate: Gate
    tokens: TokenService
    settings: dict[str, Any]

    @contextmanager
    def executor(self, **others: Any) -> Iterator[KubernetesExecutor]:
        executor = open_downscoped(**self.settings, **others)
        try:
            yield executor
        finally:
            executor.close()

    def spec(self, program: str, **fields: Any) -> AttemptSpec:
        """An attempt at a step that runs a program of Python."""
        digest = self.cluster.digest(IMAGE.name)
        args: dict[str, Any] = {"command": PYTHON, "args": (program,), "pull": "never", **fields}
        image = ImagePlan(reference=IMAGE.name, digest=digest, contract="native", **args)
        parameters = {"program": digest_bytes(program.encode())}
        plan = StepPlan("step", "", {"image": digest}, parameters, light=False, image=image)
        return self.subject.spec(plan, memory=64 << 20, cpu=0.1, timeout=LONG)

    def made(self, report: Any, path: str) -> str:
        """What an attempt made."""
        return self.subject.text(self.subject.manifest(report.results[0]), path)

    @property
    def pod(self) -> dict[str, Any]:
        """The only pod."""
        got = self.cluster.kubectl("get", "pods", "-l", f"{HOME}={self.home}", "-o", "json")
        [pod] = json.loads(got)["items"]
        found: dict[str, Any] = pod
        return found

    def volume(self, kind: str, name: str) -> Path:
        """A volume of the pod as the node has it."""
        volumes = places.KUBELET / "pods" / self.pod["metadata"]["uid"] / "volumes"
        inside = volumes / f"kubernetes.io~{kind}" / name
        return Path(f"/proc/{self.cluster.namespace.first}/root{inside}")

    def is_in_the_pod(self, token: str) -> bool:
        """Whether the node has brought this token into the pod."""
        return token in (self.volume("secret", "token") / TOKEN_FILE_NAME).read_text()

    def only_the_newest_is_good(self) -> str:
        """The newest token; those before it are refused from now on, as when they have run out."""
        *old, newest = self.tokens.given
        for each in old:
            del self.tokens.given[each]
        return newest

    def hurry(self) -> None:
        """Have the kubelet look at the pod now, which it else does within two minutes."""
        self.cluster.kubectl("annotate", "pod", self.pod["metadata"]["name"], "hurry=yes")

    def let_go(self) -> None:
        """Let the step go on."""
        (self.volume("empty-dir", "attempt") / "scratch" / "go").touch()


@pytest.fixture
def place(
    cluster: Cluster,
    image: str,
    home: str,
    storage_server: CloudStorage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Place]:
    """The engine goes to the storage server itself: its own token is good for everything."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage_server.host)
    subject = SubjectInBucket(tmp_path / "subject", bucket=storage_server.create_bucket())
    with token_service() as tokens, faulty(storage_server.host, places.MACHINE) as proxy:
        proxy.rule = gate = Gate(tokens.given)
        settings = {"home": home, "image": image, "storage": proxy.host, "tokens": tokens.host}
        yield Place(cluster, home, subject, gate, tokens, settings)
    cluster.kubectl("delete", "jobs", "-l", f"{HOME}={home}", "--wait=false")


def renewed(place: Place, executor: Executor, before: int) -> None:
    """The engine makes another token, and the node brings it into the pod."""
    assert wait_until(lambda: [*executor.watch(0.1)] == [] and len(place.tokens.given) > before)
    newest = place.only_the_newest_is_good()
    place.hurry()
    assert wait_until(lambda: place.is_in_the_pod(newest), every=0.2)


def test_its_step_can_neither_read_the_token_nor_ask_for_it(place: Place) -> None:
    spec = place.spec("")
    secret = f"{places.API}/api/v1/namespaces/default/secrets/{job_name(place.home, [spec])}"
    spec = replace(spec, steps=place.spec(LOOK, env={"SECRET": secret}).steps)
    with place.executor() as executor:
        [report] = run(executor, spec)
    assert (report.outcome, report.reason) == (AttemptOutcome.SUCCEEDED, "")
    assert list(place.tokens.given) == ["lesser-1"]
    assert place.is_in_the_pod("lesser-1")
    found = json.loads(place.made(report, "found.json"))
    assert found["files"]["second one"]  # an instance: whoever looks there finds what there is
    assert found["files"]["lesser-"] == []
    assert not [name for name, value in found["environment"].items() if "lesser-" in value]
    assert TOKEN not in found["mounts"]
    assert found["api"] in (401, 403)


def test_stage_and_collect_do_with_it_what_they_have_to_and_nothing_else(place: Place) -> None:
    with place.executor() as executor:
        [report] = run(executor, place.spec("import os; open(os.environ['HILUM_OUT'] + '/a', 'w')"))
        assert report.outcome is AttemptOutcome.SUCCEEDED
    actions = {action for action, _ in place.gate.passed}
    assert actions == {"get", "create"}
    assert place.gate.refused == []
    written = {name for action, name in place.gate.passed if action == "create"}
    key = report.results[0].task_key
    assert {name.rpartition("/")[2] for name in written} == {"manifest.json", "a"}
    assert all(name.startswith(f"store/tasks/{key[:2]}/{key}/") for name in written)


def test_a_token_is_renewed_while_its_step_is_at_work(place: Place) -> None:
    clock = ManualClock(SystemClock().now())
    spec = place.spec(WAIT)
    with place.executor(clock=clock) as executor:
        at_work(executor, spec, "at work")
        clock.advance(timedelta(minutes=51).total_seconds())
        renewed(place, executor, before=1)
        place.let_go()
        [report], _ = collect(executor, 1)
    assert (report.outcome, report.reason) == (AttemptOutcome.SUCCEEDED, "")
    assert place.made(report, "made.txt") == "made"
    assert list(place.tokens.given) == ["lesser-2"]


def test_an_engine_that_takes_over_an_attempt_gives_it_a_token_of_its_own(place: Place) -> None:
    spec = place.spec(WAIT)
    engine = DyingEngine("beds.cluster.bench:open_downscoped", place.settings, [spec])
    try:
        engine.hear(1, "at work")
    finally:
        engine.kill()
    with place.executor() as executor:
        assert [each.id for each in executor.adopt([spec.id])] == [spec.id]
        renewed(place, executor, before=1)
        place.let_go()
        [report], _ = collect(executor, 1)
    assert (report.outcome, report.reason) == (AttemptOutcome.SUCCEEDED, "")
    assert list(place.tokens.given) == ["lesser-2"]


def test_one_whose_need_was_skipped_is_skipped(place: Place) -> None:
    spec = place.spec("")
    [step] = spec.steps
    skipped = place.subject.spec(
        StepPlan("step", "", step.code, needs=("before",), light=False, image=step.image),
        done={"before": None},
        memory=64 << 20,
        cpu=0.1,
    )
    with place.executor() as executor:
        [report] = run(executor, skipped)
    assert [(result.state, result.reason) for result in report.results] == [
        (TaskState.SKIPPED, "need-skipped")
    ]
