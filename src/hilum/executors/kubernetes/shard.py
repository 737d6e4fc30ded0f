"""The program of a pod that many attempts share: a laptop in a pod. The executor of local processes runs them one
after the other, so each has its own process, its own limits and its own end, and what becomes of one is no other's
matter.

How each ended is left in storage as soon as it is known, since a pod may go at any moment, and a termination message
has room for a few. The last pod of a Job may have one attempt alone, which then runs as any other.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hilum.executors.interface import Executor
from hilum.executors.kubernetes import work
from hilum.executors.kubernetes.output import marked
from hilum.executors.kubernetes.pod import folder, my_specs
from hilum.executors.process import ProcessExecutor
from hilum.kernel import logging
from hilum.kernel.logging import get_logger
from hilum.model.codec import to_json
from hilum.model.keys import report_object
from hilum.model.work import AttemptOutcome, AttemptReport, AttemptSpec
from hilum.storage import Storage, open_storage

log = get_logger(__name__)


def main() -> None:
    """Ends when every attempt has been told of."""
    specs = my_specs()
    if len(specs) == 1:
        return work.main()
    logging.configure("json", "info")
    return run_all(specs, open_storage(specs[0].store), folder / "shard")


def run_all(specs: Sequence[AttemptSpec], storage: Storage, scratch: Path) -> None:
    """Run attempts one after the other; leave in storage how each ended, and print what those did that failed."""
    executor = ProcessExecutor(scratch, slots=1)
    for spec in specs:  # the pod has room for one at a time
        report = _run(executor, spec)
        try:
            storage.create(report_object(spec.id), json.dumps(to_json(report)).encode())
        except Exception as error:  # it counts as lost then, and is no reason to lose the others
            log.warning("report of an attempt could not be left", attempt=spec.id, error=error)
        if report.outcome is not AttemptOutcome.SUCCEEDED:
            sys.stdout.buffer.write(marked(spec.id, executor.logs(spec.id)))
            sys.stdout.buffer.flush()
    executor.close()


def _run(executor: Executor, spec: AttemptSpec) -> AttemptReport:
    """How an attempt ended."""
    executor.submit(spec)
    while True:
        for event in executor.watch(60.0):
            if isinstance(event, AttemptReport):
                return event


if __name__ == "__main__":
    main()
