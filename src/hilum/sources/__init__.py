"""Where arrivals come from: one small interface, one file an adapter."""
