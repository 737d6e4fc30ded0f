"""Tasks remember how much memory to ask for after they ran out of it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("tasks", sa.Column("memory", sa.BigInteger(), nullable=True))
