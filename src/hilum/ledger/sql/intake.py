"""Arrivals into the ledger: each gets its outcome here, in one transaction with all that follows from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, tuple_, update

from hilum.audit import Witness, nobody
from hilum.errors import UsageError
from hilum.kernel.address import INSIDE, archive_of, member_version
from hilum.kernel.digest import short_id
from hilum.ledger import schema
from hilum.ledger.interface import Known
from hilum.ledger.schema import from_time, to_time
from hilum.ledger.sql import rows
from hilum.ledger.sql.database import Database, chunks
from hilum.ledger.sql.older import header_line as row_line
from hilum.ledger.sql.older import received_row
from hilum.ledger.sql.outbox import HEADERS, RowLists, next_value, post
from hilum.ledger.sql.subjects import add_to_subjects, reopen
from hilum.model.arrival import (
    CONFLICT,
    REPLACED,
    SWEEP,
    Instance,
    Outcome,
    Quarantined,
    Received,
    RefusedRow,
    header_id,
    header_line,
)
from hilum.model.codec import from_json, to_json
from hilum.model.subject import Member, Scope, subject_id

ROW_REFUSED = "row-refused"
"""A row that the warehouse did not take; to release it sends it again."""


class Intake:
    """The part of the ledger about arrivals and the quarantine."""

    database: Database

    def known(self, uris: Sequence[str]) -> dict[str, Known]:
        arrivals, instances = schema.arrivals.c, schema.instances.c
        found: dict[str, Known] = {}
        with self.database.read() as connection:
            for part in chunks(uris):
                query = (
                    select(
                        arrivals.uri,
                        arrivals.version,
                        arrivals.size,
                        arrivals.digest,
                        arrivals.outcome,
                        instances.series_uid,
                        instances.study_uid,
                    )
                    .select_from(
                        schema.arrivals.outerjoin(
                            schema.instances, arrivals.sop_instance_uid == instances.sop_instance_uid
                        )
                    )
                    .where(arrivals.uri.in_(part), arrivals.reason != REPLACED)
                    .order_by(arrivals.sequence)
                )
                for row in connection.execute(query):
                    found[row.uri] = Known(
                        row.version, row.size, row.digest, Outcome(row.outcome), _subjects(row)
                    )
        return found

    def contents(self, archives: Mapping[str, str]) -> tuple[int, set[str]]:
        arrivals, instances = schema.arrivals.c, schema.instances.c
        count = 0
        subjects: set[str] = set()
        with self.database.read() as connection:
            for archive, version in archives.items():
                prefix = member_version(version, "")
                query = (
                    select(instances.series_uid, instances.study_uid, func.count(arrivals.uri.distinct()))
                    .select_from(
                        schema.arrivals.outerjoin(
                            schema.instances, arrivals.sop_instance_uid == instances.sop_instance_uid
                        )
                    )
                    .where(
                        self.database.begins(arrivals.uri, f"{archive}{INSIDE}"),
                        func.substr(arrivals.version, 1, len(prefix)) == prefix,
                    )
                    .group_by(instances.series_uid, instances.study_uid)
                )
                for row in connection.execute(query):
                    count += row[2]
                    subjects.update(_subjects(row))
        return count, subjects

    def record_arrivals(self, received: Sequence[Received], now: datetime) -> list[Outcome]:
        return self.database.write(lambda connection: _record(connection, received, now))

    def places(self, sop_instance_uids: Sequence[str]) -> dict[str, Member]:
        table = schema.instances.c
        found: dict[str, Member] = {}
        with self.database.read() as connection:
            for part in chunks(sop_instance_uids):
                query = select(schema.instances).where(table.sop_instance_uid.in_(part))
                for row in connection.execute(query):
                    found[row.sop_instance_uid] = Member(
                        row.sop_instance_uid, row.digest, row.uri, row.size, row.version, row.series_uid
                    )
        return found

    def copies(self, sop_instance_uid: str, digest: str) -> list[Member]:
        table = schema.arrivals.c
        query = (
            select(schema.arrivals)
            .where(table.sop_instance_uid == sop_instance_uid, table.digest == digest)
            .order_by(table.sequence.desc())
        )
        with self.database.read() as connection:
            return [
                Member(sop_instance_uid, digest, row.uri, row.size, row.version)
                for row in connection.execute(query)
            ]

    def forget(self, arrivals: Iterable[tuple[str, str]]) -> None:
        keys = list(arrivals)
        table = schema.arrivals

        def work(connection: Connection) -> None:
            for part in chunks(keys):
                connection.execute(delete(table).where(tuple_(table.c.uri, table.c.version).in_(part)))

        self.database.write(work)

    def digests(self, sop_instance_uids: Sequence[str]) -> dict[str, str]:
        with self.database.read() as connection:
            return _known_digests(connection, sop_instance_uids)

    def relocate(self, sop_instance_uid: str, digest: str, uri: str, size: int, version: str) -> None:
        table = schema.instances
        query = (
            update(table)
            .where(table.c.sop_instance_uid == sop_instance_uid, table.c.digest == digest)
            .values(uri=uri, size=size, version=version)
        )
        self.database.write(lambda connection: connection.execute(query))

    def quarantine(self, *, released: bool = False) -> list[Quarantined]:
        query = select(schema.quarantine).order_by(schema.quarantine.c.quarantined_at, schema.quarantine.c.id)
        if not released:
            query = query.where(schema.quarantine.c.released_at.is_(None))
        with self.database.read() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def refuse_rows(self, refused: Sequence[RefusedRow], now: datetime) -> None:
        self.database.write(lambda connection: _refuse_rows(connection, refused, now))

    def release(
        self, entry_id: str, keep: str, now: datetime, witness: Witness[Quarantined] = nobody
    ) -> Quarantined:
        def work(connection: Connection) -> Quarantined:
            entry = _release(connection, entry_id, keep, now)
            post(connection, witness(entry))
            return entry

        return self.database.write(work)


def _subjects(row: Any) -> tuple[str, ...]:
    if row.series_uid is None:
        return ()
    return subject_id(Scope.SERIES, row.series_uid), subject_id(Scope.STUDY, row.study_uid)


def _record(connection: Connection, received: Sequence[Received], now: datetime) -> list[Outcome]:
    sequence = next_value(connection, "arrival", len(received)) - len(received)
    earlier = _earlier_outcomes(connection, received)
    digests = _known_digests(
        connection, [item.instance.sop_instance_uid for item in received if item.instance]
    )
    outcomes: list[Outcome] = []
    arrivals: list[dict[str, Any]] = []
    accepted: list[Received] = []
    newest: dict[str, str] = {}
    posted: RowLists = {"arrivals": [], "quarantine": []}
    headers: list[str] = []
    for item in received:
        key = (item.arrival.uri, item.arrival.version)
        if key in earlier:
            outcomes.append(earlier[key])
            continue
        outcome, reason, known_digest = _judge(item, digests)
        sequence += 1
        newest[item.arrival.uri] = _entry_id(item)
        arrivals.append(_arrival_values(item, outcome, reason, sequence))
        posted["arrivals"].append(rows.arrival(item, outcome, reason, now))
        if outcome is Outcome.ACCEPTED and item.instance is not None:
            digests[item.instance.sop_instance_uid] = item.digest
            accepted.append(item)
            headers.append(header_line(item, now))
        elif outcome is Outcome.QUARANTINED:
            posted["quarantine"].append(_quarantine(connection, item, reason, known_digest, now))
        earlier[key] = outcome
        outcomes.append(outcome)
    if arrivals:
        connection.execute(insert(schema.arrivals), arrivals)
    if found := sum(each["source"] == SWEEP for each in arrivals):
        next_value(connection, SWEEP, found)
    if accepted:
        connection.execute(insert(schema.instances), [_instance_values(item) for item in accepted])
        add_to_subjects(connection, accepted)
    posted["quarantine"] += _replaced(connection, newest, now)
    post(connection, posted, headers)
    return outcomes


def _replaced(connection: Connection, newest: Mapping[str, str], now: datetime) -> list[dict[str, Any]]:
    """Something newer came to an address (it was half written before): nobody has to decide on what was there.

    Args:
        newest: id that an entry of the newest version at each address has, or would have.
    """
    table = schema.quarantine
    released = []
    for part in chunks(list(newest)):
        waiting = (
            table.c.uri.in_(part),
            table.c.released_at.is_(None),
            table.c.reason.not_in((CONFLICT, ROW_REFUSED)),
        )
        for row in list(connection.execute(select(table).where(*waiting))):
            if row.id == newest[row.uri]:
                continue
            entry = replace(_entry(row), released_at=now, decision="replaced")
            values = {"released_at": to_time(now), "decision": entry.decision}
            connection.execute(update(table).where(table.c.id == entry.id).values(**values))
            released.append(rows.quarantined(entry, now))
    return released


def _judge(item: Received, digests: dict[str, str]) -> tuple[Outcome, str, str]:
    """What becomes of an arrival: (outcome, reason, digest already known under its UID)."""
    if item.instance is None:
        return (Outcome.IGNORED if item.ignored else Outcome.QUARANTINED), item.problem, ""
    known = digests.get(item.instance.sop_instance_uid)
    if known is None:
        return Outcome.ACCEPTED, "", ""
    if known == item.digest:
        return Outcome.DUPLICATE, "", known
    return Outcome.QUARANTINED, CONFLICT, known


def _earlier_outcomes(connection: Connection, received: Sequence[Received]) -> dict[tuple[str, str], Outcome]:
    table = schema.arrivals.c
    found: dict[tuple[str, str], Outcome] = {}
    keys = [(item.arrival.uri, item.arrival.version) for item in received]
    for part in chunks(keys):
        query = select(table.uri, table.version, table.outcome).where(
            tuple_(table.uri, table.version).in_(part)
        )
        found.update(((row.uri, row.version), Outcome(row.outcome)) for row in connection.execute(query))
    return found


def _known_digests(connection: Connection, sop_instance_uids: Sequence[str]) -> dict[str, str]:
    table = schema.instances.c
    found: dict[str, str] = {}
    for part in chunks(sorted(set(sop_instance_uids))):
        query = select(table.sop_instance_uid, table.digest).where(table.sop_instance_uid.in_(part))
        found.update((uid, digest) for uid, digest in connection.execute(query))
    return found


def _arrival_values(item: Received, outcome: Outcome, reason: str, sequence: int) -> dict[str, Any]:
    return {
        "uri": item.arrival.uri,
        "version": item.arrival.version,
        "size": item.arrival.size,
        "source": item.arrival.source,
        "arrived_at": to_time(item.arrival.arrived_at),
        "outcome": outcome.value,
        "reason": reason,
        "digest": item.digest,
        "sop_instance_uid": item.instance.sop_instance_uid if item.instance else "",
        "sequence": sequence,
    }


def _instance_values(item: Received) -> dict[str, Any]:
    instance = item.instance
    if instance is None:
        raise ValueError("only an instance can be recorded as one")
    return {
        "sop_instance_uid": instance.sop_instance_uid,
        "sop_class_uid": instance.sop_class_uid,
        "series_uid": instance.series_instance_uid,
        "study_uid": instance.study_instance_uid,
        "digest": item.digest,
        "uri": item.arrival.uri,
        "version": item.arrival.version,
        "size": item.arrival.size,
        "transfer_syntax_uid": instance.transfer_syntax_uid,
        "header_id": header_id(instance.sop_instance_uid),
        "derived_from": item.arrival.derived_from,
    }


def _quarantine(
    connection: Connection, item: Received, reason: str, known_digest: str, now: datetime
) -> dict[str, Any]:
    """Enter an object into the quarantine, or again if it was released and came back unmended."""
    detail = item.detail
    if reason == CONFLICT:
        detail = (
            f"another instance with this UID is known; digests {known_digest[:12]} and {item.digest[:12]}"
        )
    entry = Quarantined(
        id=_entry_id(item),
        uri=item.arrival.uri,
        version=item.arrival.version,
        size=item.arrival.size,
        reason=reason,
        detail=detail,
        digest=item.digest,
        known_digest=known_digest,
        sop_instance_uid=item.instance.sop_instance_uid if item.instance else "",
        quarantined_at=now,
    )
    table = schema.quarantine
    connection.execute(delete(table).where(table.c.id == entry.id))
    values = {**to_json(entry), "quarantined_at": to_time(now), "received": json.dumps(to_json(item))}
    connection.execute(insert(table).values(values))
    return rows.quarantined(entry, now)


def _refuse_rows(connection: Connection, refused: Sequence[RefusedRow], now: datetime) -> None:
    """Keep rows that the warehouse did not take; the same ones again change nothing."""
    table = schema.quarantine
    posted = []
    for each in refused:
        row = each.row
        entry = Quarantined(
            id=short_id("q", each.table, str(row.get("_row_id"))),
            uri=str(row.get("FileURI") or row.get("uri") or f"warehouse:{each.table}/{row.get('_row_id')}"),
            version=str(row.get("FileVersion") or row.get("version") or ""),
            size=int(row.get("FileSize") or row.get("size") or 0),
            reason=ROW_REFUSED,
            detail=f"a row of {each.table}: {each.code}",
            digest=str(row.get("FileSHA256") or row.get("digest") or ""),
            known_digest="",
            sop_instance_uid=str(row.get("SOPInstanceUID") or ""),
            quarantined_at=now,
        )
        known = select(table.c.id).where(table.c.id == entry.id, table.c.released_at.is_(None))
        if connection.execute(known).first() is not None:
            continue
        connection.execute(delete(table).where(table.c.id == entry.id))
        kept = json.dumps({"table": each.table, "row": row})
        values = {**to_json(entry), "quarantined_at": to_time(now), "received": kept}
        connection.execute(insert(table).values(values))
        posted.append(rows.quarantined(entry, now))
    post(connection, {"quarantine": posted})


def _entry_id(item: Received) -> str:
    return short_id("q", item.arrival.uri, item.arrival.version)


def _entry(row: Any) -> Quarantined:
    return Quarantined(
        id=row.id,
        uri=row.uri,
        version=row.version,
        size=row.size,
        reason=row.reason,
        detail=row.detail,
        digest=row.digest,
        known_digest=row.known_digest,
        sop_instance_uid=row.sop_instance_uid,
        quarantined_at=from_time(row.quarantined_at),
        released_at=None if row.released_at is None else from_time(row.released_at),
        decision=row.decision,
    )


def _release(connection: Connection, entry_id: str, keep: str, now: datetime) -> Quarantined:
    table = schema.quarantine
    row = connection.execute(select(table).where(table.c.id == entry_id).with_for_update()).first()
    if row is None or row.released_at is not None:
        raise UsageError(
            f"nothing waits in the quarantine under {entry_id}", hint="see `hilum quarantine list`"
        )
    decision = keep or "again"
    conflict = row.reason == CONFLICT
    if conflict and keep not in ("old", "new"):
        raise UsageError(
            f"{entry_id} is a conflict of two contents",
            hint="say --keep old or --keep new",
            reason="needs-decision",
        )
    if not conflict and keep:
        raise UsageError(f"{entry_id} is no conflict: --keep does not apply", hint="leave --keep out")
    entry = replace(_entry(row), released_at=now, decision=decision)
    connection.execute(
        update(table).where(table.c.id == entry_id).values(released_at=to_time(now), decision=decision)
    )
    posted: RowLists = {"quarantine": [rows.quarantined(entry, now)]}
    headers: list[str] = []
    if row.reason == ROW_REFUSED:
        kept = json.loads(row.received)
        if kept["table"] == HEADERS:
            headers = [row_line(kept["row"])]
        else:
            posted.setdefault(kept["table"], []).append(kept["row"])
    elif not conflict:
        arrivals = schema.arrivals.c
        where = (arrivals.uri == row.uri, arrivals.version == row.version)
        connection.execute(delete(schema.arrivals).where(*where))
        if archive := archive_of(row.uri):  # it is opened again only if it has no outcome itself
            connection.execute(delete(schema.arrivals).where(arrivals.uri == archive))
    elif keep == "new":
        received = json.loads(row.received)
        received["row"] = received_row(received["row"])
        item = from_json(Received, received)
        if (gone := _replace_instance(connection, item)) is not None:
            headers = [header_line(item, now)]
            posted["retractions"] = [rows.retraction(HEADERS, row_id, "replaced", now) for row_id in gone]
    post(connection, posted, headers)
    return entry


def _replace_instance(connection: Connection, item: Received) -> list[str] | None:
    """The new content takes the place of the known one; its subjects open again.

    Returns:
        Row ids of headers that its header row does not take the place of by itself; None where it is known already.
    """
    if item.instance is None:
        raise ValueError("only an instance can take another's place")
    uid = item.instance.sop_instance_uid
    table = schema.instances
    old = connection.execute(select(table).where(table.c.sop_instance_uid == uid).with_for_update()).one()
    if old.digest == item.digest:
        return None
    values = _instance_values(item)
    connection.execute(update(table).where(table.c.sop_instance_uid == uid).values(values))
    before = Instance(uid, old.sop_class_uid, old.series_uid, old.study_uid, old.digest, old.uri, old.size)
    reopen(connection, before, item, derived=bool(old.derived_from))
    # header rows were once named by address and version
    return [old.header_id] if old.header_id != values["header_id"] else []
