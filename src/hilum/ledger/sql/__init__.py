"""The ledger on SQLAlchemy Core, one file a concern; SQLite and PostgreSQL differ only in ``database.py``."""
