"""Messages as arrivals, of Pub/Sub itself."""

from __future__ import annotations

from cloud.test_pubsub_source import *  # noqa: F403
