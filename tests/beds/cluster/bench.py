"""An executor on the tests' cluster from plain settings, also in an engine that is going to be killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from beds.cluster import places
from beds.cluster.images import HILUM
from beds.tokens import broker_at
from hilum.executors.kubernetes.executor import KubernetesExecutor
from hilum.executors.kubernetes.settings import KubernetesSettings, Volume
from hilum.kernel.clock import Clock

STARTUP = 10.0
STEPS = Path(__file__).parents[1]
"""Where tests keep Python steps; a pod sees them under the same path."""


def open_executor(
    *, home: str, folder: str, slots: int = 50, clock: Clock | None = None, **others: Any
) -> KubernetesExecutor:
    """An executor whose pods share ``folder`` with this machine, in place of a shared volume."""
    settings = KubernetesSettings(
        image=HILUM,
        pull="Never",
        kubeconfig=str(places.KUBECONFIG),
        pods=slots,
        volumes=(
            Volume({"hostPath": {"path": folder}}, folder),
            Volume({"hostPath": {"path": str(STEPS)}}, str(STEPS), read_only=True),
        ),
        **{"startup": STARTUP, "blocked": 3.0, **others},
    )
    return KubernetesExecutor(settings, home, clock=clock)


def open_downscoped(
    *, home: str, image: str, storage: str, tokens: str, clock: Clock | None = None, **others: Any
) -> KubernetesExecutor:
    """An executor whose attempts have credentials of their own.

    Args:
        image: Hilum's, which knows Cloud Storage.
        storage: the storage server as pods reach it.
        tokens: the token service.
    """
    settings = KubernetesSettings(
        **{"image": image, "kubeconfig": str(places.KUBECONFIG), "startup": STARTUP, **others},
        pull="Never",
        credentials="downscoped",
        env={"STORAGE_EMULATOR_HOST": storage},
    )
    return KubernetesExecutor(settings, home, clock=clock, broker=broker_at(tokens))
