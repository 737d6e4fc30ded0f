"""The container of an attempt, in the words of the Docker Engine API: a step's invocation and what its security
allows, as a configuration. Nothing is allowed but what the pipeline file names.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hilum.executors.staged import FOLDERS, ImageStep
from hilum.model.image import ImagePlan, Security
from hilum.model.work import AttemptSpec
from hilum.steps.contracts.interface import Invocation

LOG = {"Type": "local", "Config": {"max-size": "50m", "max-file": "2", "compress": "false"}}
"""The newest 50 to 100 MB; unlike json-file, this driver keeps bytes as they were."""
TEMPORARY = "rw,nosuid,nodev,exec,mode=1777"
"""/tmp is memory, and counts as the step's own."""

LEAST_CPU, LEAST_MEMORY = 0.01, 6 << 20
"""What the engine refuses to go below."""


def user_of(security: Security) -> int:
    """The user id that a step's container runs as.

    An engine that is not root could neither read nor remove what another user wrote, so there a step that asks for no
    particular user runs as the engine's own.
    """
    if os.geteuid() != 0 and security.user == Security().user:
        return os.geteuid()
    return security.user


def open_folders(folder: Path, invocation: Invocation, user: int) -> None:
    """Make what is mounted, and let the step's user write where it may."""
    mounted = {folder / name for name in FOLDERS}
    mounted |= {folder / mount.folder / mount.below for mount in invocation.mounts}
    for path in sorted(mounted):
        path.mkdir(parents=True, exist_ok=True)
        if path.is_relative_to(folder / "in"):
            continue
        if os.geteuid() == 0:
            os.chown(path, user, user)
        path.chmod(0o755 if path.stat().st_uid == user else 0o777)


def configuration(
    spec: AttemptSpec, step: ImageStep, runnable: str, folder: Path, labels: Mapping[str, str]
) -> dict[str, Any]:
    """The body of the Engine API's request to create the container.

    Args:
        runnable: the image as the engine knows it, by digest.
        folder: the attempt's.
    """
    invocation, user = step.invocation(), user_of(step.image.security)
    body: dict[str, Any] = {
        "Image": runnable,
        "Env": [f"{name}={value}" for name, value in step.environment(spec).items()],
        "User": f"{user}:{user}",
        "Labels": dict(labels),
        "HostConfig": _host(spec, step.image, invocation, folder),
    }
    if invocation.command is not None:
        body["Entrypoint"] = list(invocation.command)
    if invocation.args is not None:
        body["Cmd"] = list(invocation.args)
    if invocation.working_dir:
        body["WorkingDir"] = invocation.working_dir
    return body


def _host(spec: AttemptSpec, image: ImagePlan, invocation: Invocation, folder: Path) -> dict[str, Any]:
    security, memory = image.security, max(spec.memory, LEAST_MEMORY)
    return {
        "NetworkMode": "default" if security.network else "none",
        "ReadonlyRootfs": security.read_only_root,
        "CapDrop": ["ALL"],
        "CapAdd": list(security.capabilities),
        "SecurityOpt": [] if security.privilege_escalation else ["no-new-privileges"],
        "PidsLimit": security.pids,
        "NanoCpus": int(min(max(spec.cpu, LEAST_CPU), os.cpu_count() or 1) * 1e9),
        "Memory": memory,
        "MemorySwap": memory,  # memory and swap together: none of it
        "ShmSize": memory,  # counts as memory; the default of 64 MB is too little for PyTorch's workers
        "Tmpfs": {"/tmp": TEMPORARY},
        "Mounts": [
            {
                "Type": "bind",
                "Source": str(folder / mount.folder / mount.below),
                "Target": mount.target,
                "ReadOnly": mount.folder == "in",
            }
            for mount in invocation.mounts
        ],
        "DeviceRequests": [{"Count": image.gpu, "Capabilities": [["gpu"]]}] if image.gpu else [],
        "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
        "LogConfig": LOG,
        "Init": True,
        "OomScoreAdj": 500,  # where memory runs out on the whole machine, a step is to go first
        "RestartPolicy": {"Name": "no"},
    }
