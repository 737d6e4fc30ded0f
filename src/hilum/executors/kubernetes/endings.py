"""How a pod's state reads as an attempt's end. A pure function over what the API server says of the pod, so it does
not matter who was watching when.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from hilum.executors.kubernetes.manifests import COLLECT, STAGE, STEP, WORK
from hilum.model.codec import from_json
from hilum.model.work import AttemptOutcome, AttemptSpec, TaskResult, TaskState

if TYPE_CHECKING:
    from lightkube.models.core_v1 import ContainerStateTerminated, ContainerStatus

    from hilum.executors.kubernetes.seen import SeenPod

FINE = (TaskState.SUCCEEDED, TaskState.SKIPPED)
NOBODYS = (AttemptOutcome.SUCCEEDED, AttemptOutcome.CANCELLED, AttemptOutcome.LOST)
"""Outcomes that no step bears."""
SIGNALLED = 128
OVER = ("Succeeded", "Failed")

SHUT_DOWN = ("Terminated", "NodeShutdown", "Shutdown", "Preempting", "NodeLost")
"""What a pod's reason is where its node went; kubelets had several words for a graceful shutdown."""

STARTING = ("ContainerCreating", "PodInitializing", "")
"""Reasons to wait that are no trouble."""
IMAGE = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable")
HOPELESS = {"ErrImageNeverPull": "image-missing", "InvalidImageName": "bad-image-reference"}


@dataclass(frozen=True, slots=True)
class Ending:
    """An attempt came to an end, and this is how."""

    outcome: AttemptOutcome
    reason: str = ""
    detail: str = ""
    step: str = ""
    exit_code: int | None = None
    results: tuple[TaskResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Blocked:
    """A pod does not go on, and this is why. It may yet, unless ``hopeless``."""

    reason: str
    detail: str
    pending: bool = False
    hopeless: bool = False


def ending(pod: SeenPod, spec: AttemptSpec) -> Ending | None:
    """How the attempt ended; None while it goes on.

    Once its own programs said all, nothing that happens to the pod changes that; so its network's and volumes' end,
    for which a kubelet takes a second more, is not waited for.
    """
    status = pod.status
    over = status is not None and status.phase in OVER
    told, current = _told(pod)
    if ended := _by_its_own_word(spec, told, _terminated(pod, WORK)):
        return ended
    if ended := _over_its_scratch(pod, spec, told):
        return ended
    if (lost := _lost(pod)) and not (over and told):
        return Ending(AttemptOutcome.LOST, *lost, results=told)
    if not over:
        return None
    assert status is not None
    bearer = current or next(
        (plan.name for plan in spec.steps if plan.name not in {r.step for r in told}), ""
    )
    if status.reason == "DeadlineExceeded":
        detail = f"took longer than {spec.timeout:g} s"
        return Ending(AttemptOutcome.TIMEOUT, "timeout", detail, bearer, results=told)
    for name in (STEP, WORK, STAGE, COLLECT):
        if (terminated := _terminated(pod, name)) and terminated.exitCode != 0:
            found = _crash(name, terminated, spec)
            return Ending(found.outcome, found.reason, found.detail, bearer, found.exit_code, told)
    reason = _kebab(status.reason or "pod-failed")
    return Ending(AttemptOutcome.LOST, reason, "the node gave the pod up", results=told)


def blocked(pod: SeenPod) -> Blocked | None:
    """Why the pod does not go on, if it does not."""
    for status in _statuses(pod):
        waiting = status.state.waiting if status.state else None
        if waiting is None or (waiting.reason or "") in STARTING:
            continue
        reason, whose = waiting.reason or "", "the step's image" if status.name == STEP else "Hilum's image"
        if reason in HOPELESS:
            return Blocked(
                HOPELESS[reason], f"{whose} is not on the node, or has no such name", hopeless=True
            )
        if reason in IMAGE:
            return Blocked("registry-unreachable", f"{whose} could not be pulled: {reason}")
        return Blocked("container-refused", f"the container {status.name} could not be started: {reason}")
    for condition in (pod.status.conditions if pod.status else None) or ():
        if condition.type == "PodScheduled" and condition.status == "False":
            return Blocked(_kebab(condition.reason or "unschedulable"), condition.message or "", pending=True)
    return None


def running_container(pod: SeenPod) -> str:
    """The container that runs the step's own code, if it is at work now."""
    for status in _statuses(pod):
        if status.name in (STEP, WORK) and status.state is not None and status.state.running is not None:
            return status.name
    return ""


def times(pod: SeenPod) -> tuple[datetime | None, datetime | None]:
    """When the node took the pod on, and when its last container ended."""
    ended = [t.finishedAt for status in _statuses(pod) if (t := _ended(status)) and t.finishedAt]
    return pod.status.startTime if pod.status else None, max(ended, default=None)


def _by_its_own_word(
    spec: AttemptSpec, told: tuple[TaskResult, ...], work: ContainerStateTerminated | None
) -> Ending | None:
    """How it ended, where its own programs said all that there is to say."""
    if not told or (work is not None and work.exitCode != 0):
        return None
    failed = [result for result in told if result.state not in FINE]
    if failed:
        first = failed[0]
        return Ending(AttemptOutcome.FAILED, first.reason, first.detail, first.step, 0, told)
    if len(told) == len(spec.steps):
        return Ending(AttemptOutcome.SUCCEEDED, exit_code=0, results=told)
    return None


def _over_its_scratch(pod: SeenPod, spec: AttemptSpec, told: tuple[TaskResult, ...]) -> Ending | None:
    """An eviction that is no machine's trouble: the pod wrote more than its own ephemeral-storage limit. A node that
    is short of room says "low on resource" instead."""
    if not (pod.status and pod.status.reason == "Evicted" and "limit" in (pod.status.message or "")):
        return None
    detail = "wrote more than its resources.scratch"
    return Ending(AttemptOutcome.CRASHED, "out-of-scratch", detail, spec.steps[0].name, results=told)


def _lost(pod: SeenPod) -> tuple[str, str] | None:
    """Reason and detail, where the machine or somebody else took the pod away."""
    for condition in (pod.status.conditions if pod.status else None) or ():
        if condition.type == "DisruptionTarget" and condition.status == "True":
            return _kebab(condition.reason or "disrupted"), "the cluster took the pod away"
    if pod.status and pod.status.reason in SHUT_DOWN:
        return _kebab(pod.status.reason), "the node was shut down, as spot nodes are when they are taken back"
    if pod.status and pod.status.reason == "Evicted":
        return "evicted", "the node was short of something and evicted the pod"
    if pod.metadata.deletion_timestamp:
        return "pod-deleted", "somebody deleted the pod"
    return None


def _crash(name: str, terminated: ContainerStateTerminated, spec: AttemptSpec) -> Ending:
    code = terminated.exitCode
    if terminated.reason == "OOMKilled" and name in (STEP, WORK):
        detail = f"needed more than {spec.memory >> 20} MiB"
        return Ending(AttemptOutcome.OUT_OF_MEMORY, "out-of-memory", detail, exit_code=code)
    if name in (STAGE, COLLECT):
        return Ending(AttemptOutcome.CRASHED, f"{name}-failed", f"{name} ended with {code}", exit_code=code)
    if terminated.reason in ("StartError", "ContainerCannotRun"):
        detail = "the image has no such command, or the step's user may not run it"
        return Ending(AttemptOutcome.FAILED, "command-missing", detail, exit_code=code)
    try:
        known = signal.Signals(code - SIGNALLED).name.removeprefix("SIG").lower()
        return Ending(
            AttemptOutcome.CRASHED, f"signal-{known}", "the container was ended by a signal", exit_code=code
        )
    except ValueError:
        return Ending(AttemptOutcome.CRASHED, f"exit-{code}", "the container ended itself", exit_code=code)


def _told(pod: SeenPod) -> tuple[tuple[TaskResult, ...], str]:
    """What the programs of ours left as their last words: results, and the step that was at work."""
    for name in (COLLECT, WORK, STAGE):
        terminated = _terminated(pod, name)
        if terminated and terminated.message:
            try:
                message = json.loads(terminated.message)
                return tuple(from_json(TaskResult, each) for each in message["results"]), message["current"]
            except (ValueError, KeyError, TypeError):
                return (), ""  # the container runtime's own words on why it did not start
    return (), ""


def _terminated(pod: SeenPod, name: str) -> ContainerStateTerminated | None:
    return next((_ended(status) for status in _statuses(pod) if status.name == name), None)


def _ended(status: ContainerStatus) -> ContainerStateTerminated | None:
    return status.state.terminated if status.state else None


def _statuses(pod: SeenPod) -> Iterator[ContainerStatus]:
    if pod.status:
        yield from pod.status.initContainerStatuses or ()
        yield from pod.status.containerStatuses or ()


def _kebab(words: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", words).lower()
