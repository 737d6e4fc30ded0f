"""The executor of one machine: Python steps in processes, images in containers of its Docker engine. Both draw on the
same cores, so one counts what the other has at work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from multiprocessing.connection import wait
from typing import Any

from hilum.errors import TransientError
from hilum.executors.interface import Executor, Progress
from hilum.executors.staged import ImageStep
from hilum.model.work import AttemptOutcome, AttemptReport, AttemptSpec


class LocalExecutor(Executor):
    """Gives each attempt to whom it belongs.

    Args:
        processes: for Python steps.
        containers: makes the executor for images, when the first one comes or is to be adopted.
        images: whether any pipeline here runs an image; where none does, no container engine is asked for anything.
    """

    name = "local"

    def __init__(self, processes: Executor, containers: Callable[[], Executor], *, images: bool) -> None:
        self._processes = processes
        self._make_containers = containers
        self._containers: Executor | None = None
        self._at: dict[str, Executor] = {}
        self._lost: list[AttemptReport] = []
        self.adopts = images

    def capacity(self) -> int:
        elsewhere = sum(executor is self._containers for executor in self._at.values())
        return max(0, self._processes.capacity() - elsewhere)

    def submit(self, spec: AttemptSpec) -> None:
        try:
            executor = self._open() if ImageStep.of(spec) else self._processes
        except TransientError as error:  # no engine answers now; it is asked again with the next attempt
            self._lost.append(
                AttemptReport(
                    spec.id,
                    AttemptOutcome.LOST,
                    reason=error.reason,
                    detail=error.message,
                    executor=self.name,
                )
            )
            return
        self._at[spec.id] = executor
        executor.submit(spec)

    def watch(self, timeout: float) -> Sequence[AttemptReport | Progress]:
        lost, self._lost = self._lost, []
        executors = [self._processes, *([self._containers] if self._containers else [])]
        timeout = 0.0 if lost else timeout
        if len(executors) > 1:
            wait([each for executor in executors for each in executor.waitables()], timeout)
            timeout = 0.0
        events = [*lost, *(event for executor in executors for event in executor.watch(timeout))]
        for event in events:
            if isinstance(event, AttemptReport):
                self._at.pop(event.attempt_id, None)
        return events

    def waitables(self) -> Sequence[Any]:
        both = (self._processes, self._containers)
        return [each for executor in both if executor for each in executor.waitables()]

    def adopt(self, attempt_ids: Collection[str] = ()) -> Sequence[AttemptSpec]:
        try:
            containers = self._open()
        except TransientError:
            return ()
        adopted = containers.adopt(attempt_ids)
        self._at.update((spec.id, containers) for spec in adopted)
        return adopted

    def logs(self, attempt_id: str) -> Iterator[bytes]:
        for executor in (self._processes, self._containers):
            if executor:
                yield from executor.logs(attempt_id)

    def cancel(self, attempt_id: str) -> None:
        if attempt_id in self._at:
            self._at[attempt_id].cancel(attempt_id)

    def close(self) -> None:
        self._processes.close()
        if self._containers:
            self._containers.close()

    def _open(self) -> Executor:
        self._containers = self._containers or self._make_containers()
        return self._containers
