"""How attempts that shared a pod ended, as their engine learns it: each left its own report in storage, and those
that left none share the fate of the pod.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from hilum.errors import HilumError, TransientError
from hilum.executors.kubernetes.endings import Ending, ending
from hilum.model.codec import from_json
from hilum.model.keys import report_object
from hilum.model.work import AttemptOutcome, AttemptReport, AttemptSpec
from hilum.storage import ObjectMissing, open_storage

if TYPE_CHECKING:
    from hilum.executors.kubernetes.seen import SeenPod


def shard_over(pod: SeenPod, spec: AttemptSpec) -> Ending | None:
    """How a shared pod ended, as it concerns an attempt that left no report; None while it goes on.

    Whatever ended the pod is not laid on one attempt, but it is counted against each, or those that bring a pod down
    would do so for ever.
    """
    found = ending(pod, spec)
    if found is None or found.outcome is AttemptOutcome.LOST:
        return found
    said, step = "the pod that it shared with others ended before it did", spec.steps[0].name
    return Ending(AttemptOutcome.CRASHED, "shard-failed", f"{said}: {found.reason}", step, found.exit_code)


def report_of(spec: AttemptSpec) -> AttemptReport | None:
    """What an attempt left in storage of how it ended.

    Raises:
        HilumError, OSError: it cannot be read.
    """
    try:
        data = open_storage(spec.store).read(report_object(spec.id))
    except ObjectMissing:
        return None
    try:
        return from_json(AttemptReport, json.loads(data))
    except (ValueError, TypeError, AttributeError) as error:
        raise TransientError("the report of an attempt is damaged", reason="result-damaged") from error


def forget(spec: AttemptSpec) -> None:
    """Its report is recorded elsewhere. One that cannot be removed harms nobody: ``doctor --mend`` does it."""
    with suppress(HilumError, OSError):
        open_storage(spec.store).delete(report_object(spec.id))
