"""Stands in for what runs inside pods of fake nodes: for every pod that kwok says is running it commits an empty
result under the task's true key, as ``collect`` would, and writes the end of the pod's container, as a kubelet would.

    python -m beds.cluster.stand_in <home> [threads]

So what an engine sees is real but for the step: its Jobs, pods, watches, manifests and messages. It is a process of
its own, so that its cost is not counted as the engine's. It ends when its standard input does.
"""

from __future__ import annotations

import json
import sys
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from threading import Thread
from time import sleep
from typing import Any

from beds.cluster import places
from hilum.executors.kubernetes import manifests
from hilum.executors.kubernetes.client import connect
from hilum.executors.kubernetes.jobs import MISSING
from hilum.executors.outputs import Made, commit
from hilum.executors.tasks import Tasks
from hilum.kernel.clock import SystemClock
from hilum.model.codec import to_json
from hilum.model.work import AttemptSpec, TaskResult, TaskState
from hilum.storage import open_storage

CLOCK = SystemClock()
PATIENCE = 100


class StandIn:
    """All the collectors of a home's pods."""

    def __init__(self, home: str) -> None:
        self.client: Any = connect(str(places.KUBECONFIG), "default")
        self.home = home
        self.specs = lru_cache(maxsize=64)(self._specs)

    def running(self) -> Any:
        """Pods of fake nodes as they come to run."""
        from lightkube.resources.core_v1 import Pod

        for what, pod in self.client.watch(Pod, labels={manifests.HOME: self.home}):
            if what != "DELETED" and pod.status and pod.status.phase == "Running":
                yield pod

    def finish(self, name: str, labels: dict[str, str], container: str) -> None:
        """Commit a pod's task and end its container."""
        from lightkube.resources.core_v1 import Pod
        from lightkube.types import PatchType

        spec = self.specs(labels[manifests.JOB_NAME])[int(labels[manifests.JOB_INDEX])]
        message = {"results": [to_json(self.result(spec))], "current": ""}
        now = CLOCK.now().isoformat()
        ended = {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}
        status = {
            "name": container,
            "image": "",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": {**ended, "message": json.dumps(message)}},
        }
        change = {"status": {"phase": "Succeeded", "containerStatuses": [status]}}
        self.client.patch(Pod.Status, name, change, patch_type=PatchType.MERGE)

    def result(self, spec: AttemptSpec) -> TaskResult:
        """The empty result of an attempt's one step, committed."""
        plan, now = spec.steps[0], CLOCK.now()
        storage = open_storage(spec.store)
        key = Tasks(spec, storage, CLOCK).key(plan)
        commit(storage, spec, Made(plan.name, key, {}, (), (), now.isoformat()), places.ROOT, "fake", CLOCK)
        return TaskResult(plan.name, TaskState.SUCCEEDED, key, False, started_at=now, finished_at=CLOCK.now())

    def _specs(self, job: str) -> list[AttemptSpec]:
        from base64 import b64decode

        from lightkube import ApiError
        from lightkube.resources.core_v1 import ConfigMap

        for left in range(PATIENCE, -1, -1):  # pods come before it; real ones wait for it, too
            try:
                data = self.client.get(ConfigMap, job).binaryData[manifests.SPECS_FILE]
                break
            except ApiError as error:
                if error.status.code != MISSING or not left:
                    raise
                sleep(0.2)
        return [spec for [spec] in manifests.specs_of(b64decode(data))]


def complain(finished: Future[None]) -> None:
    """Print what went wrong: a pod that is not finished would be waited for without a word."""
    if error := finished.exception():
        traceback.print_exception(error)


def main() -> None:
    """Until the end of standard input."""
    stand_in = StandIn(sys.argv[1])
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    done: set[str] = set()

    def work() -> None:
        with ThreadPoolExecutor(threads) as pool:
            for pod in stand_in.running():
                if pod.metadata.name not in done:
                    done.add(pod.metadata.name)
                    container = pod.spec.containers[0].name
                    finished = pool.submit(stand_in.finish, pod.metadata.name, pod.metadata.labels, container)
                    finished.add_done_callback(complain)

    Thread(target=work, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
