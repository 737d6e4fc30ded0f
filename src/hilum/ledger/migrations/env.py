"""Alembic's entry: runs migrations on the ledger's own connection settings, all in one transaction.

SQLite can undo DDL as well as PostgreSQL can, when nobody commits in between: ``Database`` sees to that, and Alembic,
which trusts it only of PostgreSQL, is told so. Of two engines that open an old ledger at once, one waits.
"""

from alembic import context

from hilum.ledger.schema import metadata
from hilum.ledger.sql.database import Database

database = Database(context.config.get_main_option("sqlalchemy.url") or "")
with database.engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        database.alone(connection)
        context.run_migrations()
database.close()
