"""What is particular to pods: what a step's container cannot see, Jobs of many attempts, the cluster's troubles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from beds.attempts import collect, plan, run
from beds.cluster.cluster import Cluster
from beds.engines import wait_until
from beds.executor_suite import Bench, at_work, executor, only
from hilum.executors.interface import Executor
from hilum.executors.kubernetes.manifests import HOME, job_name
from hilum.model.work import AttemptOutcome, AttemptSpec, TaskState

__all__ = ["executor"]


def pods(cluster: Cluster, home: str) -> list[dict[str, Any]]:
    """The pods of a home as the API server has them."""
    found: list[dict[str, Any]] = json.loads(
        cluster.kubectl("get", "pods", "-l", f"{HOME}={home}", "-o", "json")
    )["items"]
    return found


class TestIsolation:
    def test_a_steps_container_has_its_folders_and_nothing_else(
        self, cluster: Cluster, home: str, bench: Bench, executor: Executor
    ) -> None:
        spec = bench.spec("stubborn")
        at_work(executor, spec, "at work")
        [pod] = pods(cluster, home)
        executor.cancel(spec.id)
        collect(executor, 1)
        stage, step = pod["spec"]["initContainers"]
        assert {mount["name"] for mount in step["volumeMounts"]} == {"attempt", "tmp", "shm"}
        assert {mount["name"] for mount in stage["volumeMounts"]} >= {"given-0", "specs"}
        assert [each["name"] for each in step["env"] if "valueFrom" in each] == ["JOB_COMPLETION_INDEX"]
        assert "envFrom" not in step
        assert not pod["spec"]["automountServiceAccountToken"]
        sources = {key for volume in pod["spec"]["volumes"] for key in volume if key != "name"}
        assert sources == {"emptyDir", "configMap", "hostPath"}

    def test_the_restricted_standard_admits_the_step(
        self, cluster: Cluster, home: str, bench: Bench, executor: Executor
    ) -> None:
        """All but the hostPath that stands in for a shared volume here, which it has no place for."""
        spec = bench.spec("stubborn")
        at_work(executor, spec, "at work")
        said = cluster.kubectl_said(
            "label",
            "--dry-run=server",
            "--overwrite",
            "ns",
            "default",
            "pod-security.kubernetes.io/enforce=restricted",
        )
        executor.cancel(spec.id)
        collect(executor, 1)
        [complaint] = [line for line in said.splitlines() if job_name(bench.settings["home"], [spec]) in line]
        assert complaint.endswith(": restricted volume types")


class TestJobs:
    def test_attempts_that_are_alike_share_a_job(
        self, cluster: Cluster, home: str, bench: Bench, executor: Executor
    ) -> None:
        alike = [bench.spec("leave", str(code), cpu=0.1) for code in (0, 0)]
        other = bench.spec("leave", "4", cpu=0.2)
        first, second, third = run(executor, *alike, other)
        assert [each.outcome for each in (first, second)] == [AttemptOutcome.SUCCEEDED] * 2
        assert third.reason == "exit-4"
        jobs = json.loads(cluster.kubectl("get", "jobs", "-l", f"{HOME}={home}", "-o", "json"))["items"]
        assert sorted(job["spec"]["completions"] for job in jobs) == [1, 2]

    def test_one_of_a_job_is_cancelled_alone(self, bench: Bench, executor: Executor) -> None:
        both = [bench.spec("sleep", "20", cpu=0.1) for _ in range(2)]
        for spec in both:
            executor.submit(spec)
        executor.watch(0.0)
        executor.cancel(both[0].id)
        reports, _ = collect(executor, 2)
        ends = {each.attempt_id: each.outcome for each in reports}
        assert ends == {both[0].id: AttemptOutcome.CANCELLED, both[1].id: AttemptOutcome.SUCCEEDED}

    def test_a_job_that_somebody_deletes_is_lost(
        self, cluster: Cluster, bench: Bench, executor: Executor
    ) -> None:
        spec = bench.spec("stubborn")
        at_work(executor, spec, "at work")
        cluster.kubectl("delete", "job", job_name(bench.settings["home"], [spec]), "--wait=false")
        [report], _ = collect(executor, 1)
        assert report.outcome is AttemptOutcome.LOST


class TestTroubles:
    def test_what_no_node_has_room_for_says_what_is_lacking(self, bench: Bench) -> None:
        with bench.executor(pending=2.0) as executor:
            [report] = run(executor, bench.spec("sizes", cpu=1000.0))
        assert (report.outcome, report.failed_step) == (AttemptOutcome.FAILED, "step")
        assert (only(report).state, only(report).reason) == (TaskState.WAITING, "unschedulable")
        assert "Insufficient cpu" in report.detail

    def test_a_quota_of_zero_says_so(self, cluster: Cluster, bench: Bench) -> None:
        cluster.kubectl("create", "quota", "none", "--hard=pods=0")
        try:  # one that was never counted is not held yet
            counted = ("get", "quota", "none", "-o", "jsonpath={.status.used.pods}")
            assert wait_until(lambda: cluster.kubectl(*counted) != "", every=0.1)
            with bench.executor(pending=4.0) as executor:
                [report] = run(executor, bench.spec("sizes"))
        finally:
            cluster.kubectl("delete", "quota", "none")
        assert (only(report).state, only(report).reason) == (TaskState.WAITING, "pod-refused")
        assert "exceeded quota" in report.detail

    def test_an_eviction_is_lost_and_not_counted(
        self, cluster: Cluster, home: str, bench: Bench, executor: Executor
    ) -> None:
        spec = bench.spec("stubborn")
        at_work(executor, spec, "at work")
        [pod] = pods(cluster, home)
        cluster.evict(pod["metadata"]["name"])
        [report], _ = collect(executor, 1)
        assert (report.outcome, report.failed_step) == (AttemptOutcome.LOST, "")
        assert report.reason == "eviction-by-eviction-api"

    def test_an_api_server_that_is_killed_and_comes_back_loses_nothing(
        self, cluster: Cluster, bench: Bench, executor: Executor
    ) -> None:
        spec = bench.spec("sleep", "15")
        at_work(executor, spec)
        cluster.restart_api_server()
        [report], _ = collect(executor, 1)
        assert report.outcome is AttemptOutcome.SUCCEEDED


class TestPythonSteps:
    """Attempts without an image of their own, in a pod of Hilum's."""

    def spec(self, bench: Bench, *functions: str, **fields: Any) -> AttemptSpec:
        limits = {"memory": 256 << 20, "cpu": 0.5, **fields}
        return bench.subject.spec(*(plan(function) for function in functions), **limits)

    def test_neighbours_share_a_pod(self, bench: Bench, executor: Executor) -> None:
        [report] = run(executor, self.spec(bench, "sizes", "random"))
        assert report.outcome is AttemptOutcome.SUCCEEDED
        assert [result.state for result in report.results] == [TaskState.SUCCEEDED] * 2
        assert bench.subject.text(bench.subject.manifest(report.results[0]), "sizes.txt") == "5\n10"

    def test_a_crash_keeps_what_was_done_before_it(self, bench: Bench, executor: Executor) -> None:
        [report] = run(executor, self.spec(bench, "sizes", "leave", "noop"))
        assert (report.outcome, report.reason, report.failed_step) == (
            AttemptOutcome.CRASHED,
            "exit-3",
            "leave",
        )
        assert [result.step for result in report.results] == ["sizes"]

    @pytest.mark.parametrize("step", ["refuse", "bug"])
    def test_a_step_that_fails_says_how(self, bench: Bench, executor: Executor, step: str) -> None:
        [report] = run(executor, self.spec(bench, step))
        expected = {"refuse": "overlapping-slices", "bug": "exception"}
        assert (report.outcome, report.reason, report.failed_step) == (
            AttemptOutcome.FAILED,
            expected[step],
            step,
        )
