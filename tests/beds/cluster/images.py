"""Images of the cluster's own: the one that holds a pod's namespaces, and Hilum's, made of this checkout."""

from __future__ import annotations

import compileall
import hashlib
import importlib.metadata
import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from py_compile import PycInvalidationMode

import hilum
from beds.cluster import places
from beds.cluster.build import binary
from beds.images import Image, docker_archive, python_layer

HILUM = "hilum-bed/hilum:1"
NEEDED = (
    *("pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection"),
    *("structlog", "cel-expr-python", "protobuf"),
)
"""What staging, collecting and Python steps import; the rest of Hilum's dependencies would only be carried about."""
LIBRARY = "usr/lib/python3.11/"


def pause_archive(path: Path) -> Path:
    """An archive of one image with one static program."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as files:
        _add(files, "pause", binary("pause").read_bytes())
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/pause"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [places.PAUSE_IMAGE], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as archive:
        _add(archive, "layer.tar", layer.getvalue())
        _add(archive, "config.json", json.dumps(config).encode())
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    return path


def hilum_archive(path: Path) -> Path:
    """An archive of Hilum's image: the test base, the packages that it needs there, and the code of this checkout.

    All of it is compiled: a pod could not keep what it compiled, and would spend a second of each start on it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch)
        for name, file in _files():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, top / name)
        files = _compiled(top, "/opt/hilum")
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(python_layer()) as base:
        members = [each for each in base.getmembers() if each.name.startswith(LIBRARY)]
        base.extractall(
            scratch, [each for each in members if each.isreg() and each.name.endswith(".py")], filter="data"
        )
        files |= {
            name: content
            for name, content in _compiled(Path(scratch) / LIBRARY, f"/{LIBRARY.rstrip('/')}").items()
            if name.endswith(".pyc")
        }
    return docker_archive(path, Image(HILUM, files=files, env={"PYTHONPATH": "/opt/hilum"}))


def _compiled(top: Path, place: str) -> dict[str, bytes]:
    """All files below a folder and their compiled forms, by where they go."""
    compileall.compile_dir(top, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return {
        f"{place}/{file.relative_to(top)}": file.read_bytes() for file in top.rglob("*") if file.is_file()
    }


def _files() -> Iterator[tuple[str, Path]]:
    package = Path(hilum.__file__).parent
    for file in package.rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            yield f"hilum/{file.relative_to(package)}", file
    for name in NEEDED:
        for entry in importlib.metadata.files(name) or ():
            if entry.suffix != ".pyc" and ".." not in entry.parts:
                yield str(entry), Path(str(entry.locate()))


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o755
    archive.addfile(member, io.BytesIO(content))
