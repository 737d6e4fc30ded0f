"""Credentials for registries, from where Docker keeps them: its ``config.json`` and the helpers named there. A
Kubernetes pull secret is the same document.
"""

from __future__ import annotations

import json
import os
import subprocess
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilum.errors import UsageError
from hilum.executors.registry.reference import DEFAULT_HOST

DEFAULT_KEY = "https://index.docker.io/v1/"
"""The name under which Docker keeps credentials for its own registry."""

TOKEN_USER = "<token>"
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """User and password, or a token that stands for both."""

    user: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        return "Credentials(...)"


def config_file() -> Path:
    """Docker's configuration."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "config.json"


def credentials_for(host: str, file: Path | None = None) -> Credentials | None:
    """What Docker would show this registry; None where there is nothing.

    Raises:
        UsageError: ``image-refused``: the configuration or a helper cannot be used.
    """
    file = file or config_file()
    try:
        config = json.loads(file.read_bytes())
        keys = [DEFAULT_KEY] if host == DEFAULT_HOST else [host, f"https://{host}", f"https://{host}/v1/"]
        helpers, auths = config.get("credHelpers", {}), config.get("auths", {})
        for key in keys:
            helper = helpers.get(key) or config.get("credsStore")
            found = _helped(helper, key) if helper else None
            found = found or _kept(auths.get(key) or {})
            if found:
                return found
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        raise UsageError(
            "Docker's config.json cannot be read", reason="image-refused", hint="see `docker login`"
        ) from None
    return None


def _kept(entry: Mapping[str, Any]) -> Credentials | None:
    if entry.get("identitytoken"):
        return Credentials(identity_token=entry["identitytoken"])
    if entry.get("auth"):
        user, _, password = b64decode(entry["auth"], validate=True).decode().partition(":")
        return Credentials(user, password.rstrip("\0"))
    if entry.get("username"):
        return Credentials(entry["username"], entry.get("password", ""))
    return None


def _helped(helper: str, key: str) -> Credentials | None:
    """What ``docker-credential-HELPER`` says; None where it knows nothing of this registry."""
    program = f"docker-credential-{helper}"
    try:
        said = subprocess.run(
            [program, "get"], input=key.encode(), capture_output=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        raise UsageError(
            f"{program} cannot be run", reason="image-refused", hint="Docker's config.json names it"
        ) from None
    if said.returncode:
        return None
    answer = json.loads(said.stdout)
    user, secret = answer["Username"], answer["Secret"]
    return Credentials(identity_token=secret) if user == TOKEN_USER else Credentials(user, secret)
