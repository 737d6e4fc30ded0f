"""Each alert's condition is made true on a real home whose engine a real Prometheus scrapes, and is seen to cross:
the expression is the deployed policy's, word by word. How long it has to hold is left to the policy.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import hilum
from beds.alerts import POLICIES, expression
from beds.engines import Engine, Yard, wait_until
from beds.held import free_port
from beds.ledgers import plan_of, received
from beds.prometheus import Prometheus
from hilum.dicom.phantom import chest_ct
from hilum.engine.lead import Leadership
from hilum.ledger.interface import NewRun
from hilum.model.subject import Revision, revision_digest

pytestmark = pytest.mark.slow

PATIENT = "settle: {quiet: 48h, at_most: 72h}\n"
QUICK = "settle: {quiet: 0s}\n"
FAILS = (
    "import hilum\n\n\n@hilum.step()\ndef fails(ctx: hilum.Context) -> None:\n"
    "    raise hilum.StepError('no spleen', reason='no-spleen')\n"
)
EATS = "import hilum\n\n\n@hilum.step()\ndef eats(ctx: hilum.Context) -> None:\n    bytearray(b'x' * (1 << 30))\n"


@dataclass
class Site:
    """A home with an engine that serves, and a Prometheus that scrapes it.

    Attributes:
        steps: of its pipeline, as the file has them.
        works: False: another engine leads, so that what is entered stays as it is.
    """

    folder: Path
    steps: str = "steps: {qc: {uses: qc}}\n"
    settle: str = QUICK
    works: bool = True
    engine: Engine = field(init=False)
    prometheus: Prometheus = field(init=False)
    held: ExitStack = field(default_factory=ExitStack)

    def start(self, prometheus: Callable[[str], Prometheus]) -> None:
        self.inbox, port = self.folder / "inbox", free_port()
        self.inbox.mkdir()
        (self.folder / "fails.py").write_text(FAILS)
        (self.folder / "eats.py").write_text(EATS)
        (self.folder / "pipeline.yaml").write_text(f"name: check\n{self.settle}{self.steps}")
        environment = {}
        if not self.works:
            environment["HILUM_LEAD"] = "true"
            home = self.held.enter_context(self.home())
            leads = self.held.enter_context(Leadership(home.ledger, home.clock, "elsewhere/1/x"))
            assert wait_until(lambda: leads.leads)
        self.engine = Yard(self.folder / "home", environment=environment).command(
            *("serve", "--watch", self.inbox, "--pipeline", self.folder / "pipeline.yaml"),
            *("--still", "0.2", "--sweep", "0.5", "--health", f"127.0.0.1:{port}"),
        )
        self.prometheus = prometheus(f"127.0.0.1:{port}")
        assert wait_until(lambda: self.prometheus.scrapes() >= 3, every=0.2), "the engine is not scraped"

    def home(self) -> hilum.Home:
        return hilum.open(self.folder / "home")

    def scan(self) -> None:
        for path in chest_ct(self.folder / "ct", slices=2, rows=16, columns=16, seed=1).paths:
            shutil.copy(path, self.inbox)

    def arrived(self, ago: timedelta, source: str = "folder", number: int = 1) -> datetime:
        """An object that arrived so long ago and was recorded then."""
        with self.home() as home:
            then = home.clock.now() - ago
            item = received(number)
            arrival = replace(item.arrival, arrived_at=then, source=source)
            home.ledger.record_arrivals([replace(item, arrival=arrival)], then)
        return then

    def stop(self) -> None:
        self.engine.process.send_signal(signal.SIGTERM)
        code, said = self.engine.finish()
        self.held.close()
        assert code == 0, said


def nothing_new(site: Site) -> None:
    site.arrived(timedelta(hours=7))


def never_complete(site: Site) -> None:
    site.arrived(timedelta(hours=3))


def a_step_fails(site: Site) -> None:
    site.scan()


def refused(site: Site) -> None:
    for number in range(12):
        (site.inbox / f"broken-{number}.dcm").write_bytes(b"\0" * 128 + b"DICM" + bytes([number]) * 64)


def nobody_works(site: Site) -> None:
    then = site.arrived(timedelta(hours=2))
    with site.home() as home:
        (subject,) = [each for each in home.ledger.open_subjects() if each.scope.value == "series"]
        members = home.ledger.members(subject)
        digest = revision_digest([member.digest for member in members])
        assert home.ledger.settle(subject, Revision(subject.id, digest, 1, then, "quiet"), members)
        assert home.ledger.create_runs([NewRun(plan_of("qc"), subject.id, digest)], [], then)


def nobody_records(site: Site) -> None:
    with site.home() as home:
        home.record()  # what the engine told as it began is younger
    site.arrived(timedelta(minutes=20))


def swept(site: Site) -> None:
    site.arrived(timedelta(), source="sweep")


SITES: dict[str, tuple[Callable[[Path], Site], Callable[[Site], None]]] = {
    "arrivals-stalled": (lambda folder: Site(folder, works=False), nothing_new),
    "settle-overdue": (lambda folder: Site(folder, settle=PATIENT), never_complete),
    "dead-tasks": (lambda folder: Site(folder, "steps: {fails: {uses: './fails.py:fails'}}\n"), a_step_fails),
    "quarantine-growing": (Site, refused),
    "queue-wait": (lambda folder: Site(folder, works=False), nobody_works),
    "out-of-memory": (
        lambda folder: Site(
            folder,
            "steps: {eats: {uses: './eats.py:eats', resources: {memory: 200Mi}, retry: {attempts: 1}}}\n",
        ),
        a_step_fails,
    ),
    "warehouse-behind": (lambda folder: Site(folder, works=False), nobody_records),
    "sweep-losses": (lambda folder: Site(folder, works=False), swept),
}


def test_every_policy_is_tried() -> None:
    assert set(SITES) == set(POLICIES)


@pytest.fixture
def started(
    request: pytest.FixtureRequest, tmp_path: Path, prometheus: Callable[[str], Prometheus]
) -> Iterator[Site]:
    site = SITES[request.param][0](tmp_path)
    site.start(prometheus)
    yield site
    site.stop()


@pytest.mark.parametrize(("name", "started"), [(name, name) for name in SITES], indirect=["started"])
def test_an_alert_is_silent_until_its_condition_holds_and_then_it_speaks(name: str, started: Site) -> None:
    asked = expression(name)
    assert started.prometheus.ask(asked) == []
    SITES[name][1](started)
    assert wait_until(lambda: started.prometheus.ask(asked) != [], patience=60, every=0.5), (
        f"{asked} does not speak"
    )
    others = [other for other in POLICIES if other != name and started.prometheus.ask(expression(other))]
    assert set(others) <= {"dead-tasks", "settle-overdue", "warehouse-behind", "arrivals-stalled"}
