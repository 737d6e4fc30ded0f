"""Helm for tests: built once from its Go module at a pinned version, kept outside the checkout, and run with a
configuration of its own, so that nothing of the user's is read or changed.

    ~/.cache/hilum/beds/helm-<version>/helm
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

VERSION = "4.3.1"
MODULE = "helm.sh/helm/v4"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hilum" / "beds" / f"helm-{VERSION}"


class Refused(Exception):
    """Helm ended with an error; the message is what it said."""


class Helm:
    """The program, with a configuration of its own in ``folder``."""

    def __init__(self, folder: Path, kubeconfig: Path | None = None) -> None:
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
            [binary(), *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Refused(f"{done.stdout}{done.stderr}")
        return done.stdout


def binary() -> Path:
    """The program; built first if it is not there. Another process that builds it is waited for."""
    program = CACHE / "helm"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _build(program)
    return program


def missing() -> str:
    """Why Helm cannot be had here; empty where it can."""
    return "" if (CACHE / "helm").exists() or shutil.which("go") else "no go here, which builds helm"


def _build(program: Path) -> None:
    made = program.with_name(".helm.part")
    with tempfile.TemporaryDirectory(prefix="hilum-build-") as name:
        (Path(name) / "go.mod").write_text("module bed\n")
        package = f"{MODULE}/cmd/helm"
        for command in (
            ["get", f"{package}@v{VERSION}"],
            ["build", "-trimpath", "-ldflags", "-s -w", "-o", str(made), package],
        ):
            subprocess.run(
                ["nice", "-n", "10", "go", *command],
                cwd=name,
                check=True,
                env={**os.environ, "CGO_ENABLED": "0"},
            )
    made.rename(program)


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster."""
    if why := missing():
        pytest.skip(why)
    return Helm(tmp_path_factory.mktemp("helm"))


if __name__ == "__main__":
    print(binary())
