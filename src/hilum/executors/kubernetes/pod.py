"""What the programs inside a pod share: which attempt they are for, and how they tell its engine what came of it.

They tell through the container's termination message: the kubelet reads it when the container has ended, however
that was, and keeps it with the pod; so nobody has to listen, and no credentials for the API server are needed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hilum.executors.kubernetes.manifests import FOLDER, SPECS, SPECS_FILE, specs_of
from hilum.executors.staged import failed
from hilum.kernel.clock import SystemClock
from hilum.model.codec import to_json
from hilum.model.work import AttemptSpec, TaskResult

MESSAGE = Path("/dev/termination-log")
LONGEST = 4096
"""Bytes that the kubelet takes of a message."""
NOTHING_TO_RUN = 10
"""Exit code of staging where the result is known already, so that the step's container is not started."""

folder = Path(FOLDER)
clock = SystemClock()


def my_specs() -> list[AttemptSpec]:
    """The attempts that this pod is for."""
    return specs_of((Path(SPECS) / SPECS_FILE).read_bytes())[int(os.environ["JOB_COMPLETION_INDEX"])]


def my_spec() -> AttemptSpec:
    """The attempt that this pod is for, where it is for one."""
    [spec] = my_specs()
    return spec


def node() -> str:
    """The machine's name."""
    return os.environ["HILUM_NODE"]


def broken(spec: AttemptSpec, error: Exception) -> TaskResult:
    """The result of an attempt that could not even begin; its first step bears it."""
    return failed(spec.steps[0], clock.now(), clock, error)


def tell(results: Sequence[TaskResult], current: str = "") -> None:
    """Say what is known by now; details are cut until it fits."""
    for longest in (1000, 100, 0):
        cut = [replace(result, detail=result.detail[:longest]) for result in results]
        data = json.dumps({"results": [to_json(result) for result in cut], "current": current}).encode()
        if len(data) <= LONGEST:
            break
    MESSAGE.write_bytes(data)
