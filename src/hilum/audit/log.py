"""The audit's own log: each row that goes to the warehouse is told here too, by whoever records it.

So what a person does in a process of their own is told by the serving engine's log, where somebody collects it. A row
that is told twice, after a crash, has the same id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from hilum.kernel.logging import get_logger

NAME = "hilum.audit"
"""The log's name; in Cloud Logging the label ``logger``."""
KINDS = {"r": "run", "s": "subject", "q": "quarantine_id"}
"""The field of an id, by its prefix."""

log = get_logger(NAME)


def tell(rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows of the table ``audit`` to the log."""
    for row in rows:
        about = {KINDS.get(row["what"].partition("-")[0], "what"): row["what"]} if row["what"] else {}
        log.info(
            "audited",
            action=row["action"],
            actor=f"{row['actor_kind']}:{row['actor']}",
            digest=row["digest"] or None,
            count=row["count"],
            at=datetime.fromisoformat(row["acted_at"]),
            audit_id=row["audit_id"],
            **about,
        )
