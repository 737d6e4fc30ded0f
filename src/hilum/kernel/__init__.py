"""What everything stands on: clock, ids, digests, retry and logging. Imports nothing of Hilum but errors."""
