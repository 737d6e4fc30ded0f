"""The cluster's binaries: built once from their Go modules at pinned versions, kept outside the checkout.

Nobody offers them as packages in these versions, and a Go module proxy is reached where a download site is not. Each
binary appears under its final name only when it is whole, so a build that was killed is simply done again.

    ~/.cache/hilum/cluster/<module>-<version>/<binary>
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from beds.cache import HILUM, alone

CACHE = HILUM / "cluster"
KUBERNETES = "1.36.3"


@dataclass(frozen=True)
class Source:
    """Where binaries come from.

    Attributes:
        packages: the package of each binary, below the module.
        staging: its own libraries are at v0.0.0 in its go.mod and have to be named.
        values: that the linker sets.
    """

    name: str
    module: str
    version: str
    packages: dict[str, str]
    staging: bool = False
    values: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return CACHE / f"{self.name}-{self.version}"

    def missing(self) -> list[str]:
        return [name for name in self.packages if not (self.home / name).exists()]


SOURCES = (
    Source("etcd", "go.etcd.io/etcd/server/v3", "3.7.3", {"etcd": ""}),
    Source(
        "kubernetes",
        "k8s.io/kubernetes",
        KUBERNETES,
        {
            name: f"cmd/{name}"
            for name in ("kubelet", "kube-apiserver", "kube-scheduler", "kube-controller-manager")
        },
        staging=True,
        values={
            "k8s.io/component-base/version.gitVersion": f"v{KUBERNETES}",
            "k8s.io/component-base/version.gitMajor": KUBERNETES.split(".")[0],
            "k8s.io/component-base/version.gitMinor": KUBERNETES.split(".")[1],
        },
    ),
    Source("kwok", "sigs.k8s.io/kwok", "0.8.0", {"kwok": "cmd/kwok"}),
)

PAUSE = Path(__file__).with_name("pause.go")
"""What holds a pod's network namespace: a program of our own, so it has no module and no version but its text's."""


def binary(name: str) -> Path:
    """Where a binary is; it may have to be built first."""
    if name == "pause":
        return CACHE / "pause" / "pause"
    return next(source.home / name for source in SOURCES if name in source.packages)


def build() -> None:
    """Build what is missing; another process that does the same is waited for."""
    with alone(CACHE / "lock"):
        if not binary("pause").exists() or binary("pause").stat().st_mtime < PAUSE.stat().st_mtime:
            _go_build(PAUSE.parent, binary("pause"), [str(PAUSE)])
        for source in SOURCES:
            if source.missing():
                _build(source)


def _build(source: Source) -> None:
    with tempfile.TemporaryDirectory(prefix="hilum-build-") as name:
        workspace = Path(name)
        _make_module(source, workspace)
        for binary_name in source.missing():
            package = "/".join(filter(None, [source.module, source.packages[binary_name]]))
            flags = " ".join(f"-X {key}={value}" for key, value in source.values.items())
            _go_build(workspace, source.home / binary_name, [package], flags)


def _make_module(source: Source, workspace: Path) -> None:
    """A module that needs only this one."""
    version = f"v{source.version}"
    (workspace / "go.mod").write_text("module bed\n")
    downloaded = subprocess.run(
        ["go", "mod", "download", "-json", f"{source.module}@{version}"],
        cwd=workspace,
        check=True,
        capture_output=True,
        text=True,
    )
    module: dict[str, str] = json.loads(downloaded.stdout)
    theirs = Path(module["GoMod"]).read_text()
    lines = ["module bed", *re.findall(r"^go [\d.]+$", theirs, re.M), f"require {source.module} {version}"]
    if source.staging:
        staged = sorted(set(re.findall(r"^\s*(\S+) v0\.0\.0$", theirs, re.M)))
        lines += [f"replace {each} => {each} v0{version.removeprefix('v1')}" for each in staged]
    (workspace / "go.mod").write_text("\n".join(lines) + "\n")


def _go_build(folder: Path, target: Path, packages: list[str], values: str = "") -> None:
    started = time.monotonic()
    print(f"building {target.name} ...", file=sys.stderr, flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    made = target.with_name(f".{target.name}.part")
    subprocess.run(
        ["go", "build", "-mod=mod", "-trimpath", "-ldflags", f"-s -w {values}", "-o", str(made), *packages],
        cwd=folder,
        check=True,
        env={**os.environ, "CGO_ENABLED": "0"},
    )
    made.rename(target)
    print(f"built {target.name} in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    build()
