"""A Python without some packages, as it is where an extra was not installed."""

from __future__ import annotations

import sys

import pytest

GOOGLE = ("google.api_core", "google.auth", "google.cloud")


def without(patch: pytest.MonkeyPatch, *packages: str) -> None:
    """Let imports of these and of what is in them fail, also of what was imported before."""
    inside = [name for name in sys.modules if name.startswith(tuple(f"{each}." for each in packages))]
    for name in (*packages, *inside):
        patch.setitem(sys.modules, name, None)
