"""The suite for Google's own services, held with emulators instead: it shows that the suite runs, and that it leaves
nothing behind. Of Google it shows nothing. Words that follow go to pytest::

    python -m beds.google_rehearsal [-k pubsub]
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import beds.bigquery
import beds.gcs
import beds.pubsub
from beds.google import NAME, PROJECT, REHEARSAL

ROOT = Path(__file__).parents[2]


def rehearse(words: list[str]) -> int:
    """The exit code of pytest, or 1 where something is left behind."""
    storage, pubsub = beds.gcs.started(), beds.pubsub.PubSub()
    try:
        os.environ |= {
            REHEARSAL: "1",
            PROJECT: beds.bigquery.PROJECT,
            "STORAGE_EMULATOR_HOST": storage.host,
            beds.pubsub.EMULATOR: pubsub.address,
        }
        command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-m", "google", *words]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        found = left_behind(beds.bigquery.PROJECT)
    finally:
        storage.stop()
        pubsub.stop()
    print(f"left behind: {', '.join(found) or 'nothing'}")
    return code or int(bool(found))


def left_behind(project: str) -> list[str]:
    """Buckets, topics and subscriptions that are there still; datasets are looked for by each test."""
    from google.cloud import pubsub_v1, storage

    names = [each.name for each in storage.Client(project=project).list_buckets()]
    within = {"project": f"projects/{project}"}
    names += [each.name for each in pubsub_v1.PublisherClient().list_topics(request=within)]
    names += pubsub_v1.SubscriberClient().list_subscriptions(request=within)
    return [name for name in map(str, names) if NAME in name]


if __name__ == "__main__":
    sys.exit(rehearse(sys.argv[1:] or ["tests/on_google"]))
