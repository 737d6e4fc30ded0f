"""Migrations: an older ledger is brought up to date with all that is in it, a newer one is refused, and what is made
anew is the same as what was migrated."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, inspect, select, text

from beds import ledger_workers as workers
from beds.ledgers import (
    AGAIN,
    DEAD,
    LEASE,
    NEWEST,
    NOW,
    claim_one,
    find,
    finish,
    later,
    plan_of,
    received,
    settle,
    start,
    start_many,
    unreadable,
)
from hilum.errors import UsageError
from hilum.ledger import open_ledger, schema
from hilum.ledger.migrate import known_revisions, upgrade
from hilum.ledger.sql.database import Database

VERSION = schema.schema_version.name
ADDED_SINCE_FIRST = {("tasks", "memory"), ("instances", "derived_from")}
TABLES_SINCE_FIRST = {"memory_needs"}


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but the version's, columns by name."""
    database, found = Database(url), {}
    for table in schema.metadata.sorted_tables:
        columns = sorted(
            column.name for column in table.c if (table.name, column.name) not in ADDED_SINCE_FIRST
        )
        if table.name not in {VERSION, *TABLES_SINCE_FIRST}:
            with database.read() as connection:
                rows = connection.execute(select(*(table.c[name] for name in columns)))
                found[table.name] = sorted(map(tuple, rows), key=repr)
    database.close()
    return found


def version(url: str) -> str:
    database = Database(url)
    with database.read() as connection:
        known = connection.execute(select(schema.schema_version.c.version_num)).scalar_one()
    database.close()
    return str(known)


def shape(url: str) -> dict[str, Any]:
    """The schema as the database tells it."""
    database, told = Database(url), {}
    with database.read() as connection:
        inspector = inspect(connection)
        for table in sorted(inspector.get_table_names()):
            columns = {
                each["name"]: (str(each["type"]), each["nullable"], each["default"])
                for each in inspector.get_columns(table)
            }
            told[table] = columns, inspector.get_pk_constraint(table), inspector.get_unique_constraints(table)
        indexes = (
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
            if database.sqlite
            else "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname"
        )
        told["indexes"] = [(name, sql.replace('"', "")) for name, sql in connection.execute(text(indexes))]
    database.close()
    return told


def busy(url: str) -> None:
    """Put something into every table."""
    ledger = open_ledger(url)
    ledger.record_arrivals([received(number) for number in range(20)], NOW)
    ledger.record_arrivals([unreadable(1), received(1, content="other", uri="file:///b")], NOW)
    settle(ledger, find(ledger))
    start_many(ledger, plan_of({"a": (), "b": ["a"]}), range(1, 4))
    for claim, state in zip(ledger.claim("here/1", 3, later(1), LEASE), (DEAD, AGAIN), strict=False):
        finish(ledger, claim, state)
    ledger.acquire_role("recorder", "here/1", NOW, LEASE)
    ledger.take_outbox(2)
    ledger.close()


@pytest.fixture
def old_url(empty_url, tmp_path) -> str:
    """A ledger of the first schema with rows in every table."""
    model = f"sqlite:///{tmp_path}/model.sqlite"
    busy(model)
    rows = contents(model)
    upgrade(empty_url, "0001")
    database = Database(empty_url)
    old = MetaData()
    old.reflect(database.engine)

    def fill(connection: Any) -> None:
        for name, values in rows.items():
            columns = sorted(old.tables[name].c.keys())
            assert values, f"nothing in {name}"
            connection.execute(
                old.tables[name].insert(), [dict(zip(columns, row, strict=True)) for row in values]
            )
        if not database.sqlite:
            connection.execute(text("SELECT setval('outbox_id_seq', (SELECT max(id) FROM outbox))"))

    database.write(fill)
    database.close()
    return empty_url


def test_the_first_schema_really_is_an_older_one(old_url):
    database = Database(old_url)
    with database.read() as connection:
        assert "memory" not in {each["name"] for each in inspect(connection).get_columns("tasks")}
    database.close()


def test_an_older_ledger_keeps_every_row_and_goes_on(old_url):
    before = contents(old_url)
    ledger = open_ledger(old_url)
    assert version(old_url) == NEWEST == schema.REVISION
    assert contents(old_url) == before
    assert ledger.check() == []
    claims = ledger.claim("here/1", 9, later(2), LEASE)
    assert [claim.memory for claim in claims] == [{}]
    finish(ledger, claims[0], AGAIN, memory=1 << 33, not_before=later(3))
    assert claim_one(ledger, now=later(3)).memory == {"a": 1 << 33}
    assert len(ledger.retry(None, later(3))) == 1
    start(ledger, plan_of(), 50)
    assert ledger.check() == []
    ledger.close()


@pytest.mark.slow
def test_two_who_open_an_older_ledger_at_once_both_go_on(old_url):
    before, at = contents(old_url), time.time() + 1.5
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = [pool.submit(workers.opened, old_url, at) for _ in range(2)]
        assert [each.result() for each in found] == [[], []]
    assert contents(old_url) == before


def test_a_new_ledger_is_the_same_as_one_that_was_migrated_from_nothing(empty_url, tmp_path, request):
    upgrade(empty_url)
    if empty_url.startswith("sqlite"):
        fresh = f"sqlite:///{tmp_path}/fresh.sqlite"
    else:
        cluster = request.getfixturevalue("postgresql")
        fresh = cluster.url(cluster.create())
    open_ledger(fresh).close()
    assert shape(empty_url) == shape(fresh)
    assert version(empty_url) == version(fresh)


def comparable(_object: Any, name: str, kind: str, *_: Any) -> bool:
    """Alembic cannot compare indexes with more than columns on SQLite; the test above does."""
    return kind != "index" or name not in ("ix_segments_ready", "ix_subjects_unplanned")


def test_migrations_lead_to_what_the_code_says(empty_url):
    upgrade(empty_url)
    database = Database(empty_url)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "include_object": comparable}
        )
        assert compare_metadata(context, schema.metadata) == []
    database.close()


def test_the_newest_migration_is_the_schema_of_the_code():
    assert max(known_revisions()) == schema.REVISION


def test_a_ledger_of_a_newer_hilum_is_refused_and_left_alone(empty_url):
    open_ledger(empty_url).close()
    database = Database(empty_url)
    database.write(
        lambda connection: connection.execute(schema.schema_version.update().values(version_num="9999"))
    )
    database.close()
    with pytest.raises(UsageError, match="newer Hilum") as caught:
        open_ledger(empty_url)
    assert "9999" in str(caught.value)
    assert version(empty_url) == "9999"


def killed(url: str, statement: str, times: int) -> None:
    command = [sys.executable, "-m", "beds.ledger_workers", "killed_at", url, statement, str(times)]
    victim = subprocess.run(command, cwd=Path(workers.__file__).parent.parent, timeout=60, check=False)
    assert victim.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("statement", ["alter table", "update alembic_version"])
def test_a_migration_that_was_killed_has_changed_nothing(old_url, statement):
    before = contents(old_url), shape(old_url)
    killed(old_url, statement, 1)
    assert version(old_url) == "0001"
    assert (contents(old_url), shape(old_url)) == before
    open_ledger(old_url).close()
    assert contents(old_url) == before[0]


@pytest.mark.slow
@pytest.mark.parametrize(("statement", "times"), [("create table", 5), ("insert into alembic_version", 1)])
def test_a_ledger_whose_making_was_killed_is_made_again(empty_url, statement, times):
    killed(empty_url, statement, times)
    assert shape(empty_url) == {"indexes": []}
    ledger = open_ledger(empty_url)
    assert ledger.check() == []
    ledger.close()
