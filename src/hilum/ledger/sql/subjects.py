"""Subjects in the ledger: what arrived for each, and the revisions that were settled."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, insert, select, text, update

from hilum.audit import Witness, nobody
from hilum.ledger import schema
from hilum.ledger.schema import from_time, to_time
from hilum.ledger.sql import rows
from hilum.ledger.sql.database import Database, chunks
from hilum.ledger.sql.outbox import post
from hilum.model.arrival import Instance, Received
from hilum.model.subject import Member, Revision, Scope, Subject, subject_id

_subjects, _instances = schema.subjects.c, schema.instances.c
MEMBERS = {
    scope: select(schema.instances)
    .where(of == bindparam("of"), *([_instances.derived_from == ""] if scope is Scope.STUDY else []))
    .order_by(_instances.digest, _instances.sop_instance_uid)
    for scope, of in ((Scope.SERIES, _instances.series_uid), (Scope.STUDY, _instances.study_uid))
}
SETTLE = (
    update(schema.subjects)
    .where(_subjects.id == bindparam("of_subject"), _subjects.changes == bindparam("seen"), _subjects.open)
    .values(open=False, closing=False, revision=bindparam("digest"))
)
REVISION = select(schema.revisions.c.rule).where(
    schema.revisions.c.subject_id == bindparam("of_subject"), schema.revisions.c.digest == bindparam("digest")
)
COUNTED = ("instances", "first_arrival", "last_arrival", "changes", "facts", "facts_digest")
COUNT = (
    update(schema.subjects)
    .where(_subjects.id == bindparam("of_subject"))
    .values({"open": True, "closing": False} | {name: bindparam(f"to_{name}") for name in COUNTED})
)


class Settling:
    """The part of the ledger about subjects and revisions."""

    database: Database

    def open_subjects(self, after: str = "", limit: int = 1000) -> list[Subject]:
        table = schema.subjects.c
        some = (table.open, table.instances > 0, table.id > after)
        query = select(schema.subjects).where(*some).order_by(table.id).limit(limit)
        return self._subjects(query)

    def close_subjects(self, ids: Iterable[str], witness: Witness[Sequence[str]] = nobody) -> None:
        wanted, table = sorted(set(ids)), schema.subjects

        def work(connection: Connection) -> None:
            closed: list[str] = []
            for part in chunks(wanted):
                where = (table.c.id.in_(part), table.c.open)
                if witness is not nobody:
                    closed += connection.execute(select(table.c.id).where(*where)).scalars()
                connection.execute(update(table).where(*where).values(closing=True))
            post(connection, witness(closed))

        self.database.write(work)

    def members(self, subject: Subject) -> list[Member]:
        with self.database.read() as connection:
            return [
                Member(row.sop_instance_uid, row.digest, row.uri, row.size, row.version, row.series_uid)
                for row in connection.execute(MEMBERS[subject.scope], {"of": subject.uid})
            ]

    def settle(self, subject: Subject, revision: Revision, members: Sequence[Member]) -> bool:
        key = {"of_subject": subject.id, "digest": revision.digest}
        values = {
            "subject_id": subject.id,
            "digest": revision.digest,
            "instances": revision.instances,
            "settled_at": to_time(revision.settled_at),
            "rule": revision.rule,
        }

        def work(connection: Connection) -> bool:
            if connection.execute(SETTLE, {**key, "seen": subject.changes}).rowcount == 0:
                return False
            if connection.execute(REVISION, key).first() is None:
                connection.execute(insert(schema.revisions), values)
                post(connection, {"revisions": rows.revision(revision, members, revision.settled_at)})
            return True

        return self.database.write(work)

    def settled(self, subject_id: str, digest: str) -> Revision | None:
        table = schema.revisions
        query = select(table).where(table.c.subject_id == subject_id, table.c.digest == digest)
        with self.database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        return Revision(row.subject_id, row.digest, row.instances, from_time(row.settled_at), row.rule)

    def subjects(self, ids: Iterable[str] | None = None, *, unplanned: bool = False) -> list[Subject]:
        table = schema.subjects.c
        wanted_ones = text(schema.UNPLANNED) if unplanned else table.revision != ""
        query = select(schema.subjects).where(wanted_ones).order_by(table.id)
        if ids is None:
            return self._subjects(query)
        wanted = sorted(set(ids))
        return [
            subject for part in chunks(wanted) for subject in self._subjects(query.where(table.id.in_(part)))
        ]

    def _subjects(self, query: Select[Any]) -> list[Subject]:
        with self.database.read() as connection:
            return [to_subject(row) for row in connection.execute(query)]


def to_subject(row: Any) -> Subject:
    """A row of ``subjects`` as a value."""
    return Subject(
        id=row.id,
        scope=Scope(row.scope),
        uid=row.uid,
        study_uid=row.study_uid,
        facts=json.loads(row.facts),
        instances=row.instances,
        first_arrival=from_time(row.first_arrival),
        last_arrival=from_time(row.last_arrival),
        changes=row.changes,
        revision=row.revision,
        open=row.open,
        closing=row.closing,
    )


def add_to_subjects(
    connection: Connection, accepted: Sequence[Received], only: set[str] | None = None
) -> None:
    """Count new instances into their series and studies (or ``only`` these), which open with them."""
    groups: dict[str, tuple[Scope, str, str, list[Received]]] = {}
    for item in accepted:
        for scope, uid, study_uid in _subjects_of(item):
            key = subject_id(scope, uid)
            if only is not None and key not in only:
                continue
            groups.setdefault(key, (scope, uid, study_uid, []))[3].append(item)
    existing = {row.id: row for row in lock_subjects(connection, sorted(groups))}
    new, changed = [], []
    for key, (scope, uid, study_uid, items) in sorted(groups.items()):
        times = [to_time(item.arrival.arrived_at) for item in items]
        smallest = min(items, key=lambda item: item.digest)
        values = {
            "instances": len(items),
            "first_arrival": min(times),
            "last_arrival": max(times),
            "changes": 1,
        }
        row = existing.get(key)
        if row is None:
            of = {"id": key, "scope": scope.value, "uid": uid, "study_uid": study_uid, "open": True}
            new.append(of | values | _facts(smallest))
            continue
        nearer = smallest.digest < row.facts_digest
        values |= _facts(smallest) if nearer else {"facts": row.facts, "facts_digest": row.facts_digest}
        values |= {"instances": row.instances + len(items), "changes": row.changes + 1}
        values["first_arrival"] = min(row.first_arrival, *times)
        values["last_arrival"] = max(row.last_arrival, *times)
        changed.append({"of_subject": key} | {f"to_{name}": value for name, value in values.items()})
    if new:
        connection.execute(insert(schema.subjects), new)
    if changed:
        connection.execute(COUNT, changed)


def reopen(connection: Connection, before: Instance, item: Received, *, derived: bool) -> None:
    """An instance's content was replaced: its subjects open, and so do those it left, should it have moved.

    Args:
        derived: it was one that a task made.
    """
    old = {subject_id(scope, uid) for scope, uid, _ in _scopes(before, derived)}
    new = {subject_id(scope, uid) for scope, uid, _ in _subjects_of(item)}
    table = schema.subjects
    for row in lock_subjects(connection, sorted(old)):
        values: dict[str, Any] = {"changes": row.changes + 1, "open": True, "closing": False}
        if row.id not in new:
            values["instances"] = row.instances - 1
        elif row.facts_digest in (before.digest, "") or item.digest < row.facts_digest:
            values |= _facts(item)
        connection.execute(update(table).where(table.c.id == row.id).values(values))
    add_to_subjects(connection, [item], only=new - old)


def _subjects_of(item: Received) -> list[tuple[Scope, str, str]]:
    instance = item.instance
    if instance is None:
        return []
    return _scopes(instance, bool(item.arrival.derived_from))


def _scopes(instance: Instance, derived: bool) -> list[tuple[Scope, str, str]]:
    """Of what an instance is a part. What a task made is a series of its own and no part of the study, which would
    never be complete if it grew with every result about it."""
    series, study = instance.series_instance_uid, instance.study_instance_uid
    return [(Scope.SERIES, series, study), *([] if derived else [(Scope.STUDY, study, study)])]


def _facts(item: Received) -> dict[str, Any]:
    return {"facts": json.dumps(item.facts, separators=(",", ":")), "facts_digest": item.digest}


def lock_subjects(connection: Connection, ids: Sequence[str]) -> list[Any]:
    """Rows of subjects, locked in the order of ids so that two engines cannot wait for each other."""
    table = schema.subjects
    found: list[Any] = []
    for part in chunks(ids):
        query = select(table).where(table.c.id.in_(part)).order_by(table.c.id).with_for_update()
        found.extend(connection.execute(query))
    return found
