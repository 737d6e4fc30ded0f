"""Settings become chosen adapters: the one place that knows every kind of storage, warehouse, executor and source.

What is chosen is imported when it is chosen, so a home without containers never loads Docker's client.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hilum.errors import UsageError
from hilum.kernel.address import is_in_bucket, is_local, local_path
from hilum.kernel.clock import Clock
from hilum.settings import Settings, parse_bytes
from hilum.sources.interface import SUBSCRIPTION

if TYPE_CHECKING:
    from hilum.executors.interface import Executor
    from hilum.executors.kubernetes.settings import KubernetesSettings
    from hilum.model.image import ImageResolver
    from hilum.sources.interface import Source
    from hilum.storage import Storage
    from hilum.warehouse.interface import Warehouse


def ledger_url(settings: Settings, home: Path) -> str:
    """Where the ledger is: by default a file of SQLite in the home."""
    return settings.ledger or f"sqlite:///{home / 'ledger.sqlite'}"


def home_id(settings: Settings, home: Path) -> str:
    """How the home is called on a cluster, so that no other home's pods are taken for its own."""
    from hilum.kernel.digest import short_id

    return short_id("h", ledger_url(settings, home))


def storage(settings: Settings, home: Path) -> Storage:
    """Where revisions, artifacts and manifests are: by default a folder in the home."""
    from hilum.storage import open_storage

    return open_storage(settings.store or (home / "store").as_uri())


def warehouse(settings: Settings, home: Path) -> Warehouse:
    """Where the analytical record is: by default Parquet in the home."""
    if settings.warehouse:
        from hilum.warehouse.bigquery.address import parse_address
        from hilum.warehouse.bigquery.warehouse import BigQueryWarehouse

        limit = parse_bytes(settings.maximum_bytes_billed) if settings.maximum_bytes_billed else None
        return BigQueryWarehouse(parse_address(settings.warehouse), limit=limit)
    from hilum.warehouse.local import LocalWarehouse

    return LocalWarehouse(home / "warehouse")


def watched(settings: Settings, home: Path, clock: Clock, watch: Sequence[str | Path]) -> Iterator[Source]:
    """What a serving engine takes arrivals from: subscriptions of Pub/Sub, buckets that are listed, folders that are
    watched. A bucket beside a subscription is swept: what only its listing tells of was lost on the way."""
    events = any(str(each).startswith(SUBSCRIPTION) for each in watch)
    return (_watched(settings, home, clock, each, events) for each in watch)


def _watched(settings: Settings, home: Path, clock: Clock, address: str | Path, events: bool) -> Source:
    if str(address).startswith(SUBSCRIPTION):
        from hilum.sources.pubsub import PubSubSource

        return PubSubSource(str(address), clock, settings.dead_letters)
    if is_in_bucket(str(address)):
        from hilum.sources.bucket import WatchedBucket

        return WatchedBucket(str(address), clock, sweep=settings.sweep, events=events)
    from hilum.sources.watch import WatchedFolder

    folder = local_path(str(address)) if is_local(str(address)) else address
    return WatchedFolder(
        Path(folder).expanduser().absolute(),
        clock,
        still=settings.still,
        sweep=settings.sweep,
        skip=(home,),
    )


def executor(settings: Settings, home: Path, clock: Clock, *, images: bool) -> Executor:
    """Where attempts run; with ``images`` some of them are containers."""
    if settings.executor == "kubernetes":
        from hilum.executors.kubernetes.executor import KubernetesExecutor

        return KubernetesExecutor(cluster(settings), home_id(settings, home), clock=clock)
    from hilum.executors.local import LocalExecutor
    from hilum.executors.process import ProcessExecutor

    work, slots = home / "work", settings.slots or None

    def containers() -> Executor:
        from hilum.executors.docker.executor import DockerExecutor

        return DockerExecutor(work, slots, host=settings.docker, clock=clock)

    return LocalExecutor(ProcessExecutor(work, slots, clock=clock), containers, images=images)


def images(settings: Settings) -> ImageResolver:
    """Who knows what a reference to a container image means now."""
    if settings.executor == "kubernetes":
        from hilum.executors.registry import RegistryImages

        return RegistryImages()
    from hilum.executors.docker.images import DockerImages

    return DockerImages(settings.docker)


def cluster(settings: Settings) -> KubernetesSettings:
    """How attempts run on a cluster; UsageError ``bad-settings`` where nothing says it."""
    if settings.kubernetes is None:
        raise UsageError(
            "executor is kubernetes, and nothing says how attempts run there",
            reason="bad-settings",
            hint="write a table [kubernetes] with at least image into hilum.toml",
        )
    return settings.kubernetes
