"""What the process executor costs beside the work: an attempt of one step that does nothing, and each further step
that shares its attempt. The peer is a new interpreter for each, with what a step imports (numpy, pydicom).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from hilum.executors.interface import Progress
from hilum.executors.process import ProcessExecutor
from hilum.kernel.digest import digest_bytes
from hilum.model.keys import revision_object
from hilum.model.subject import Scope
from hilum.model.work import AttemptOutcome, AttemptSpec, StepPlan
from hilum.steps.registry import StepRegistry
from hilum.storage import Storage, open_storage

STEP = "from hilum.steps.api import step\n@step()\ndef nothing(ctx): pass\n"
FUSED = 20


def attempts(store: Storage, step: StepPlan, count: int, fused: int, label: str) -> list[AttemptSpec]:
    """So many attempts, each on a revision of its own, of so many steps in a row."""
    names = [f"s{number}" for number in range(fused)]
    steps = tuple(
        replace(step, name=name, needs=tuple(names[number - 1 : number])) for number, name in enumerate(names)
    )
    specs = []
    for number in range(count):
        revision = digest_bytes(f"{label} {number}".encode())
        store.create(revision_object(revision), b"")
        specs.append(
            AttemptSpec(f"g-{revision[:16]}.1", store.uri, revision, Scope.SERIES, "s-0", steps=steps)
        )
    return specs


def run(executor: ProcessExecutor, specs: Iterable[AttemptSpec]) -> None:
    """Submit them all and wait for the last."""
    waiting = 0
    for spec in specs:
        executor.submit(spec)
        waiting += 1
    while waiting:
        for event in executor.watch(10.0):
            if not isinstance(event, Progress):
                assert event.outcome is AttemptOutcome.SUCCEEDED, event
                waiting -= 1


def one_by_one(executor: ProcessExecutor, specs: list[AttemptSpec]) -> list[float]:
    """Milliseconds of each, with nothing else running."""
    taken = []
    for spec in specs:
        start = time.perf_counter()
        run(executor, [spec])
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def interpreter() -> float:
    """Milliseconds that a new interpreter takes to be as far as a forked worker is."""
    start = time.perf_counter()
    command = "import numpy, pydicom, hilum.executors.attempt"
    subprocess.run([sys.executable, "-c", command], check=True)
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    times = 10 if "--quick" in sys.argv else 200
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "steps.py"
        file.write_text(STEP)
        store = open_storage((Path(folder) / "store").as_uri())
        step = StepRegistry().get(f"{file}:nothing")
        plan = StepPlan("", step.reference, step.code)
        executor = ProcessExecutor(Path(folder) / "work")

        def specs(count: int, fused: int, label: str) -> list[AttemptSpec]:
            return attempts(store, plan, count, fused, label)

        [first] = one_by_one(executor, specs(1, 1, "first"))
        single = one_by_one(executor, specs(times, 1, "single"))
        row = one_by_one(executor, specs(times // 5, FUSED, "fused"))
        further = (statistics.median(row) - statistics.median(single)) / (FUSED - 1)
        many = specs(times, FUSED, "many")
        start = time.perf_counter()
        run(executor, many)
        each = 1000 * (time.perf_counter() - start) / (times * FUSED)
        executor.close()
        peer = statistics.median(interpreter() for _ in range(max(3, times // 20)))
        print(
            f"  attempt of one step          {statistics.median(single):7.2f} ms  (least {min(single):.2f})"
        )
        print(f"  each further step in it      {further:7.2f} ms")
        print(f"  a step, {cores} cores, {FUSED} an attempt {each:6.2f} ms  ({times * FUSED} steps)")
        print(f"  the first attempt            {first:7.0f} ms  (starts the processes)")
        print(
            f"  a new interpreter instead    {peer:7.0f} ms  ({peer / statistics.median(single):.0f} times)"
        )


if __name__ == "__main__":
    main()
