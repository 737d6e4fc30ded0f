"""Alembic's entry: runs migrations on the ledger's own connection settings, in one transaction."""

from alembic import context

from hilum.ledger.schema import metadata
from hilum.ledger.sql.database import Database

database = Database(context.config.get_main_option("sqlalchemy.url") or "")
with database.engine.connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
database.close()
