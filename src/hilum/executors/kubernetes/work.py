"""The program of a pod whose steps are Python: all of the attempt's, in order.

Steps run in the process that commits, unlike on a laptop: the pod is the fence around them, and the code is what the
installation's own image holds.
"""

from __future__ import annotations

from hilum.executors.attempt import Attempt, output_folder
from hilum.executors.kubernetes.pod import broken, clock, folder, my_spec, node, tell
from hilum.executors.outputs import Made, commit, read_manifest
from hilum.kernel import logging
from hilum.model.work import AttemptSpec, Manifest, TaskResult
from hilum.storage import Storage, open_storage


class PodHost:
    """Commits here, and keeps the pod's termination message true: a pod may be killed at any moment."""

    def __init__(self, spec: AttemptSpec, storage: Storage) -> None:
        self._spec = spec
        self._storage = storage
        self._results: list[TaskResult] = []

    def begins(self, step: str) -> None:
        tell(self._results, step)

    def progress(self, step: str, fraction: float, message: str) -> None:
        """Nobody listens to a pod while it runs."""

    def ends(self, result: TaskResult) -> None:
        self._results.append(result)
        tell(self._results)

    def commit(self, made: Made) -> Manifest:
        made_in = output_folder(folder, made.step)
        return read_manifest(commit(self._storage, self._spec, made, made_in, node(), clock))


def main() -> None:
    """Tells the results of all tasks that were done."""
    logging.configure("json", "info")
    spec = my_spec()
    try:
        storage = open_storage(spec.store)
    except Exception as error:
        tell([broken(spec, error)])
        return
    Attempt(spec, folder, storage, PodHost(spec, storage), clock=clock).run()


if __name__ == "__main__":
    main()
