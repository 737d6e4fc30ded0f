"""Migrations with Alembic, imported only when there is one to do: its import costs more than most commands."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def known_revisions() -> set[str]:
    """The schema versions that this Hilum knows."""
    return {script.revision for script in ScriptDirectory.from_config(_config("")).walk_revisions()}


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the ledger at ``url`` to a schema version."""
    command.upgrade(_config(url), revision)
