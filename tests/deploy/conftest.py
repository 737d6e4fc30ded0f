"""Helm for the tests of the chart."""

from __future__ import annotations

from beds.helm import helm

__all__ = ["helm"]
