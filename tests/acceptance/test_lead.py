"""Several engines serve one ledger: one leads, the others stand by, and nothing is lost or doubled when it dies."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import hilum
from beds.engines import Yard, wait_until
from hilum.dicom.phantom import chest_ct

pytestmark = pytest.mark.slow

PIPELINE = "name: check\nsettle: {quiet: 0s}\nsteps:\n  wait: {uses: ./slow.py:wait}\n  qc: {uses: qc}\n"
STEP = """
import time
from hilum import Context, Output, step

@step("wait", light=False, outputs=[Output("file", "done.txt", "text/plain")])
def wait(ctx: Context) -> None:
    time.sleep(2)
    ctx.output("file").write_text("done")
"""


class Pair:
    """Two engines of one home with a ledger in PostgreSQL."""

    def __init__(self, folder: Path, ledger: str) -> None:
        self.inbox, self.home, self.folder = folder / "inbox", folder / "home", folder
        self.inbox.mkdir()
        (folder / "pipeline.yaml").write_text(PIPELINE)
        (folder / "slow.py").write_text(STEP)
        self.ledger = ledger
        with hilum.open(self.home, ledger=ledger):
            pass
        self.engines = {}
        for _ in range(2):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            self.engines[port] = Yard(
                self.home, environment={"HILUM_LEDGER": ledger, "HILUM_LEAD": "true"}
            ).command(
                *("serve", "--watch", self.inbox, "--pipeline", folder / "pipeline.yaml", "--still", "0.3"),
                *("--sweep", "0.5", "--log-format", "json", "--health", f"127.0.0.1:{port}"),
            )

    def asked(self, port: int, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except OSError:
            return 0, ""

    def leader(self) -> int | None:
        leaders = [
            port for port in self.engines if "hilum_engine_leads 1.0" in self.asked(port, "/metrics")[1]
        ]
        assert len(leaders) < 2
        return leaders[0] if leaders else None

    def bring(self, seed: int) -> None:
        for path in chest_ct(self.folder / f"ct-{seed}", slices=2, rows=16, columns=16, seed=seed).paths:
            shutil.copy(path, self.inbox / f"{seed}-{path.name}")

    def runs(self, state: str) -> int:
        with hilum.open(self.home, ledger=self.ledger) as home:
            return sum(run.state == state for run in home.runs())


@pytest.fixture
def pair(tmp_path: Path, postgresql_url: str) -> Iterator[Pair]:
    pair = Pair(tmp_path, postgresql_url)
    yield pair
    for engine in pair.engines.values():
        if not engine.ended:
            engine.kill_all()


def test_another_engine_goes_on_when_the_leader_is_killed(pair: Pair) -> None:
    assert wait_until(lambda: pair.leader() is not None, every=0.1)
    first = pair.leader()
    assert first is not None
    other = next(port for port in pair.engines if port != first)
    assert wait_until(lambda: pair.asked(other, "/readyz")[0] == 200, every=0.1)
    assert pair.asked(other, "/healthz")[0] == 200
    for seed in (1, 2, 3):
        pair.bring(seed)
    assert wait_until(lambda: pair.runs("running") > 0, every=0.1)
    pair.engines[first].kill_all()
    assert wait_until(lambda: pair.leader() == other, every=0.1)
    pair.bring(4)
    assert wait_until(lambda: pair.runs("succeeded") == 4, every=0.2)
    with hilum.open(pair.home, ledger=pair.ledger) as home:
        assert len(home.runs()) == 4
        # the engine that leads records when it comes to it
        counted = "SELECT count(*) AS n, count(DISTINCT task_key) AS keys FROM task_results"
        assert wait_until(lambda: home.query(counted).to_pylist() == [{"n": 8, "keys": 8}], every=0.2)


def test_the_one_that_is_stopped_hands_over_at_once(pair: Pair) -> None:
    assert wait_until(lambda: pair.leader() is not None, every=0.1)
    first = pair.leader()
    assert first is not None
    engine = pair.engines.pop(first)
    engine.process.send_signal(signal.SIGTERM)
    code, said = engine.finish()
    assert code == 0
    assert "leading" in [json.loads(line)["event"] for line in said.splitlines() if line.startswith("{")]
    assert wait_until(lambda: pair.leader() is not None, every=0.1)
