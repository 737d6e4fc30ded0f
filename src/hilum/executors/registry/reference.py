"""References to images, as Docker and Kubernetes read them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hilum.errors import UsageError

DEFAULT_HOST, DEFAULT_ENDPOINT = "docker.io", "registry-1.docker.io"
"""Which registry a reference means that names none, and where that one answers."""

PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?")
LOCAL = re.compile(r"(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?")


@dataclass(frozen=True, slots=True)
class Reference:
    """``host/repository:tag@digest``; a digest decides alone."""

    host: str
    repository: str
    tag: str = "latest"
    digest: str = ""

    @classmethod
    def of(cls, text: str) -> Reference:
        """The reference that this is; UsageError ``bad-image-reference``."""
        name, _, digest = text.partition("@")
        host, slash, path = name.partition("/")
        if not (slash and (host == "localhost" or "." in host or ":" in host)):
            host, path = DEFAULT_HOST, name
        path, colon, tag = path.partition(":")
        if host == DEFAULT_HOST and "/" not in path:
            path = f"library/{path}"
        fits = HOST.fullmatch(host) and PATH.fullmatch(path)
        if not fits or (colon and not TAG.fullmatch(tag)) or ("@" in text and not DIGEST.fullmatch(digest)):
            raise UsageError(
                f"{text!r} is no reference to an image",
                reason="bad-image-reference",
                hint="write registry.example/name:tag or registry.example/name@sha256:...",
            )
        return cls(host, path, tag or "latest", digest)

    @property
    def wanted(self) -> str:
        """The digest or the tag, as the registry is asked for it."""
        return self.digest or self.tag

    @property
    def endpoint(self) -> str:
        """The registry's URL; as for Docker, only one on this machine may do without TLS."""
        host = DEFAULT_ENDPOINT if self.host == DEFAULT_HOST else self.host
        return f"{'http' if LOCAL.fullmatch(host) else 'https'}://{host}"
