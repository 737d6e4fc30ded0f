"""Where attempts run: one small interface, one file an adapter."""
