"""What tells others how an engine is doing: probes and metrics."""
