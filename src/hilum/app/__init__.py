"""Settings become chosen adapters here and nowhere else (``adapters``), and a home what users talk to (``home``)."""
