"""Engines name themselves ``<machine>/<pid>/<start>`` in what they hold in the ledger, so that one who died on this
machine can be told from one who is slow: what it held need not wait for its lease to run out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable


def dead_neighbours(owners: Iterable[str], me: str) -> list[str]:
    """Those of ``owners`` on the machine of ``me`` whose process is gone."""
    machine = me.partition("/")[0]
    gone = []
    for owner in owners:
        host, pid, _start = (*owner.split("/"), "", "")[:3]
        if host == machine and owner != me and not os.path.exists(f"/proc/{pid}"):
            gone.append(owner)
    return gone


def other_engines(owners: Iterable[str], me: str) -> list[str]:
    """Those of ``owners`` that are engines, and not ``me``; commands that record for a moment are none."""
    return [owner for owner in owners if owner != me and not owner.endswith("/record")]
