"""What is audited, as a fixed list, and the row that tells it.

A row goes into the ledger's outbox in the transaction of what it is about, so neither is there without the other. It
names things by ids and digests: no header value, no file name, no text of a query.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

from hilum.kernel.digest import digest_json, short_id

TABLE = "audit"
ACTIONS: dict[str, str] = {
    "quarantine-released": "an object left the quarantine: `what` is the entry, `digest` the content's",
    "subjects-closed": "series or studies were called complete: `what` is the first, `digest` is over all ids",
    "runs-retried": "failed runs were brought back: `what` is the first, `digest` is over all ids",
    "results-exported": "results were written out: `digest` is over layout, steps and pipelines asked for",
    "warehouse-copied": "all rows were sent to another warehouse: `digest` is over its address",
    "warehouse-queried": "somebody asked the warehouse: `digest` is over the SQL and its parameters",
    "lineage-asked": "somebody asked where a result came from: `digest` is over what was named",
    "engine-configured": "a serving engine began: `digest` is over its settings and pipelines",
    "leadership-taken": "an engine began to lead",
    "run-superseded": "a newer run took a run's place: `what` is the older, `digest` its revision",
}
"""Everything that is audited, with what its row says."""

Kind = Literal["person", "service", "system"]
T = TypeVar("T")
Rows = Mapping[str, Sequence[Mapping[str, Any]]]
Witness = Callable[[T], Rows]
"""Rows about what a transaction did, to be written in the same one."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person (an account of the operating system), a service account, or Hilum by itself."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


SYSTEM = Actor("system", "hilum")


@dataclass(frozen=True, slots=True)
class Audited:
    """One thing that was decided or released.

    Attributes:
        action: one of :data:`ACTIONS`. what: the id of what it is about; empty where that is no single thing.
        digest: SHA-256, of the content or over what was asked for. count: how many things it is about.
    """

    action: str
    actor: Actor
    at: datetime
    what: str = ""
    digest: str = ""
    count: int = 1

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError(f"{self.action} is not audited")

    @property
    def row(self) -> dict[str, Any]:
        """As a row of the table ``audit``."""
        at = self.at.isoformat()
        audit_id = short_id("u", self.action, str(self.actor), at, self.what, self.digest)
        return {
            "_row_id": audit_id,
            "_recorded_at": at,
            "audit_id": audit_id,
            "action": self.action,
            "actor_kind": self.actor.kind,
            "actor": self.actor.name,
            "what": self.what,
            "digest": self.digest,
            "count": self.count,
            "acted_at": at,
        }


def audit(
    action: str, actor: Actor, at: datetime, *, what: Sequence[str] | None = None, digest: str = ""
) -> Rows:
    """Rows for the outbox about an action; none where there is nothing that it was done to.

    Args:
        what: ids of what it was done to, if it is about things that have one; the digest is over all of them unless
            one is given.
    """
    if what is None:
        return {TABLE: [Audited(action, actor, at, digest=digest).row]}
    ids = sorted(what)
    if not ids:
        return {}
    return {TABLE: [Audited(action, actor, at, ids[0], digest or digest_json(ids), len(ids)).row]}


def nobody(_: object) -> Rows:
    """A witness that tells nothing."""
    return {}


def person(named: str = "") -> Actor:
    """Who runs this process: the service account that the setting ``actor`` names, else the user whose it is."""
    if named:
        return Actor("service", named)
    import pwd

    try:
        return Actor("person", pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:  # a container may run as a user that has no name
        return Actor("person", f"uid-{os.getuid()}")
