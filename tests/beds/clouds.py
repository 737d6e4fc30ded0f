"""The whole deployment on one machine: a storage server, Pub/Sub's emulator, the functions as they are deployed,
PostgreSQL, an engine as a process of its own, a cluster for its pods, and BigQuery's emulator. A test delivers files
through Google's own client and asks Google's own client.

Eventarc and Cloud Scheduler are played by the test, since nobody can run them here.
"""

from __future__ import annotations

import json
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.cloud import bigquery

import hilum
from beds.bigquery import PROJECT, Served
from beds.cluster import places
from beds.engines import Engine, Yard, wait_until
from beds.faults import Proxy, faulty
from beds.functions import FINALIZED, CloudEvent, Function
from beds.gcs import CloudStorage
from beds.inbox import Inbox
from beds.pubsub import Lane

PATIENCE = 900.0
AT_ONCE = 8
Question = Mapping[str, str]


@dataclass(frozen=True)
class Servers:
    """What runs already, and is shared."""

    storage: CloudStorage
    lane: Callable[[], Lane]
    function: Callable[..., Function]
    ledger: str
    warehouse: Served
    image: str


@dataclass
class Deployment:
    """One deployment.

    Attributes:
        proxy: what everybody's way to the storage leads through.
        inbox: the bucket that files are delivered to. arrivals: what the engine is told.
        intake: the function, in the instance that is up at the moment.
    """

    servers: Servers
    folder: Path
    pipeline: Path
    proxy: Proxy
    inbox: Inbox
    arrivals: Lane
    store: str
    warehouse: str
    settings: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.dead_letters = self.servers.lane()
        kubernetes = {
            "image": self.servers.image,
            "pull": "Never",
            "kubeconfig": str(places.KUBECONFIG),
            "pods": 4,
            "env": {"STORAGE_EMULATOR_HOST": self.proxy.host},
        }
        self.settings = {
            "HILUM_EXECUTOR": "kubernetes",
            "HILUM_KUBERNETES": json.dumps(kubernetes),
            "HILUM_LEDGER": self.servers.ledger,
            "HILUM_STORE": f"gs://{self.store}/hilum",
            "HILUM_WAREHOUSE": self.warehouse,
            "HILUM_DEAD_LETTERS": self.dead_letters.topic,
        }
        self.home = self.folder / "home"
        self.yard = Yard(self.home, environment={**self.settings, "STORAGE_EMULATOR_HOST": self.proxy.host})
        self.engine = self.start_engine()
        self.intake = self.start_intake()
        self.sweep = self._function("sweep", HILUM_BUCKET=f"gs://{self.inbox.bucket}", HILUM_GRACE="0s")

    def start_engine(self) -> Engine:
        """`hilum serve`, on what the functions tell."""
        options = ("--watch", self.arrivals.address, "--pipeline", self.pipeline)
        self.engine = self.yard.command("--log-format", "google", "serve", *options)
        return self.engine

    def start_intake(self) -> Function:
        """Another instance of the function."""
        self.intake = self._function("intake", HILUM_DEAD_LETTERS=self.dead_letters.topic)
        return self.intake

    def _function(self, name: str, **variables: str) -> Function:
        told = {"HILUM_ARRIVALS": self.arrivals.topic, "STORAGE_EMULATOR_HOST": self.proxy.host}
        return self.servers.function(name, **told, **variables)

    def notifications(self, wanted: int) -> list[Any]:
        """What the bucket has said of its objects."""
        found = self.inbox.lane.take(wanted, 60.0)
        return [each for each in found if each.attributes["eventType"] == "OBJECT_FINALIZE"]

    def deliver(self, notifications: Sequence[Any]) -> None:
        """Play Eventarc: each as an event, again and again until the function answers with success."""
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(self._deliver, notifications))

    def _deliver(self, notification: Any) -> None:
        event = CloudEvent(json.loads(notification.data), FINALIZED, notification.message_id)
        end = time.monotonic() + PATIENCE
        while not 200 <= event.binary(self.intake)[0] < 300:
            assert time.monotonic() < end, (
                f"the function never succeeded; it said: {self.intake.said[-3000:]}"
            )
            time.sleep(0.3)

    def opened(self) -> hilum.Home:
        """The home, for whoever looks into it."""
        return hilum.open(self.home)

    def wait(self, instances: int, runs: int) -> None:
        """Until so many instances are in the warehouse and the newest runs have ended and are told there, too."""
        assert wait_until(lambda: self._done(instances, runs), PATIENCE, 1.0), self.state()

    def _done(self, instances: int, runs: int) -> bool:
        with self.opened() as home:
            current = [run for run in home.runs() if run.current]
            status = home.status()
            return (
                len(current) == runs
                and all(run.finished_at for run in current)
                and status.arrivals.get("accepted", 0) == instances
                and not status.open_subjects
                and not status.outbox
            )

    def state(self) -> str:
        """What there is to see, for a test that fails."""
        with self.opened() as home:
            tasks = [
                (each.step, str(each.state), each.reason)
                for each in home.ledger.tasks(run.id for run in home.runs())
            ]
            self.engine.said.seek(0)
            said = self.engine.said.read().decode(errors="replace")[-6000:]
            return f"{home.status()}\n{tasks}\n{said}"

    def asked(self, questions: Question) -> dict[str, list[tuple[Any, ...]]]:
        """Answers to questions, by Google's own client."""
        with bigquery.Client(
            project=PROJECT,
            credentials=_nobody(),
            client_options={"api_endpoint": self.servers.warehouse.door.host},
        ) as client:
            dataset = self.warehouse.partition("?")[0].rpartition("/")[2]
            config = bigquery.QueryJobConfig(default_dataset=f"{PROJECT}.{dataset}")
            return {
                name: [
                    tuple(row.values())
                    for row in client.query(sql, config, retry=None, job_retry=None).result(
                        retry=None, job_retry=None
                    )
                ]
                for name, sql in questions.items()
            }

    def stop(self) -> None:
        """End the engine as an operator does."""
        self.engine.process.terminate()
        code, said = self.engine.finish()
        assert code == 0, said


class Outage(deque[Any]):
    """Faults of a server that is away for some seconds: whatever it is asked, until then, gets the same answer."""

    def __init__(self, seconds: float, answer: Any) -> None:
        super().__init__()
        self._end, self._answer = time.monotonic() + seconds, answer
        self.met = 0

    def __bool__(self) -> bool:
        return time.monotonic() < self._end

    def popleft(self) -> Any:
        self.met += 1
        return self._answer


@contextmanager
def deployed(servers: Servers, folder: Path, pipeline: Path) -> Iterator[Deployment]:
    """A deployment until the block ends; clients of this process find to it, too."""
    with faulty(servers.storage.host, places.MACHINE) as proxy:
        deployment = Deployment(
            servers,
            folder,
            pipeline,
            proxy,
            Inbox(servers.storage.create_bucket(), servers.lane()),
            servers.lane(),
            servers.storage.create_bucket(),
            servers.warehouse.address(),
        )
        try:
            yield deployment
        finally:
            deployment.engine.kill_all()


def thrice_and_shuffled(items: Sequence[Any], rng: random.Random) -> list[Any]:
    """Each three times, in no order."""
    many = [each for each in items for _ in range(3)]
    rng.shuffle(many)
    return many


def _nobody() -> Any:
    from google.auth.credentials import AnonymousCredentials

    return AnonymousCredentials()  # type: ignore[no-untyped-call]
