"""What was deployed, as far as settings and addresses tell: which buckets, subscriptions, topics and dataset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hilum.errors import UsageError
from hilum.kernel.address import is_in_bucket
from hilum.settings import Settings
from hilum.sources.pubsub import ADDRESS
from hilum.storage.gcs.location import GcsLocation
from hilum.warehouse.bigquery.address import Dataset, parse_address


@dataclass(frozen=True, slots=True)
class Deployment:
    """What is examined.

    Attributes:
        incoming: buckets that instances arrive in.
        results: bucket of the store; empty where it is in none.
        subscriptions: full names, ``projects/P/subscriptions/S``.
        dead_letters: full name of the topic; empty where there is none.
    """

    incoming: tuple[str, ...] = ()
    results: str = ""
    subscriptions: tuple[str, ...] = ()
    dead_letters: str = ""
    dataset: Dataset | None = None

    @property
    def projects(self) -> list[str]:
        """Of subscriptions and dataset, each once; a bucket's name does not tell its own."""
        found = [name.split("/")[1] for name in self.subscriptions]
        return list(dict.fromkeys([*found, *([self.dataset.project] if self.dataset else [])]))


def deployment(settings: Settings, addresses: Iterable[str]) -> Deployment:
    """What the settings name, and the subscriptions and buckets that an engine takes in.

    Raises:
        UsageError: ``bad-subscription``, ``bad-bucket-address``, ``bad-settings``; ``nothing-to-examine``.
    """
    incoming, subscriptions = [], []
    for address in addresses:
        if is_in_bucket(address):
            incoming.append(GcsLocation.of(address).bucket)
        elif found := ADDRESS.fullmatch(address):
            subscriptions.append(f"projects/{found[1]}/subscriptions/{found[2]}")
        else:
            raise UsageError(
                f"{address!r} is neither a subscription nor a bucket",
                reason="bad-subscription",
                hint="write pubsub://PROJECT/SUBSCRIPTION or gs://BUCKET",
            )
    made = Deployment(
        incoming=tuple(incoming),
        results=GcsLocation.of(settings.store).bucket if is_in_bucket(settings.store) else "",
        subscriptions=tuple(subscriptions),
        dead_letters=settings.dead_letters,
        dataset=parse_address(settings.warehouse) if settings.warehouse else None,
    )
    if made == Deployment():
        raise UsageError(
            "nothing of this home is on Google Cloud",
            reason="nothing-to-examine",
            hint="name what arrives: hilum doctor --google pubsub://PROJECT/SUBSCRIPTION gs://BUCKET",
        )
    return made
