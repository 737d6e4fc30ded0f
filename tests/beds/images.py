"""Container images for tests, made without a registry and without an engine: a Python base of fourteen Debian
packages, and small images on top of it from a dict of files.

The archives are of the form that `docker save` writes, which `docker load` and `ctr images import` both take. The
base is made once and kept outside the checkout, under a name that follows from the packages' versions.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from beds.cache import made_once

PACKAGES = (
    *(
        "python3.11-minimal",
        "libpython3.11-minimal",
        "libpython3.11-stdlib",
        "libc6",
        "libexpat1",
        "zlib1g",
        "libssl3",
    ),
    *("libbz2-1.0", "liblzma5", "libffi8", "libsqlite3-0", "libuuid1", "libgcc-s1", "busybox-static"),
)
FORM = "1"
"""Raised when the base is put together in another way, so that a kept one is not taken for it."""
LEFT_OUT = ("usr/share/doc/", "usr/share/man/", "usr/share/lintian/")
COMMANDS = ("sh", "sleep", "cat", "ls", "true", "false", "id", "cp", "mkdir", "touch")
ETC = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
FOLDERS = {"tmp": 0o1777, "root": 0o700}
"""Those of the base that are not for everybody, or for everybody; by mode."""
PATH = "PATH=/usr/bin:/bin"


@dataclass(frozen=True)
class Image:
    """What an image is made of.

    Attributes:
        name: with a tag, e.g. ``hilum-bed/step:1``.
        files: contents by absolute path, on top of the Python base; all may be read and run.
        entrypoint, command, env, labels, user, working_dir: of the image's configuration.
    """

    name: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    working_dir: str = ""


def docker_archive(path: Path, *images: Image) -> Path:
    """Write an archive of these images; layers that they share are in it once."""
    base = python_layer()
    manifest = []
    with tarfile.open(path, "w") as archive:
        archive.add(base, "base.tar", filter=_plain)
        for image in images:
            layer = _layer(image.files)
            digest = hashlib.sha256(layer).hexdigest()
            config = _config(image, [base.stem, digest])
            name = hashlib.sha256(config).hexdigest()
            _add(archive, f"{name}.tar", layer)
            _add(archive, f"{name}.json", config)
            manifest.append(
                {"Config": f"{name}.json", "RepoTags": [image.name], "Layers": ["base.tar", f"{name}.tar"]}
            )
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    return path


@cache
def python_layer() -> Path:
    """The base's layer as an uncompressed tar, which is named by its SHA-256."""

    def make(place: Path) -> None:
        with tempfile.TemporaryDirectory(dir=place) as scratch:
            made = _merge(Path(scratch))
            with made.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            made.rename(place / f"{digest}.tar")

    [found] = made_once(f"images-{_versions()}", make).glob("*.tar")
    return found


def _versions() -> str:
    """A name for the packages at the versions that apt would install now."""
    said = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", *PACKAGES], capture_output=True, text=True, check=True
    ).stdout
    lines = [line for line in said.splitlines() if line.startswith(("Package:", "Version:", "Architecture:"))]
    return hashlib.sha256("\n".join([FORM, *lines]).encode()).hexdigest()[:16]


def _merge(scratch: Path) -> Path:
    """One tar of all packages' files, the same for the same packages."""
    as_root = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    subprocess.run(["apt-get", "-qq", *as_root, "download", *PACKAGES], cwd=scratch, check=True)
    made, seen = scratch / "base.tar", set[str]()
    with tarfile.open(made, "w") as merged:
        for package in sorted(scratch.glob("*.deb")):
            data = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True)
            with tarfile.open(fileobj=io.BytesIO(data.stdout)) as files:
                for member in files:
                    member.name = member.name.removeprefix("./").rstrip("/")
                    if member.name in ("", ".", *seen) or f"{member.name}/".startswith(LEFT_OUT):
                        continue
                    seen.add(member.name)
                    merged.addfile(_plain(member), files.extractfile(member) if member.isreg() else None)
        for command in COMMANDS:
            _link(merged, f"bin/{command}", "busybox")
        _link(merged, "usr/bin/python3", "python3.11")
        for name, text in ETC.items():
            _add(merged, name, text.encode())
        for name, mode in FOLDERS.items():
            _folder(merged, name, mode)
    return made


def _layer(files: Mapping[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        parents = {str(folder) for name in files for folder in Path(name.lstrip("/")).parents} - {"."}
        for folder in sorted(parents):
            _folder(layer, folder, FOLDERS.get(folder, 0o755))
        for name, content in sorted(files.items()):
            _add(layer, name.lstrip("/"), content.encode() if isinstance(content, str) else content)
    return buffer.getvalue()


def _config(image: Image, layers: Sequence[str]) -> bytes:
    machine = subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True
    ).stdout.strip()
    settings = {
        "Entrypoint": list(image.entrypoint) or None,
        "Cmd": list(image.command) or None,
        "Env": [PATH, *(f"{name}={value}" for name, value in image.env.items())],
        "Labels": dict(image.labels),
        "User": image.user,
        "WorkingDir": image.working_dir,
    }
    root = {"type": "layers", "diff_ids": [f"sha256:{layer}" for layer in layers]}
    return json.dumps({"architecture": machine, "os": "linux", "config": settings, "rootfs": root}).encode()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without what differs from one making to the next."""
    member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
    return member


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o755
    archive.addfile(member, io.BytesIO(content))


def _link(archive: tarfile.TarFile, name: str, target: str) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    archive.addfile(member)


def _folder(archive: tarfile.TarFile, name: str, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, mode
    archive.addfile(member)
