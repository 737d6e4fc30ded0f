"""Helm for tests: built once from its Go module at a pinned version (see beds/cache.py), and run with a configuration
of its own, so that nothing of the user's is read or changed.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from beds.cache import go_program

VERSION = "4.3.1"
MODULE = "helm.sh/helm/v4"


class Refused(Exception):
    """Helm ended with an error; the message is what it said."""


class Helm:
    """The program, with a configuration of its own in ``folder``."""

    def __init__(self, folder: Path, kubeconfig: Path | None = None) -> None:
        program = binary()
        assert program is not None, "Go is needed to build helm"
        self._program = program
        self._environment = {
            **os.environ,
            "HELM_CACHE_HOME": str(folder / "cache"),
            "HELM_CONFIG_HOME": str(folder / "config"),
            "HELM_DATA_HOME": str(folder / "data"),
            "KUBECONFIG": str(kubeconfig or os.devnull),
        }

    def __call__(self, *arguments: str | Path) -> str:
        """What it says; Refused where it ends with an error."""
        done = subprocess.run(
            [self._program, *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Refused(f"{done.stdout}{done.stderr}")
        return done.stdout


def binary() -> Path | None:
    """The program; None where it cannot be had."""
    return go_program(MODULE, VERSION, "cmd/helm")


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster."""
    if binary() is None:
        pytest.skip("no Go here, which builds helm")
    return Helm(tmp_path_factory.mktemp("helm"))


if __name__ == "__main__":
    print(binary())
