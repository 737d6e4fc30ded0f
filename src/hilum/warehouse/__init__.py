"""The analytical record: one small interface, one file an adapter."""
