"""Light Python steps share pods: many attempts in one, each with an end of its own."""

from __future__ import annotations

import json

from beds.attempts import collect, plan
from beds.cluster.cluster import Cluster
from beds.executor_suite import Bench
from hilum.executors.interface import Executor, Progress
from hilum.executors.kubernetes.manifests import HOME
from hilum.model.work import AttemptOutcome, AttemptSpec, TaskState


def light(bench: Bench, function: str) -> AttemptSpec:
    """An attempt at a light step."""
    return bench.subject.spec(plan(function), memory=256 << 20, cpu=0.5, timeout=30.0)


def pods(cluster: Cluster, home: str) -> list[str]:
    """Names of the pods that a home has had."""
    found = json.loads(cluster.kubectl("get", "pods", "-l", f"{HOME}={home}", "-o", "json"))["items"]
    return [pod["metadata"]["name"] for pod in found]


def submit(executor: Executor, *specs: AttemptSpec) -> None:
    """Hand out as an engine does: no more at a time than there is room for."""
    left = list(specs)
    while left:
        room = executor.capacity()
        assert room
        for spec in left[:room]:
            executor.submit(spec)
        left = left[room:]
        if left:
            assert not list(executor.watch(0.0))


def test_each_in_a_pod_ends_as_if_it_were_alone(cluster: Cluster, home: str, bench: Bench) -> None:
    names = ("sizes", "leave", "refuse", "bug", "random", "sizes")
    specs = [light(bench, name) for name in names]
    with bench.executor(slots=1) as executor:
        submit(executor, *specs)
        reports, _ = collect(executor, len(specs))
        assert len(pods(cluster, home)) == 1
        found = {each.attempt_id: each for each in reports}
        ends = [(found[spec.id].outcome, found[spec.id].reason) for spec in specs]
        bug = b"".join(executor.logs(specs[3].id))
        assert b"Traceback" in bug
        assert b"StepError" not in bug
        assert b"StepError" in b"".join(executor.logs(specs[2].id))
        assert b"".join(executor.logs(specs[0].id)) == b""
        executor.watch(0.0)  # what it told before is recorded by now
    succeeded = (AttemptOutcome.SUCCEEDED, "")
    assert ends == [
        succeeded,
        (AttemptOutcome.CRASHED, "exit-3"),
        (AttemptOutcome.FAILED, "overlapping-slices"),
        (AttemptOutcome.FAILED, "exception"),
        succeeded,
        succeeded,
    ]
    first, last = (found[specs[n].id].results[0] for n in (0, -1))
    assert (first.state, first.reused, last.reused) == (TaskState.SUCCEEDED, False, True)
    assert {each.executor for each in reports} == {"kubernetes"}
    assert not list((bench.subject.folder / "store" / "attempts").iterdir())


def test_a_pod_that_goes_takes_only_what_had_not_ended(cluster: Cluster, home: str, bench: Bench) -> None:
    done, asleep, behind = (light(bench, name) for name in ("sizes", "sleep", "random"))
    with bench.executor(slots=1) as executor:
        submit(executor, done, asleep, behind)
        store = bench.subject.folder / "store" / "attempts"
        while not any(isinstance(each, Progress) for each in executor.watch(5.0)):
            pass
        while not any(store.glob(f"{done.id}*")):
            executor.watch(0.2)
        [name] = pods(cluster, home)
        cluster.kubectl("delete", "pod", name, "--wait=false")
        reports, _ = collect(executor, 3)
    ends = {each.attempt_id: each.outcome for each in reports}
    assert ends == {
        done.id: AttemptOutcome.SUCCEEDED,
        asleep.id: AttemptOutcome.LOST,
        behind.id: AttemptOutcome.LOST,
    }


def test_one_is_cancelled_and_the_others_go_on(cluster: Cluster, home: str, bench: Bench) -> None:
    specs = [light(bench, name) for name in ("sizes", "random")]
    with bench.executor(slots=1) as executor:
        submit(executor, *specs)
        executor.watch(0.0)
        executor.cancel(specs[1].id)
        reports, _ = collect(executor, 2)
    ends = {each.attempt_id: each.outcome for each in reports}
    assert ends == {specs[0].id: AttemptOutcome.SUCCEEDED, specs[1].id: AttemptOutcome.CANCELLED}
    assert len(pods(cluster, home)) == 1


def test_few_are_spread_over_pods(cluster: Cluster, home: str, bench: Bench) -> None:
    with bench.executor(slots=2) as executor:
        submit(executor, *(light(bench, "sizes") for _ in range(4)))
        reports, _ = collect(executor, 4)
        assert {each.outcome for each in reports} == {AttemptOutcome.SUCCEEDED}
    assert len(pods(cluster, home)) == 2


def test_the_last_pod_may_have_one_alone(cluster: Cluster, home: str, bench: Bench) -> None:
    specs = [light(bench, name) for name in ("sizes", "sizes", "leave")]
    with bench.executor(slots=2) as executor:
        submit(executor, *specs)
        reports, _ = collect(executor, 3)
        assert len(pods(cluster, home)) == 2
        assert {(each.attempt_id, each.outcome, each.reason) for each in reports} == {
            (specs[0].id, AttemptOutcome.SUCCEEDED, ""),
            (specs[1].id, AttemptOutcome.SUCCEEDED, ""),
            (specs[2].id, AttemptOutcome.CRASHED, "exit-3"),
        }
