"""How a pod's state reads where its node went away: pods as kubelets and the API server leave them, for several
versions of Kubernetes. A real eviction is in tests/cluster.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import convert

from hilum.executors.kubernetes.endings import ending
from hilum.executors.kubernetes.seen import SeenPod
from hilum.model.image import ImagePlan
from hilum.model.subject import Scope
from hilum.model.work import AttemptOutcome, AttemptSpec, StepPlan

IMAGE = ImagePlan(reference="a/b:1", digest=f"sha256:{'a' * 64}")
STEP = StepPlan(name="step", uses="", code={}, image=IMAGE)
SPEC = AttemptSpec("g-1.1", "file:///store", "0" * 64, Scope.SERIES, "s-1", (STEP,))


def pod(code: int = 143, **status: Any) -> SeenPod:
    """A pod whose step was ended by a signal."""
    terminated = {"exitCode": code, "reason": "Error"}
    container = {"name": "step", "image": "", "imageID": "", "ready": False, "restartCount": 0}
    statuses = [{**container, "state": {"terminated": terminated}}]
    told = {"phase": "Failed", "initContainerStatuses": statuses, **status}
    return convert({"metadata": {"name": "p"}, "status": told}, SeenPod)


def disrupted(reason: str) -> dict[str, Any]:
    """The condition that tells of a disruption."""
    return {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": reason}]}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        # A spot node that is taken back: kubelet's graceful shutdown, with and without the condition.
        ({"reason": "Terminated", **disrupted("TerminationByKubelet")}, "termination-by-kubelet"),
        (
            {"reason": "Terminated", "message": "Pod was terminated in response to imminent node shutdown."},
            "terminated",
        ),
        ({"reason": "NodeShutdown"}, "node-shutdown"),
        ({"reason": "Shutdown"}, "shutdown"),
        # A pod of higher priority needed the place.
        (disrupted("PreemptionByScheduler"), "preemption-by-scheduler"),
        ({"reason": "Preempting", "message": "Preempted in order to admit critical pod"}, "preempting"),
        # A node that is gone without a word, drained, or tainted.
        (disrupted("DeletionByPodGC"), "deletion-by-pod-gc"),
        (disrupted("DeletionByTaintManager"), "deletion-by-taint-manager"),
        (disrupted("EvictionByEvictionAPI"), "eviction-by-eviction-api"),
        ({"reason": "NodeLost"}, "node-lost"),
        ({"reason": "Evicted", "message": "The node was low on resource: memory."}, "evicted"),
    ],
)
def test_a_node_that_goes_away_is_a_lost_attempt_whatever_the_step_ended_with(
    status: dict[str, Any], reason: str
) -> None:
    for code in (137, 143, 1):
        found = ending(pod(code, **status), SPEC)
        assert found is not None
        assert (found.outcome, found.reason, found.step) == (AttemptOutcome.LOST, reason, "")


@pytest.mark.parametrize(("code", "reason"), [(143, "signal-term"), (137, "signal-kill"), (3, "exit-3")])
def test_the_same_ends_on_a_node_that_stays_are_the_steps_own(code: int, reason: str) -> None:
    found = ending(pod(code), SPEC)
    assert found is not None
    assert (found.outcome, found.reason, found.step) == (AttemptOutcome.CRASHED, reason, "step")


def test_a_disruption_that_was_called_off_is_none() -> None:
    called_off = {
        "conditions": [{"type": "DisruptionTarget", "status": "False", "reason": "PreemptionByScheduler"}]
    }
    found = ending(pod(3, **called_off), SPEC)
    assert found is not None
    assert found.outcome is AttemptOutcome.CRASHED
