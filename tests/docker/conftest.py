"""A bench for the suite of executors: a home of its own for each test, on the one engine of the session."""

from __future__ import annotations

from pathlib import Path

import pytest

from beds.attempts import Subject
from beds.docker_engine import DockerEngine, docker_engine
from beds.executor_suite import IMAGE, Bench
from beds.images import docker_archive
from hilum.executors.docker.home import Home
from hilum.executors.docker.images import DockerImages

__all__ = ["docker_engine"]


@pytest.fixture(scope="session")
def engine(docker_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> DockerEngine:
    """The engine, with the suite's image."""
    docker_engine.load(docker_archive(tmp_path_factory.mktemp("images") / "steps.tar", IMAGE))
    return docker_engine


@pytest.fixture
def bench(engine: DockerEngine, tmp_path: Path) -> Bench:
    work = tmp_path / "work"
    home = Home(work)

    def containers(attempt: str = "") -> list[str]:
        label = f"label=hilum.home={home.digest}"
        own = ("--filter", f"label=hilum.attempt={attempt}") if attempt else ()
        return engine.docker("ps", "--all", "--quiet", "--filter", label, *own).split()

    return Bench(
        kind="hilum.executors.docker.executor:DockerExecutor",
        settings={"work": str(work), "host": engine.host},
        subject=Subject(tmp_path / "subject"),
        digest=DockerImages(engine.host).resolve(IMAGE.name, "never").digest,
        remove=lambda attempt: engine.docker("rm", "--force", *containers(attempt)) and None,
        left=lambda: [*containers(), *(path.name for path in home.folder.iterdir() if path.is_dir())],
    )
