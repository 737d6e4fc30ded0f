"""No secret in plain text: neither a value that looks like one, nor an argument that takes one, since Terraform
writes what it was given into its state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from terraform import Module, expression, literal

LOOKS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an API key of Google": re.compile(r"AIza[0-9A-Za-z_-]{35}"),
    "an access token of Google": re.compile(r"ya29\.[0-9A-Za-z_-]{20,}"),
    "a URL with a password": re.compile(r"://[^/\s:@${}]+:[^/\s@${}]+@"),
    "the key of a service account": re.compile(r'"private_key(_id)?"'),
}
TAKES = re.compile(r"(^|_)(password|secret|token|private_key|api_key|credentials|auth_token)(_data|_raw)?$")
NO_SECRET = {"oidc_token", "oauth_token"}
"""Blocks with such a name that hold none."""
KEYS = "google_service_account_key"


def faults(modules: Sequence[Module]) -> list[str]:
    """Secrets that stand in the configuration, or would stand in its state."""
    return [said for module in modules for said in _of(module)]


def _of(module: Module) -> Iterator[str]:
    for file in sorted(
        each for each in module.folder.iterdir() if each.suffix in (".tf", ".tfvars", ".yaml")
    ):
        for what, looks in LOOKS.items():
            if looks.search(file.read_text()):
                yield f"{file.parent.name}/{file.name}: holds {what}"
    for block in module.blocks:
        if block.kind == "resource" and block.labels[0] == KEYS:
            yield f"{block.place}: a key of a service account stands in the state; use Workload Identity"
        if block.kind in ("resource", "module", "provider"):
            for name, value in _arguments(block.body):
                if TAKES.search(name) and (literal(value) or expression(value) is not None):
                    yield f"{block.place}: {name} stands in the state"


def _arguments(body: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in body.items():
        yield name.strip('"'), value
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict) and name not in NO_SECRET:
                yield from _arguments(inner)
