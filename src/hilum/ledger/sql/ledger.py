"""The ledger itself: its parts put together, opened at the newest schema, with roles, counts and a check."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, inspect, select, text, update

from hilum.errors import UsageError
from hilum.ledger import schema
from hilum.ledger.counts import measure, summarize
from hilum.ledger.interface import Ledger, LedgerBusy, LedgerDamaged, Levels, Summary
from hilum.ledger.schema import to_time
from hilum.ledger.sql.database import Database
from hilum.ledger.sql.dispatch import Dispatching
from hilum.ledger.sql.intake import Intake
from hilum.ledger.sql.outbox import Outbox, oldest_row
from hilum.ledger.sql.planning import Planning
from hilum.ledger.sql.soundness import disagreements
from hilum.ledger.sql.subjects import Settling
from hilum.model.work import RunPlan


class SqlLedger(Intake, Settling, Planning, Dispatching, Outbox, Ledger):
    """A ledger in SQLite or PostgreSQL.

    Args:
        url: an SQLAlchemy URL. A missing schema is made, an older one migrated, a newer one refused.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.plans: dict[str, RunPlan] = {}
        _bring_up_to_date(self.database, url)

    def acquire_role(self, role: str, owner: str, now: datetime, lease: float) -> bool:
        table, until = schema.roles, to_time(now + timedelta(seconds=lease))
        never = to_time(
            now + timedelta(seconds=2 * lease)
        )  # whoever says so said it before the clock was set back

        def work(connection: Connection) -> bool:
            held = connection.execute(select(table).where(table.c.role == role).with_for_update()).first()
            if held is None:
                connection.execute(insert(table).values(role=role, owner=owner, lease_until=until))
            elif held.owner != owner and to_time(now) <= held.lease_until <= never:
                return False
            else:
                values = {"owner": owner, "lease_until": until}
                connection.execute(update(table).where(table.c.role == role).values(**values))
            return True

        return self.database.write(work)

    def release_role(self, role: str, owner: str) -> None:
        table = schema.roles
        query = delete(table).where(table.c.role == role, table.c.owner == owner)
        self.database.write(lambda connection: connection.execute(query))

    def summary(self) -> Summary:
        with self.database.read() as connection:
            return summarize(lambda sql: connection.execute(text(sql)).all())

    def levels(self, now: datetime) -> Levels:
        with self.database.read() as connection:
            return measure(lambda sql: connection.execute(text(sql)).all(), now, oldest_row(connection))

    def check(self) -> list[str]:
        try:
            with self.database.read() as connection:
                return self._check(connection)
        except LedgerDamaged as error:
            return [error.message]

    def _check(self, connection: Connection) -> list[str]:
        if self.database.sqlite:
            lines = connection.execute(text("PRAGMA integrity_check(10)")).scalars()
            if found := [line for whole in lines for line in whole.splitlines() if line != "ok"]:
                return found
        missing = set(schema.metadata.tables) - set(inspect(connection).get_table_names())
        return [f"table {name} is missing" for name in sorted(missing)] or disagreements(connection)

    def close(self) -> None:
        self.database.close()


def _bring_up_to_date(database: Database, url: str) -> None:
    """Make the schema in an empty database, migrate an older one; most often there is nothing to do."""
    known = _version(database)
    if known == schema.REVISION:
        return
    if known is None:
        database.write(lambda connection: _create_schema(database, connection))
        return
    from hilum.ledger.migrate import known_revisions, upgrade

    if known not in known_revisions():
        raise UsageError(
            f"the ledger was written by a newer Hilum (schema {known})",
            hint="install that version or a newer one",
        )
    database.close()
    upgrade(url)


def _version(database: Database) -> str | None:
    """The schema's version; None if there is no schema yet."""
    query = select(schema.schema_version.c.version_num)
    with suppress(LedgerBusy, LedgerDamaged), database.read() as connection:
        return connection.execute(query).scalar()
    with database.read() as connection:
        if inspect(connection).has_table(schema.schema_version.name):
            return connection.execute(query).scalar()
    return None


def _create_schema(database: Database, connection: Connection) -> None:
    database.alone(connection)
    schema.metadata.create_all(connection)
    table = schema.schema_version
    if connection.execute(select(table)).first() is None:
        connection.execute(insert(table).values(version_num=schema.REVISION))
