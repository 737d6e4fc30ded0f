"""Instances that a task made are told from those that arrived; what memory a step needed is remembered."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("instances", sa.Column("derived_from", sa.String(64), nullable=False, server_default=""))
    op.create_table(
        "memory_needs",
        sa.Column("code", sa.String(64), primary_key=True),
        sa.Column("size", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("memory", sa.BigInteger(), nullable=False),
    )
