"""A real image registry for tests: Debian's docker-registry (CNCF distribution), open, with passwords or with tokens.

The package is unpacked outside the checkout and not installed, so that no service is made of it. It ends with the
test process, see beds/held.py. Images are pushed over the plain HTTP API.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from beds.cache import made_once
from beds.held import HeldServer
from beds.serving import serving

if TYPE_CHECKING:
    from beds.registry_tokens import TokenServer

PACKAGE = "docker-registry"
USER, PASSWORD = "reader", "correct horse"
HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n"

OCI = "application/vnd.oci.image"
MANIFEST, INDEX, CONFIG = f"{OCI}.manifest.v1+json", f"{OCI}.index.v1+json", f"{OCI}.config.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

Auth = Literal["none", "htpasswd", "token"]
Files = Mapping[str, str | bytes | None]
"""Contents by path; None is a folder. A path with an arrow, ``a -> b``, is a link."""


def program() -> Path | None:
    """The registry's program, fetched if it was not; None where there is no Debian to fetch it from."""
    if installed := shutil.which(PACKAGE):
        return Path(installed)
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        return None
    return made_once(PACKAGE, _fetch) / "usr" / "bin" / PACKAGE


def needed() -> Path:
    """The program; the test that wants it is skipped where it cannot be had."""
    found = program()
    if found is None:
        pytest.skip("no docker-registry here, and no apt to fetch it")
    return found


def _fetch(place: Path) -> None:
    subprocess.run(["apt-get", "-qq", "download", PACKAGE], cwd=place, check=True, stderr=subprocess.DEVNULL)
    [package] = place.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", package, place], check=True)
    package.unlink()


class Registry(HeldServer):
    """A running registry; ``name`` is how references begin."""

    def __init__(self, binary: Path, auth: Auth = "none", tokens: TokenServer | None = None) -> None:
        self._tokens = tokens

        def command(folder: Path, port: int) -> list[str | Path]:
            config: dict[str, Any] = {
                "version": "0.1",
                "log": {"level": "error"},
                "storage": {"filesystem": {"rootdirectory": f"{folder}/objects"}},
                "http": {"addr": f"127.0.0.1:{port}"},
            }
            if auth == "htpasswd":
                (folder / "htpasswd").write_text(HTPASSWD)
                config["auth"] = {"htpasswd": {"realm": "tests", "path": f"{folder}/htpasswd"}}
            elif tokens is not None:
                (folder / "certificate").write_bytes(tokens.certificate)
                bundle = {"issuer": tokens.issuer, "rootcertbundle": f"{folder}/certificate"}
                config["auth"] = {"token": {"realm": tokens.realm, "service": tokens.service, **bundle}}
            (folder / "config.yml").write_text(json.dumps(config))  # which is YAML, too
            return [binary, "serve", folder / "config.yml"]

        super().__init__("hilum-registry-", command)
        self.name = f"127.0.0.1:{self.port}"
        self._authorization = "Basic " + _encoded(f"{USER}:{PASSWORD}") if auth == "htpasswd" else ""

    def push(self, repository: str, tag: str, *layers: bytes, **config: Any) -> str:
        """Push an image, its lowest layer first; its digest.

        Args:
            config: of the configuration's ``config``, such as ``Labels``; ``schema`` is the manifest's media type.
        """
        schema = config.pop("schema", MANIFEST)
        described = self.push_blob(repository, json.dumps({"config": config}).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": schema,
            "config": {"mediaType": CONFIG, **described},
            "layers": [
                {"mediaType": f"{OCI}.layer.v1.tar+gzip", **self.push_blob(repository, layer)}
                for layer in layers
            ],
        }
        return self.push_manifest(repository, tag, manifest)

    def push_manifest(self, repository: str, tag: str, manifest: Mapping[str, Any]) -> str:
        """Push a manifest or index as it is; its digest."""
        data = json.dumps(manifest).encode()
        headers = {"Content-Type": manifest["mediaType"]}
        self._ask("PUT", f"{self.host}/v2/{repository}/manifests/{tag}", repository, data, headers)
        return f"sha256:{sha256(data).hexdigest()}"

    def push_blob(self, repository: str, data: bytes) -> dict[str, Any]:
        """Push a blob; its descriptor."""
        digest = f"sha256:{sha256(data).hexdigest()}"
        at = self._ask("POST", f"{self.host}/v2/{repository}/blobs/uploads/", repository)
        self._ask(
            "PUT", f"{at}&digest={digest}", repository, data, {"Content-Type": "application/octet-stream"}
        )
        return {"digest": digest, "size": len(data)}

    def blob_file(self, digest: str) -> Path:
        """Where the registry keeps a blob."""
        kind, _, number = digest.partition(":")
        return self.folder / f"objects/docker/registry/v2/blobs/{kind}/{number[:2]}/{number}/data"

    def _ask(
        self,
        method: str,
        url: str,
        repository: str,
        data: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> str:
        request = urllib.request.Request(url, data, dict(headers or {}), method=method)
        authorization = self._authorization
        if self._tokens is not None:
            authorization = f"Bearer {self._tokens.token(f'repository:{repository}:pull,push')}"
        if authorization:
            request.add_header("Authorization", authorization)
        with urllib.request.urlopen(request) as answer:
            return str(answer.headers.get("Location", ""))


def layer(files: Files, compress: str = "gzip") -> bytes:
    """A layer of these files, in this order."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for path, content in files.items():
            name, _, target = path.partition(" -> ")
            entry = tarfile.TarInfo(name)
            data = content.encode() if isinstance(content, str) else content or b""
            if target:
                entry.type, entry.linkname = tarfile.SYMTYPE, target
            elif content is None:
                entry.type = tarfile.DIRTYPE
            else:
                entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    if compress == "zstd":
        import pyarrow

        with pyarrow.BufferOutputStream() as packed:
            with pyarrow.CompressedOutputStream(packed, "zstd") as stream:
                stream.write(plain.getvalue())
            return bytes(packed.getvalue())
    return gzip.compress(plain.getvalue(), mtime=0) if compress == "gzip" else plain.getvalue()


def docker_config(folder: Path, registry: str, user: str = USER, password: str = PASSWORD) -> Path:
    """Docker's ``config.json`` as ``docker login`` leaves it."""
    path = folder / "config.json"
    path.write_text(json.dumps({"auths": {registry: {"auth": _encoded(f"{user}:{password}")}}}))
    return path


def _encoded(text: str) -> str:
    from base64 import b64encode

    return b64encode(text.encode()).decode()


@dataclass(frozen=True)
class Registries:
    """One of each kind."""

    open: Registry
    htpasswd: Registry
    token: Registry
    tokens: TokenServer


@pytest.fixture(scope="session")
def registries() -> Iterator[Registries]:
    """Registries that the tests of this process share."""
    binary = needed()
    from beds.registry_tokens import TokenServer

    started: list[Registry] = []
    with serving(TokenServer(USER, PASSWORD)) as tokens:
        try:
            started.append(Registry(binary))
            started.append(Registry(binary, "htpasswd"))
            started.append(Registry(binary, "token", tokens))
            yield Registries(*started, tokens)
        finally:
            for registry in started:
                registry.stop()
