"""A real Prometheus for tests: Debian's, installed or unpacked into the cache; it scrapes once a second and answers
PromQL. It is the language of Managed Service for Prometheus and of Cloud Monitoring's alert policies too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from beds.cache import made_once
from beds.held import HeldServer

CONFIGURATION = """
global: {{scrape_interval: 1s}}
rule_files: {rules}
scrape_configs:
  - job_name: hilum
    static_configs: [{{targets: ["{target}"]}}]
"""


def programs() -> Path | None:
    """The folder of ``prometheus`` and ``promtool``; None where they can neither be found nor fetched."""
    if found := shutil.which("prometheus"):
        return Path(found).parent
    try:
        return made_once("prometheus", _unpack) / "usr" / "bin"
    except subprocess.CalledProcessError:
        return None


def _unpack(place: Path) -> None:
    """Debian's package, unpacked and not installed: a service of its own is not wanted."""
    fetch = ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", "prometheus"]
    subprocess.run(fetch, cwd=place, capture_output=True, check=True)
    [package] = place.glob("prometheus_*.deb")
    subprocess.run(["dpkg", "-x", package, place], check=True)
    package.unlink()


class Prometheus(HeldServer):
    """One that scrapes an address, ``host:port``."""

    def __init__(self, program: Path, target: str) -> None:
        def command(folder: Path, port: int) -> list[str | Path]:
            (folder / "prometheus.yml").write_text(CONFIGURATION.format(target=target, rules="[]"))
            return [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ]

        super().__init__("hilum-prometheus-", command, "/-/ready")

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The samples that PromQL gives now: labels under ``metric``, time and value under ``value``."""
        words = urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(f"{self.host}/api/v1/query?{words}") as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found

    def scrapes(self) -> int:
        """How many scrapes were stored so far."""
        found = self.ask("count_over_time(up{job='hilum'}[1h]) and up{job='hilum'} == 1")
        return int(found[0]["value"][1]) if found else 0


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus' checker of rules and metrics."""
    return _needed() / "promtool"


def _needed() -> Path:
    place = programs()
    if place is None:
        pytest.skip("no Prometheus here, and no Debian package of it to unpack")
    return place


@pytest.fixture
def prometheus() -> Iterator[Callable[[str], Prometheus]]:
    """Starts servers that scrape an address each; they end with the test."""
    place = _needed()
    started: list[Prometheus] = []

    def start(target: str) -> Prometheus:
        started.append(Prometheus(place / "prometheus", target))
        return started[-1]

    yield start
    for each in started:
        each.stop()
