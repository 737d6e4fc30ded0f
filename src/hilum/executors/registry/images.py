"""What a reference means in its registry now: digest, labels, and the texts that contracts read from the image."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any

from hilum.errors import UsageError
from hilum.executors.registry.client import INDEXES, RegistryClient, unreachable, unreadable
from hilum.executors.registry.credentials import credentials_for
from hilum.executors.registry.layers import Wanted
from hilum.executors.registry.reference import Reference
from hilum.model.image import ResolvedImage

LOOKED_INTO = 4 << 30
"""Bytes of layers that are read to find a text."""

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class RegistryImages:
    """Resolves references by asking their registries; an :class:`~hilum.model.image.ImageResolver`.

    Of an image for several platforms the digest is that of its index: that is what people pin and what Docker names
    it by, so the task key is the same wherever it runs. Labels and texts are those of this machine's platform.

    Args:
        config: Docker's ``config.json``, or a Kubernetes pull secret; by default where Docker has it.
        architecture: as Go names it; by default this machine's.
    """

    def __init__(self, config: Path | None = None, architecture: str = "") -> None:
        machine = platform.machine()
        self._config = config
        self._architecture = architecture or ARCHITECTURES.get(machine, machine)
        self._known: dict[tuple[str, str, str, tuple[str, ...]], ResolvedImage] = {}

    def resolve(self, reference: str, pull: str, wanted: Sequence[str] = ()) -> ResolvedImage:
        """What has been looked into once is known by its digest; then this costs one request.

        With ``never`` nothing is asked: the machines have the image, and only a digest says which one.

        Raises:
            UsageError: also ``image-unreadable``.
        """
        parsed = Reference.of(reference)
        if pull == "never":
            return _as_named(parsed, reference)
        client = RegistryClient(parsed, credentials_for(parsed.host, self._config))
        try:
            named = parsed.digest or client.digest(parsed.tag)
            key = (parsed.host, parsed.repository, named, tuple(wanted))
            if key not in self._known:
                self._known[key] = self._read(client, reference, named, wanted)
        except (OSError, HTTPException):
            raise unreachable("breaks off") from None
        found = self._known[key]
        return ResolvedImage(reference, found.digest, found.labels, found.facts)

    def _read(
        self, client: RegistryClient, reference: str, named: str, wanted: Sequence[str]
    ) -> ResolvedImage:
        digest, manifest = client.manifest(named)
        if manifest.get("mediaType") in INDEXES or "manifests" in manifest:
            _, manifest = client.manifest(self._for_this_platform(manifest))
        try:
            config = client.config(manifest["config"]["digest"])
            labels = (config.get("config") or {}).get("Labels") or {}
            layers = [(str(layer["digest"]), int(layer["size"])) for layer in manifest["layers"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise unreadable("what the reference names is no image") from None
        return ResolvedImage(reference, digest, labels, _texts(client, layers, wanted))

    def _for_this_platform(self, index: dict[str, Any]) -> str:
        for each in index.get("manifests", ()):
            meant = each.get("platform") or {}
            if (meant.get("os"), meant.get("architecture")) == ("linux", self._architecture):
                return str(each["digest"])
        raise UsageError(
            f"the registry has no such image for linux/{self._architecture}",
            reason="image-missing",
            hint="build it for this platform too",
        )


def _as_named(parsed: Reference, reference: str) -> ResolvedImage:
    if not parsed.digest:
        raise UsageError(
            "with pull: never no registry is asked what a tag means",
            reason="image-missing",
            hint="name the image by its digest, or write pull: missing",
        )
    return ResolvedImage(reference, parsed.digest)


def _texts(client: RegistryClient, layers: list[tuple[str, int]], paths: Sequence[str]) -> dict[str, str]:
    wanted, budget = Wanted(paths), LOOKED_INTO
    for digest, size in reversed(layers):
        if not wanted.left:
            break
        budget -= size
        if budget < 0:
            raise unreadable(
                "the image is too large to be looked into",
                "put the files that describe it into its last layers",
            )
        with client.blob(digest) as layer:
            wanted.look_into(layer, digest)
    try:
        return {path: content.decode() for path, content in wanted.found.items()}
    except UnicodeDecodeError:
        raise unreadable("a file of the image that should be a text is none") from None
