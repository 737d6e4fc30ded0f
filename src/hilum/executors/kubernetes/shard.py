"""The program of a pod that many attempts share: a laptop in a pod. The executor of local processes runs them one
after the other, so each has its own process, its own limits and its own end, and what becomes of one is no other's
matter.

How each ended is left in storage as soon as it is known, since a pod may go at any moment, and a termination message
has room for a few.
"""

from __future__ import annotations

import json
import sys

from hilum.executors.interface import Executor
from hilum.executors.kubernetes.pod import folder, my_specs
from hilum.executors.process import ProcessExecutor
from hilum.kernel import logging
from hilum.model.codec import to_json
from hilum.model.keys import report_object
from hilum.model.work import AttemptOutcome, AttemptReport, AttemptSpec
from hilum.storage import open_storage


def main() -> None:
    """Ends when every attempt has been told of."""
    logging.configure("json", "info")
    specs = my_specs()
    storage = open_storage(specs[0].store)
    executor = ProcessExecutor(folder / "shard", slots=1)
    for spec in specs:  # the pod has room for one at a time
        report = _run(executor, spec)
        storage.create(report_object(spec.id), json.dumps(to_json(report)).encode())
        if report.outcome is not AttemptOutcome.SUCCEEDED:
            for piece in executor.logs(spec.id):
                sys.stdout.buffer.write(piece)
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
