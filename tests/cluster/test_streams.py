"""What an executor leaves behind in its own process when it is closed: nothing that could touch what others open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from beds.attempts import run
from beds.cluster.cluster import Cluster
from beds.engines import wait_until
from beds.executor_suite import Bench, at_work
from hilum.executors.kubernetes.manifests import HOME

CONTENT = b"somebody's own " * 100


def sockets() -> set[int]:
    """Numbers of this process's sockets."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                found.add(int(name))
    return found


class TakenOver:
    """Files that have got the numbers which an executor's connections had."""

    def __init__(self, folder: Path, numbers: set[int]) -> None:
        self.numbers = numbers
        for number in numbers:
            path = folder / str(number)
            path.write_bytes(CONTENT)
            opened = os.open(path, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)

    def touched(self) -> bool:
        """Whether somebody has read from one, or written into it."""
        return any(
            os.lseek(number, 0, os.SEEK_CUR) or os.pread(number, len(CONTENT) + 1, 0) != CONTENT
            for number in self.numbers
        )


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[list[TakenOver]]:
    made: list[TakenOver] = []
    yield made
    for each in made:
        for number in each.numbers:
            with suppress(OSError):
                os.close(number)


def test_files_that_are_opened_after_it_was_closed_are_nobody_elses(
    cluster: Cluster, home: str, bench: Bench, tmp_path: Path, taken: list[TakenOver]
) -> None:
    """Once a thread that still read a watch took bytes from such files, or wrote some of TLS into them: now and then
    one of the store."""
    before = sockets()
    with bench.executor() as executor:
        run(executor, bench.spec("sizes", cpu=0.1))
        at_work(executor, bench.spec("stubborn", cpu=0.1), "at work")
        own = sockets() - before
    assert own
    assert not own & sockets()
    taken.append(TakenOver(tmp_path, own))
    cluster.kubectl("label", "jobs,pods", "-l", f"{HOME}={home}", "touched=yes")
    assert not wait_until(taken[0].touched, patience=3.0, every=0.1)
