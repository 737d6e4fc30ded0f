"""Subjects: what runs are about. A series or a study, its content pinned at each settling as a revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from hilum.kernel.digest import digest_set, short_id


class Scope(StrEnum):
    """What a pipeline's runs are about."""

    SERIES = "series"
    STUDY = "study"


@dataclass(frozen=True, slots=True)
class Subject:
    """A series or study as the ledger knows it.

    Attributes:
        id: ``s-...``, a digest of scope and UID: safe to show, holds no patient data.
        uid: Series or Study Instance UID.
        facts: header keywords of a representative instance (that with the smallest digest, so that the order
            of arrival does not matter), for selectors; with ``NumberOfInstances`` counted by Hilum.
        instances: how many distinct instances it has now.
        first_arrival, last_arrival: of its instances (UTC).
        changes: counts the changes of its content; settling is refused if it moved meanwhile.
        revision: digest of the newest settled revision; empty before the first.
        open: instances arrived since the newest revision.
        closing: somebody said that it is complete (a closed batch, an explicit close).
    """

    id: str
    scope: Scope
    uid: str
    study_uid: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    instances: int = 0
    first_arrival: datetime | None = None
    last_arrival: datetime | None = None
    changes: int = 0
    revision: str = ""
    open: bool = True
    closing: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """An instance as part of a revision: all that a step and its lineage need to know of it."""

    sop_instance_uid: str
    digest: str
    uri: str
    size: int
    version: str
    series_instance_uid: str = ""


@dataclass(frozen=True, slots=True)
class Revision:
    """A subject's content at one settling."""

    subject_id: str
    digest: str
    instances: int
    settled_at: datetime
    rule: str


def subject_id(scope: Scope, uid: str) -> str:
    """The id of the subject with this UID: the same on every machine."""
    return short_id("s", scope, uid)


def revision_digest(instance_digests: list[str]) -> str:
    """The revision of these instances: order and repetition do not matter."""
    return digest_set(instance_digests)
