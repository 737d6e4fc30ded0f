"""The outbox: what the warehouse has yet to learn, written in the transaction that made it true.

Taking a batch gives its entries a number in the ledger before anything is written elsewhere; after a crash the
same entries come again under the same number, so the warehouse can tell that it has them.

An entry is one line of JSON, rows by table, and then a line for each header row, in zlib's format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from isal import isal_zlib
from sqlalchemy import Connection, delete, func, insert, select, update

from hilum.ledger import schema
from hilum.ledger.interface import OutboxBatch
from hilum.ledger.sql.database import Database
from hilum.ledger.sql.older import header_line

RowLists = dict[str, list[dict[str, Any]]]
MAX_ROWS, MAX_BYTES = 2000, 1 << 20
"""Of one batch, within an entry. Bytes are compressed; a header's text is twenty times as much."""
HEADERS = "dicom_metadata"


def post(
    connection: Connection,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    headers: Sequence[str] = (),
    batch: int = 0,
) -> None:
    """Put rows into the outbox, and rows of headers as lines, as part of the caller's transaction."""
    filled = {table: list(items) for table, items in rows.items() if items}
    count = len(headers) + sum(len(items) for items in filled.values())
    if count:
        lines = [json.dumps(filled, separators=(",", ":")), *headers, ""]
        payload = isal_zlib.compress("\n".join(lines).encode(), 1)
        connection.execute(insert(schema.outbox).values(batch=batch, rows=count, payload=payload))


def next_value(connection: Connection, name: str, step: int = 1) -> int:
    """The next value of a counter that never goes back; its row is locked until the transaction ends."""
    query = select(schema.counters.c.value).where(schema.counters.c.name == name).with_for_update()
    value = connection.execute(query).scalar()
    if value is None:
        connection.execute(insert(schema.counters).values(name=name, value=step))
        return step
    connection.execute(
        update(schema.counters).where(schema.counters.c.name == name).values(value=value + step)
    )
    return int(value) + step


class Outbox:
    """The part of the ledger that feeds the warehouse."""

    database: Database

    def tell(
        self, rows: Mapping[str, Sequence[Mapping[str, Any]]], headers: Sequence[str] = (), batch: int = 0
    ) -> None:
        self.database.write(lambda connection: post(connection, rows, headers, batch))

    def take_outbox(self, limit: int = 200) -> OutboxBatch | None:
        table = schema.outbox

        def work(connection: Connection) -> OutboxBatch | None:
            number = connection.execute(select(func.min(table.c.batch)).where(table.c.batch > 0)).scalar()
            if number is None:
                ids = _oldest(connection, limit)
                if not ids:
                    return None
                number = next_value(connection, "batch")
                connection.execute(update(table).where(table.c.id.in_(ids)).values(batch=number))
            query = select(table.c.payload).where(table.c.batch == number).order_by(table.c.id)
            rows: RowLists = {}
            headers = []
            for payload in connection.execute(query).scalars():
                first, _, lines = isal_zlib.decompress(payload).partition(b"\n")
                headers.append(lines)
                for name, items in json.loads(first).items():
                    rows.setdefault(name, []).extend(items)
                headers += [f"{header_line(row)}\n".encode() for row in rows.pop(HEADERS, ())]
            return OutboxBatch(int(number), rows, b"".join(headers))

        return self.database.write(work)

    def new_batch(self) -> int:
        return self.database.write(lambda connection: next_value(connection, "batch"))

    def outbox_done(self, number: int) -> None:
        query = delete(schema.outbox).where(schema.outbox.c.batch == number)
        self.database.write(lambda connection: connection.execute(query))


def oldest_row(connection: Connection) -> datetime | None:
    """When the first row of the oldest entry was made: by what it says of itself, so it costs no column."""
    query = select(schema.outbox.c.payload).order_by(schema.outbox.c.id).limit(1)
    payload = connection.execute(query).scalar()
    if payload is None:
        return None
    first, _, headers = isal_zlib.decompress(payload).partition(b"\n")
    rows = [row for items in json.loads(first).values() for row in items]
    rows = rows or [json.loads(headers.partition(b"\n")[0])]
    return datetime.fromisoformat(rows[0]["_recorded_at"])


def _oldest(connection: Connection, limit: int) -> list[int]:
    """Ids of the oldest free entries: at most ``limit``, and no more once MAX_ROWS or MAX_BYTES is reached."""
    table = schema.outbox
    query = (
        select(table.c.id, table.c.rows, func.length(table.c.payload))
        .where(table.c.batch == 0)
        .order_by(table.c.id)
        .limit(limit)
        .with_for_update()
    )
    ids: list[int] = []
    count = total = 0
    for entry, number, size in connection.execute(query):
        ids.append(entry)
        count, total = count + number, total + size
        if count >= MAX_ROWS or total >= MAX_BYTES:
            break
    return ids
