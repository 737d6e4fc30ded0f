"""What happens to attempts on a cluster: the node's agent is killed, the disk is full, an engine dies over fifty of
them. Nothing is lost, nothing is done twice, and each says why. tests/cluster/test_pods.py has evictions, quotas,
images that are not there and an API server that is killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from beds.attempts import collect, run
from beds.cluster import places
from beds.cluster.cluster import Cluster
from beds.cluster.images import HILUM
from beds.commands import hilum
from beds.disks import enlarge, small_disk
from beds.engines import Yard, wait_until
from beds.executor_suite import IMAGE, SHELL, Bench, at_work, executor, only
from hilum.dicom.phantom import many_instances
from hilum.executors.interface import Executor, Progress
from hilum.executors.kubernetes.manifests import HOME, job_name
from hilum.kernel.digest import short_id
from hilum.model.work import AttemptOutcome, AttemptSpec, TaskState

__all__ = ["executor"]

MANY = 50


def token_of(executor: Executor, spec: AttemptSpec) -> str:
    """What a step that is at work calls itself."""
    executor.submit(spec)
    heard: list[str] = []

    def said() -> bool:
        heard.extend(each.message for each in executor.watch(1.0) if isinstance(each, Progress))
        return any(heard)

    assert wait_until(said)
    return next(filter(None, heard))


class TestKubelet:
    def test_one_that_is_killed_and_comes_back_loses_nothing(
        self, cluster: Cluster, bench: Bench, executor: Executor
    ) -> None:
        waiting, spec = bench.spec("sleep", "0", cpu=0.1), bench.spec("sleep", "4", cpu=0.1)
        token = token_of(executor, spec)
        cluster.kill("kubelet")
        executor.submit(waiting)
        executor.watch(0.0)
        job = f"batch.kubernetes.io/job-name={job_name(bench.settings['home'], [waiting])}"
        assert wait_until(lambda: cluster.kubectl("get", "pods", "-l", job, "-o", "name") != "", every=0.1)
        cluster.start_kubelet()
        reports, _ = collect(executor, 2)
        assert [each.outcome for each in reports] == [AttemptOutcome.SUCCEEDED] * 2
        [report] = [each for each in reports if each.attempt_id == spec.id]
        assert bench.committed(report, "token.txt") == token


class TestDisk:
    @pytest.fixture
    def full(self, cluster: Cluster) -> Iterator[Any]:
        """Makes the node believe that its disk is full: the bar is raised above what there is, since the disk itself
        is this machine's. It does then what it does with a full one, down to throwing images away."""
        shown = "jsonpath={.status.conditions[?(@.type=='DiskPressure')].status}"

        def pressed() -> bool:
            return cluster.kubectl("get", "node", places.NAME, "-o", shown) == "True"

        def fill() -> None:
            cluster.kill("kubelet")
            cluster.start_kubelet(evictionHard={"nodefs.available": "99.99%"})
            assert wait_until(pressed, every=0.2)

        yield fill
        cluster.kill("kubelet")
        cluster.start_kubelet()
        assert wait_until(lambda: not pressed(), every=0.2)
        tainted = ("get", "node", places.NAME, "-o", "jsonpath={.spec.taints}")
        assert wait_until(lambda: "disk-pressure" not in cluster.kubectl(*tainted), every=0.2)
        cluster.load_again()

    def test_a_full_one_of_the_node_loses_what_is_at_work_and_takes_nothing_new(
        self, bench: Bench, executor: Executor, full: Any
    ) -> None:
        spec = bench.spec("stubborn", cpu=0.1)
        at_work(executor, spec, "at work")
        full()
        [report], _ = collect(executor, 1)
        assert (report.outcome, report.failed_step) == (AttemptOutcome.LOST, "")
        assert report.reason in ("evicted", "termination-by-kubelet")
        with bench.executor(pending=2.0) as impatient:
            [report] = run(impatient, bench.spec("sizes", cpu=0.1))
        assert (only(report).state, only(report).reason) == (TaskState.WAITING, "unschedulable")
        assert "untolerated taint" in report.detail  # of disk pressure; 1.36 does not name it

    def test_more_than_its_scratch_is_the_steps_own_fault(self, bench: Bench, executor: Executor) -> None:
        fill = "/bin/cat /dev/zero | /usr/bin/python3 -IS -c '{}'; sleep 600".format(
            "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read(64 << 20))"
        )
        step = f"({fill}) > $HILUM_SCRATCH/much"
        spec = bench.spec(step, command=SHELL, scratch=16 << 20, memory=256 << 20, cpu=0.1)
        [report] = run(executor, spec)
        assert (report.outcome, report.reason) == (AttemptOutcome.CRASHED, "out-of-scratch")
        assert (report.failed_step, report.results) == ("step", ())

    def test_a_full_store_is_waited_for(self, cluster: Cluster, bench: Bench, executor: Executor) -> None:
        """The shared volume has no room left for a result of 4 MB, and has later. It is mounted where the node is,
        since mounts of this machine do not reach it."""
        results, node = bench.subject.folder / "store" / "tasks", cluster.namespace.first
        on_node = Path(f"/proc/{node}/root{results}")
        within = ("nsenter", f"--target={node}", "--mount", "--pid")
        with small_disk(results, "1m", within):
            step = "/usr/bin/python3 -IS -c '{}'".format(
                'import os; open(os.environ["HILUM_OUT"] + "/big", "wb").write(os.urandom(4 << 20))'
            )
            spec = bench.spec(step, command=SHELL, cpu=0.1)
            [report] = run(executor, spec)
            assert (report.outcome, only(report).state) == (AttemptOutcome.FAILED, TaskState.WAITING)
            assert only(report).reason == "storage-full", report.detail
            assert not any(path.is_file() for path in on_node.rglob("*"))
            enlarge(results, "16m", within)
            [report] = run(executor, bench.subject.spec(*spec.steps, cpu=0.1, memory=spec.memory))
            assert report.outcome is AttemptOutcome.SUCCEEDED


class TestEngine:
    """`hilum run` as people start it."""

    def yard(self, cluster: Cluster, folder: Path, series: int, step: str) -> Yard:
        """A home whose attempts are pods, and so many series for it to process."""
        folder.chmod(0o755)
        for _ in many_instances(folder / "scans", series, per_series=1):
            pass
        (folder / "pipeline.yaml").write_text(f"name: many\nscope: series\nsteps:\n  step: {step}\n")
        home = folder / "home"
        home.mkdir()
        volume = f'{{source = {{hostPath = {{path = "{folder}"}}}}, path = "{folder}"}}'
        (home / "hilum.toml").write_text(
            f'executor = "kubernetes"\n[kubernetes]\nimage = "{HILUM}"\npull = "Never"\nnamespace = "default"\n'
            f'kubeconfig = "{places.KUBECONFIG}"\nuser = 0\nblocked = 3\nvolumes = [{volume}]\n'
        )
        return Yard(home, [folder / "scans", "--pipeline", folder / "pipeline.yaml"])

    def test_one_that_is_killed_over_fifty_attempts_is_followed_by_one_that_takes_them_over(
        self, cluster: Cluster, tmp_path: Path
    ) -> None:
        image = f"hilum-bed/steps@{cluster.digest(IMAGE.name)}"
        resources = "{cpu: 0.01, memory: 32Mi}"
        step = f'{{image: "{image}", pull: never, args: [sleep, "1"], resources: {resources}}}'
        yard = self.yard(cluster, tmp_path, MANY, step)
        ledger = f"sqlite:///{yard.home}/ledger.sqlite"
        label = f"{HOME}={short_id('h', ledger)}"

        def pods() -> list[str]:
            """Phases of all pods that were made."""
            phases = "jsonpath={.items[*].status.phase}"
            return cluster.kubectl("get", "pods", "-l", label, "-o", phases).split()

        engine = yard.start()
        assert wait_until(lambda: len(pods()) == MANY and "Succeeded" in pods(), every=0.2)
        engine.kill()
        assert "Pending" in pods() or "Running" in pods()
        code, said = yard.start().finish()
        assert code == 0, said
        # An attempt ends with its last word, a moment before its pod does.
        assert wait_until(lambda: pods() == ["Succeeded"] * MANY, every=0.2)
        attempts = "SELECT outcome, count(*) AS n FROM attempts GROUP BY ALL"
        assert hilum("query", attempts, "--json", home=yard.home).rows == [
            {"outcome": "succeeded", "n": MANY}
        ]
        tasks = "SELECT state, count(DISTINCT task_key) AS n FROM tasks GROUP BY ALL"
        assert hilum("query", tasks, "--json", home=yard.home).rows == [{"state": "succeeded", "n": MANY}]

    def test_status_says_why_a_step_has_no_pod(self, cluster: Cluster, tmp_path: Path) -> None:
        absent = (
            f'{{image: "registry.invalid/absent@sha256:{"0" * 64}", pull: never, resources: {{cpu: 0.01}}}}'
        )
        yard = self.yard(cluster, tmp_path, 1, absent)
        code, said = yard.start().finish()
        assert code == 1, said
        [failure] = hilum("status", "--json", home=yard.home).json["failures"]
        assert (failure["step"], failure["reason"]) == ("step", "image-missing")
        assert "is not on the node" in failure["detail"]
